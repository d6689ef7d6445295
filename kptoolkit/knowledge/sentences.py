"""Many sentences as a few arrays; one sentence becomes a string when it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from kptoolkit.prompts import Segment
from kptoolkit.prompts.templating.triplet_sentences import Role
from kptoolkit.storage.ragged import Ragged, indptr_of

_ROLES: tuple[Role, ...] = ("text", "head", "tail")
ROLE_NUMBERS = {role: number for number, role in enumerate(_ROLES)}
"""Number of each role in :attr:`Sentences.role`."""


@dataclass(frozen=True, eq=False)
class Sentences(Ragged, Sequence[str]):
    """Sentences as pieces; each distinct piece, a name or words of a template, is stored once.

    Attributes:
        piece: ``(S,)`` int32: number in ``texts`` of every piece of every sentence.
        role: ``(S,)`` int8: role of every piece: text, head or tail.
        texts: The distinct pieces in the order of their first occurrence.
    """

    columns = ("piece", "role")
    piece: NDArray[np.int32]
    role: NDArray[np.int8]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Iterable[Sequence[Segment]]) -> Self:
        """Store sentences that are given as segments."""
        numbers: dict[str, int] = {}
        piece: list[int] = []
        role: list[int] = []
        sizes: list[int] = []
        for segments in sentences:
            sizes.append(len(segments))
            piece += [numbers.setdefault(segment.text, len(numbers)) for segment in segments]
            role += [ROLE_NUMBERS[segment.role] for segment in segments]
        return cls(indptr_of(sizes), np.array(piece, np.int32), np.array(role, np.int8), tuple(numbers))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], texts: Sequence[str]) -> Self:
        """Create sentences from the arrays of :attr:`arrays` and from :attr:`texts`."""
        return cls(arrays["sentence"], arrays["piece"], arrays["role"], tuple(texts))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Concatenate sentences; equal pieces of different parts become one."""
        numbers: dict[str, int] = {}
        pieces = [np.zeros(0, np.int32)]
        for part in parts:
            number = [numbers.setdefault(text, len(numbers)) for text in part.texts]
            pieces.append(np.array(number, np.int32)[part.piece])
        lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
        role = np.concatenate([np.zeros(0, np.int8), *(part.role for part in parts)])
        return cls(indptr_of(lengths), np.concatenate(pieces), role, tuple(numbers))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name: everything except the texts."""
        return {"piece": self.piece, "role": self.role, "sentence": self.indptr}

    @property
    def words(self) -> NDArray[np.int64]:
        """``(N,)`` number of words of every sentence, counted in each of its pieces."""
        counts = np.array([len(text.split()) for text in self.texts], dtype=np.int64)[self.piece]
        before = np.concatenate([[0], np.cumsum(counts)])
        words: NDArray[np.int64] = np.diff(before[self.indptr])
        return words

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sentences: ...
    def __getitem__(self, number: int | slice) -> str | Sentences:
        if isinstance(number, slice):
            return self.take(slice(*bounds(number, len(self))))
        row = self.span(index_of(number, len(self)))
        return "".join([self.texts[piece] for piece in self.piece[row].tolist()])

    def segments(self, first: int, last: int) -> Iterator[tuple[Segment, ...]]:
        """Yield the segments of sentences ``first`` to ``last - 1``; equal segments are one object."""
        indptr = self.indptr[first : last + 1].tolist()
        known: dict[tuple[int, int], Segment] = {}
        part = slice(indptr[0], indptr[-1])
        keys = list(zip(self.piece[part].tolist(), self.role[part].tolist(), strict=True))
        for key in set(keys):
            known[key] = Segment(self.texts[key[0]], _ROLES[key[1]])
        all_segments = [known[key] for key in keys]
        for start, stop in pairwise(indptr):
            yield tuple(all_segments[start - indptr[0] : stop - indptr[0]])


def bounds(part: slice, size: int) -> tuple[int, int]:
    """Start and end of a slice of a sequence with ``size`` members.

    Raises:
        ValueError: The step is not 1.
    """
    first, last, step = part.indices(size)
    if step != 1:
        raise ValueError("a slice of prompts or sentences must have step 1")
    return first, max(first, last)


def index_of(number: int, size: int) -> int:
    """Index from 0 of a member of a sequence; ``number`` may be negative.

    Raises:
        IndexError: There is no such member.
    """
    index = number + size if number < 0 else number
    if not 0 <= index < size:
        raise IndexError(f"{number} of {size}")
    return index
