"""Distinct triplet prompts as a few arrays; one prompt becomes an object when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbour_rows import objects
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.sentences import ROLE_NUMBERS, Sentences, bounds, index_of
from kptoolkit.prompts import Segment
from kptoolkit.tree.triplet_prompts import TripletPrompt

_CHUNK = 4096
"""Prompts whose columns are converted to Python values at a time."""
_MAX_VARIANTS = 2**16


@dataclass(frozen=True, eq=False)
class PromptKeys:
    """Identifies triplet prompts without their text: which fact each one states, and in which sentence.

    Attributes:
        row: ``(P,)`` int64: row of the neighbourhoods that a prompt states.
        variant: ``(P,)`` int32: number of the sentence among those of the relation.
    """

    row: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    variant: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Create keys from the arrays of :attr:`arrays`."""
        return cls(arrays["row"], arrays["variant"])

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes by name."""
        return {"row": self.row, "variant": self.variant}

    def __len__(self) -> int:
        return len(self.row)

    def take(self, numbers: NDArray[Any] | slice) -> PromptKeys:
        """Select the prompts with these numbers, in this order."""
        return PromptKeys(self.row[numbers], self.variant[numbers])

    def concat(self, other: PromptKeys) -> PromptKeys:
        """Append other prompts."""
        return PromptKeys(np.concatenate([self.row, other.row]), np.concatenate([self.variant, other.variant]))

    def find(self, wanted: PromptKeys) -> NDArray[np.int32]:
        """``(n,)`` numbers of the wanted prompts in this list, -1 for a prompt that is missing."""
        known, asked = self._codes, wanted._codes
        order = np.argsort(known, kind="stable")
        if not len(known):
            return np.full(len(asked), -1, np.int32)
        place = np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)
        return np.where(known[order[place]] == asked, order[place], -1).astype(np.int32)

    @property
    def _codes(self) -> NDArray[np.int64]:
        return self.row.astype(np.int64) * _MAX_VARIANTS + self.variant


@dataclass(frozen=True, eq=False)
class PromptPool(Sequence[TripletPrompt]):
    """Distinct triplet prompts; their sentences are rendered when they are read for the first time.

    Attributes:
        neighbourhoods: Their rows are the facts that the prompts state.
        keys: Fact and variant of each prompt.
        render: Returns the sentences of all prompts; called at most once.
    """

    neighbourhoods: Neighbourhoods
    keys: PromptKeys
    render: Callable[[], Sentences]

    @classmethod
    def of_sentences(cls, neighbourhoods: Neighbourhoods, keys: PromptKeys, sentences: Sentences) -> Self:
        """Create a pool whose sentences are rendered already."""
        return cls(neighbourhoods, keys, lambda: sentences)

    @cached_property
    def sentences(self) -> Sentences:
        """The sentences of all prompts, P of them."""
        return self.render()

    @cached_property
    def near(self) -> NDArray[np.int64]:
        """``(P,)`` node number of the near end of each prompt."""
        return np.searchsorted(self.neighbourhoods.indptr, self.keys.row, side="right") - 1

    @property
    def fragments(self) -> list[str]:
        """The distinct words of templates, in the order of their first occurrence."""
        words = self.sentences.piece[self.sentences.role == ROLE_NUMBERS["text"]]
        return [self.sentences.texts[piece] for piece in _distinct_in_order(words)]

    @property
    def entities(self) -> list[str]:
        """The distinct entity ids, in the order of their first occurrence, a head before its tail."""
        nodes = _distinct_in_order(np.stack(self._ends, axis=1).ravel())
        return [str(self.neighbourhoods.ids[node]) for node in nodes]

    @property
    def far_ids(self) -> NDArray[Any]:
        """``(P,)`` object: entity id of the far end."""
        return self.neighbourhoods.ids[self.neighbourhoods.far[self.keys.row]]

    @property
    def labels(self) -> NDArray[Any]:
        """``(P,)`` object: relation id, with ``<`` before it if the near end is the tail."""
        found, row = self.neighbourhoods, self.keys.row
        names = objects([text for relation in found.relations for text in (f"<{relation}", relation)])
        return names[2 * found.relation[row] + found.forward[row]]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, number: int) -> TripletPrompt: ...
    @overload
    def __getitem__(self, number: slice) -> PromptPool: ...
    def __getitem__(self, number: int | slice) -> TripletPrompt | PromptPool:
        if isinstance(number, slice):
            part = slice(*bounds(number, len(self)))
            return PromptPool(self.neighbourhoods, self.keys.take(part), lambda: self.sentences[part])
        index = index_of(number, len(self))
        return next(self._prompts(index, index + 1))

    def __iter__(self) -> Iterator[TripletPrompt]:
        for first in range(0, len(self), _CHUNK):
            yield from self._prompts(first, min(first + _CHUNK, len(self)))

    def texts(self) -> Iterator[tuple[tuple[Segment, ...], tuple[str, str]]]:
        """Yield the segments of every prompt, and the entity ids of its head and tail."""
        ids = self.neighbourhoods.ids
        for first in range(0, len(self), _CHUNK):
            part = slice(first, min(first + _CHUNK, len(self)))
            heads, tails = (ids[end[part]] for end in self._ends)
            yield from zip(self.sentences.segments(part.start, part.stop), zip(heads, tails, strict=True), strict=True)

    def _prompts(self, first: int, last: int) -> Iterator[TripletPrompt]:
        found, row = self.neighbourhoods, self.keys.row[first:last]
        columns = (found.ids[self.near[first:last]], found.ids[found.far[row]], found.relation[row], found.forward[row])
        for segments, near, far, relation, forward in zip(self.sentences.segments(first, last), *columns, strict=True):
            head, tail = (near, far) if forward else (far, near)
            yield TripletPrompt(segments, head, found.relations[relation], tail, near)

    @cached_property
    def _ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``(P,)`` node numbers of the heads and of the tails."""
        found = self.neighbourhoods
        forward, far = found.forward[self.keys.row], found.far[self.keys.row]
        return np.where(forward, self.near, far), np.where(forward, far, self.near)


def _distinct_in_order(numbers: NDArray[Any]) -> list[int]:
    """The distinct numbers in the order of their first occurrence."""
    distinct, first = np.unique(numbers, return_index=True)
    ordered: list[int] = distinct[np.argsort(first)].tolist()
    return ordered
