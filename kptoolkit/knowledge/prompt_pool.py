"""Many triplet prompts as a few arrays; one of them becomes an object when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbour_rows import objects
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import Segment
from kptoolkit.prompts.render import Role
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.tree.triplet_prompts import TripletPrompt

_ROLES: tuple[Role, ...] = ("text", "head", "tail")
_NUMBERS = {role: number for number, role in enumerate(_ROLES)}
_AT_ONCE = 4096
"""Prompts whose columns are turned into Python values together."""
_MOST_VARIANTS = 2**16


@dataclass(frozen=True, eq=False)
class Sentences(Sequence[str]):
    """Sentences in pieces; a piece of text, a name or words of a template, is kept once.

    Attributes:
        texts: The distinct pieces in the order in which they first occur.
        piece: ``(S,)`` int32: number in ``texts`` of every piece of every sentence.
        role: ``(S,)`` int8: what it is: text, head or tail.
        indptr: ``(P + 1,)`` int64; the pieces of sentence p are ``[indptr[p], indptr[p + 1])``.
    """

    texts: tuple[str, ...]
    piece: NDArray[np.int32]
    role: NDArray[np.int8]
    indptr: NDArray[np.int64]

    @classmethod
    def of(cls, sentences: Iterable[Sequence[Segment]]) -> Self:
        """Take sentences apart."""
        numbers: dict[str, int] = {}
        piece: list[int] = []
        role: list[int] = []
        sizes: list[int] = []
        for segments in sentences:
            sizes.append(len(segments))
            piece += [numbers.setdefault(segment.text, len(numbers)) for segment in segments]
            role += [_NUMBERS[segment.role] for segment in segments]
        indptr = indptr_of(np.array(sizes, np.int64))
        return cls(tuple(numbers), np.array(piece, np.int32), np.array(role, np.int8), indptr)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], texts: Sequence[str]) -> Self:
        """What :attr:`arrays` gave."""
        return cls(tuple(texts), arrays["piece"], arrays["role"], arrays["sentence"])

    @classmethod
    def joined(cls, parts: Sequence[Sentences]) -> Self:
        """The sentences of one part behind those of the part before it."""
        numbers: dict[str, int] = {}
        pieces = [np.zeros(0, np.int32)]
        for part in parts:
            number = [numbers.setdefault(text, len(numbers)) for text in part.texts]
            pieces.append(np.array(number, np.int32)[part.piece])
        return cls(
            tuple(numbers),
            np.concatenate(pieces),
            np.concatenate([np.zeros(0, np.int8), *(part.role for part in parts)]),
            indptr_of(np.concatenate([np.zeros(0, np.int64), *(np.diff(part.indptr) for part in parts)])),
        )

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All but the texts."""
        return {"piece": self.piece, "role": self.role, "sentence": self.indptr}

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sentences: ...
    def __getitem__(self, number: int | slice) -> str | Sentences:
        if isinstance(number, slice):
            first, last = _bounds(number, len(self))
            indptr = self.indptr[first : last + 1]
            part = slice(indptr[0], indptr[-1])
            return Sentences(self.texts, self.piece[part], self.role[part], indptr - indptr[0])
        first, last = self.indptr[_place(number, len(self)) :][:2].tolist()
        return "".join([self.texts[piece] for piece in self.piece[first:last].tolist()])

    def segments(self, first: int, last: int) -> Iterator[tuple[Segment, ...]]:
        """Sentences ``first`` to ``last - 1`` in pieces; equal pieces are one object."""
        indptr = self.indptr[first : last + 1].tolist()
        known: dict[tuple[int, int], Segment] = {}
        part = slice(indptr[0], indptr[-1])
        keys = list(zip(self.piece[part].tolist(), self.role[part].tolist(), strict=True))
        for key in set(keys):
            known[key] = Segment(self.texts[key[0]], _ROLES[key[1]])
        all_segments = [known[key] for key in keys]
        for start, stop in pairwise(indptr):
            yield tuple(all_segments[start - indptr[0] : stop - indptr[0]])


