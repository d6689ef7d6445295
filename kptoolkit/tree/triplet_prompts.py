"""Triples of a neighbourhood in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import Segment, TemplatePack, choose_variant
from kptoolkit.tree.tokens import cap_name

Variants = Literal["first", "hash", "epoch"]
_AT_ONCE = 16_384
"""Rows of which Python objects are held together."""


@dataclass(frozen=True)
class TripletPrompt:
    """A triple as a sentence (KP4SR, triplet prompt).

    Attributes:
        segments: The sentence in parts.
        head: Entity id of the stored head.
        relation: Relation id.
        tail: Entity id of the stored tail.
        near: Entity id of the end it is told from.
    """

    segments: tuple[Segment, ...]
    head: str
    relation: str
    tail: str
    near: str

    @property
    def text(self) -> str:
        """The sentence."""
        return "".join(segment.text for segment in self.segments)


class _Stated(NamedTuple):
    """Near and far node number and relation id of a row, and whether the near end is the head."""

    near: int
    far: int
    relation: str
    forward: bool


@dataclass(frozen=True)
class Wording:
    """Turns rows of a neighbourhood into triplet prompts; the inverse sentence where the near end is the tail.

    Attributes:
        neighbourhoods: The rows.
        pack: The sentences.
        variants: Which of several wordings.
        name_tokens: Longest name, in words; see :func:`kptoolkit.tree.tokens.cap_name`.
    """

    neighbourhoods: Neighbourhoods
    pack: TemplatePack
    variants: Variants = "first"
    name_tokens: int = 48

    def prompt(self, row: int, epoch: int = 0) -> TripletPrompt:
        """The prompt of a row.

        Args:
            row: Row of the neighbourhoods.
            epoch: Epoch of training, for the variants ``epoch``.
        """
        return self.prompts([row], epoch)[0]

    def prompts(self, rows: Sequence[int] | NDArray[np.int64], epoch: int = 0) -> list[TripletPrompt]:
        """The prompts of several rows; arguments as in :meth:`prompt`."""
        return [self._prompt(stated, self._variant(stated, epoch)) for stated in self._stated(rows)]

    def variant_numbers(self, rows: NDArray[np.int64], epoch: int = 0) -> NDArray[np.int32]:
        """``(n,)`` which wording :meth:`prompt` takes for each of several rows."""
        if self.variants == "first":
            return np.zeros(len(rows), np.int32)
        parts = (rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE))
        numbers = (self._variant(stated, epoch) for part in parts for stated in self._stated(part))
        return np.fromiter(numbers, np.int32, len(rows))

    def _stated(self, rows: Sequence[int] | NDArray[np.int64]) -> list[_Stated]:
        """What each of several rows states."""
        found, chosen = self.neighbourhoods, np.asarray(rows, dtype=np.int64)
        near = np.searchsorted(found.indptr, chosen, side="right") - 1
        columns = (near, found.far[chosen], found.relation[chosen], found.forward[chosen])
        names = found.relations
        return [
            _Stated(near, far, names[relation], forward)
            for near, far, relation, forward in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def _prompt(self, stated: _Stated, variant: int) -> TripletPrompt:
        near, far, relation, forward = stated
        ids = self.neighbourhoods.ids
        segments = self.pack.render(
            self.name(near if forward else far),
            relation,
            self.name(far if forward else near),
            inverse=not forward,
            variant=variant,
        )
        head, tail = (near, far) if forward else (far, near)
        return TripletPrompt(segments, str(ids[head]), relation, str(ids[tail]), str(ids[near]))

    def _variant(self, stated: _Stated, epoch: int) -> int:
        if self.variants == "first":
            return 0
        near, far, relation, forward = stated
        head, tail = (near, far) if forward else (far, near)
        ids, count = self.neighbourhoods.ids, self.pack.variants(relation, not forward)
        return choose_variant(self.variants, count, f"{ids[head]}\t{relation}\t{ids[tail]}", epoch)

    def name(self, node: int) -> str:
        """The capped name of a node, or its id where it has none."""
        name = str(self.neighbourhoods.names[node]) or str(self.neighbourhoods.ids[node])
        return cap_name(name, self.name_tokens)