@dataclass(frozen=True, eq=False)
class PromptPool(Sequence[TripletPrompt]):
    """Distinct triplet prompts.

    Attributes:
        neighbourhoods: Their rows are what the prompts state.
        row: ``(P,)`` int64: row that a prompt words.
        variant: ``(P,)`` int32: number of the wording.
        sentences: The prompts' words.
    """

    neighbourhoods: Neighbourhoods
    row: NDArray[np.int64]
    variant: NDArray[np.int32]
    sentences: Sentences

    @classmethod
    def empty(cls, neighbourhoods: Neighbourhoods) -> Self:
        """No prompts yet."""
        return cls(neighbourhoods, np.zeros(0, np.int64), np.zeros(0, np.int32), Sentences.of(()))

    @classmethod
    def of_arrays(cls, found: Neighbourhoods, arrays: Mapping[str, NDArray[Any]], texts: Sequence[str]) -> Self:
        """What :attr:`arrays` gave, and the texts of the sentences."""
        return cls(found, arrays["row"], arrays["variant"], Sentences.of_arrays(arrays, texts))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All but the neighbourhoods and the texts of the sentences."""
        return {"row": self.row, "variant": self.variant, **self.sentences.arrays}

    def joined(self, other: PromptPool) -> PromptPool:
        """These prompts, and those of ``other`` behind them."""
        return PromptPool(
            self.neighbourhoods,
            np.concatenate([self.row, other.row]),
            np.concatenate([self.variant, other.variant]),
            Sentences.joined((self.sentences, other.sentences)),
        )

    def numbers(self, rows: NDArray[np.int64], variants: NDArray[np.int32]) -> NDArray[np.int32]:
        """``(n,)`` numbers of the prompts that word rows in given variants, -1 where there is none."""
        known, asked = _keys(self.row, self.variant), _keys(rows, variants)
        order = np.argsort(known, kind="stable")
        if not len(known):
            return np.full(len(asked), -1, np.int32)
        place = np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)
        return np.where(known[order[place]] == asked, order[place], -1).astype(np.int32)

    @cached_property
    def near(self) -> NDArray[np.int64]:
        """``(P,)`` node number of the end that a prompt is told from."""
        return np.searchsorted(self.neighbourhoods.indptr, self.row, side="right") - 1

    @property
    def fragments(self) -> list[str]:
        """The distinct words of templates, in the order in which they first occur."""
        words = self.sentences.piece[self.sentences.role == _NUMBERS["text"]]
        return [self.sentences.texts[piece] for piece in _in_order(words)]

    @property
    def entities(self) -> list[str]:
        """The distinct entity ids, in the order in which they first occur, a head before its tail."""
        return [str(self.neighbourhoods.ids[node]) for node in _in_order(np.stack(self._ends, axis=1).ravel())]

    @property
    def far_ids(self) -> NDArray[Any]:
        """``(P,)`` object: entity id of the other end."""
        return self.neighbourhoods.ids[self.neighbourhoods.far[self.row]]

    @property
    def labels(self) -> NDArray[Any]:
        """``(P,)`` object: relation id, with ``<`` before it where the prompt is told from the tail."""
        found = self.neighbourhoods
        names = objects([text for relation in found.relations for text in (f"<{relation}", relation)])
        return names[2 * found.relation[self.row] + found.forward[self.row]]

    def __len__(self) -> int:
        return len(self.row)

    @overload
    def __getitem__(self, number: int) -> TripletPrompt: ...
    @overload
    def __getitem__(self, number: slice) -> PromptPool: ...
    def __getitem__(self, number: int | slice) -> TripletPrompt | PromptPool:
        if isinstance(number, slice):
            part = slice(*_bounds(number, len(self)))
            return PromptPool(self.neighbourhoods, self.row[part], self.variant[part], self.sentences[part])
        place = _place(number, len(self))
        return next(self._prompts(place, place + 1))

    def __iter__(self) -> Iterator[TripletPrompt]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self._prompts(first, min(first + _AT_ONCE, len(self)))

    def texts(self) -> Iterator[tuple[tuple[Segment, ...], tuple[str, str]]]:
        """The pieces of every prompt, and the entity ids of its head and tail."""
        ids = self.neighbourhoods.ids
        for first in range(0, len(self), _AT_ONCE):
            part = slice(first, min(first + _AT_ONCE, len(self)))
            heads, tails = (ids[end[part]] for end in self._ends)
            yield from zip(self.sentences.segments(part.start, part.stop), zip(heads, tails, strict=True), strict=True)

    def _prompts(self, first: int, last: int) -> Iterator[TripletPrompt]:
        found, row = self.neighbourhoods, self.row[first:last]
        columns = (found.ids[self.near[first:last]], found.ids[found.far[row]], found.relation[row], found.forward[row])
        for segments, near, far, relation, forward in zip(self.sentences.segments(first, last), *columns, strict=True):
            head, tail = (near, far) if forward else (far, near)
            yield TripletPrompt(segments, head, found.relations[relation], tail, near)

    @cached_property
    def _ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``(P,)`` node numbers of heads and of tails."""
        found = self.neighbourhoods
        forward, far = found.forward[self.row], found.far[self.row]
        return np.where(forward, self.near, far), np.where(forward, far, self.near)


def _in_order(numbers: NDArray[Any]) -> list[int]:
    """The distinct numbers in the order in which they first occur."""
    distinct, first = np.unique(numbers, return_index=True)
    ordered: list[int] = distinct[np.argsort(first)].tolist()
    return ordered


def _keys(rows: NDArray[np.int64], variants: NDArray[np.int32]) -> NDArray[np.int64]:
    return rows.astype(np.int64) * _MOST_VARIANTS + variants


def _bounds(part: slice, size: int) -> tuple[int, int]:
    first, last, step = part.indices(size)
    if step != 1:
        raise ValueError("a part of a pool is taken in steps of one")
    return first, max(first, last)


def _place(number: int, size: int) -> int:
    place = number + size if number < 0 else number
    if not 0 <= place < size:
        raise IndexError(f"{number} of {size}")
    return place
