"""Renders rows of a neighbourhood as triplet prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import Segment, TemplatePack, choose_variant
from kptoolkit.tree.tokens import cap_name

Variants = Literal["first", "hash", "epoch"]
_CHUNK = 16_384
"""Rows that exist as Python objects at the same time."""


@dataclass(frozen=True)
class TripletPrompt:
    """A triple as a sentence (KP4SR, triplet prompt).

    Attributes:
        segments: The sentence in segments.
        head: Entity id of the stored head.
        relation: Relation id.
        tail: Entity id of the stored tail.
        near: Entity id of the near end.
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


class _Triple(NamedTuple):
    """Node numbers of the near and far end, the relation id, and whether the near end is the head."""

    near: int
    far: int
    relation: str
    forward: bool


@dataclass(frozen=True)
class TripletRenderer:
    """Renders rows of a neighbourhood as triplet prompts; takes the inverse sentence if the near end is the tail.

    Attributes:
        neighbourhoods: The rows.
        pack: Template pack with the sentences.
        variants: How one of several sentences is chosen, see :func:`kptoolkit.prompts.choose_variant`.
        name_tokens: Greatest number of words of a name; see :func:`kptoolkit.tree.tokens.cap_name`.
        item_names: Names of the entities without a name of their own that are one item each, by entity id: what an MPP
            calls that item.
    """

    neighbourhoods: Neighbourhoods
    pack: TemplatePack
    variants: Variants = "first"
    name_tokens: int = 48
    item_names: Mapping[str, str] = field(default_factory=dict)

    def render(self, row: int, epoch: int = 0) -> TripletPrompt:
        """Render one row.

        Args:
            row: Row of the neighbourhoods.
            epoch: Epoch of training, from 0; only matters for the variants ``epoch``.

        Raises:
            TemplateError: A filter or an expression fails on the names of the row.
        """
        (triple,) = self._triples([row])
        return self._render(triple, self._variant(triple, epoch))

    def segments(self, rows: NDArray[np.int64], variants: NDArray[np.int64]) -> list[tuple[Segment, ...]]:
        """Render rows in given variants; returns the segments of each sentence.

        Args:
            rows: ``(n,)`` rows of the neighbourhoods.
            variants: ``(n,)`` numbers of the variants, see :meth:`variant_numbers`.

        Raises:
            TemplateError: A filter or an expression fails on the names of a row.
        """
        pairs = zip(self._triples(rows), variants.tolist(), strict=True)
        return [self._render(triple, variant).segments for triple, variant in pairs]

    def variant_numbers(self, rows: NDArray[np.int64], epoch: int = 0) -> NDArray[np.int32]:
        """Return ``(n,)`` numbers of the variant that :meth:`render` takes for each row."""
        if self.variants == "first":
            return np.zeros(len(rows), np.int32)
        chunks = (rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK))
        numbers = (self._variant(triple, epoch) for chunk in chunks for triple in self._triples(chunk))
        return np.fromiter(numbers, np.int32, len(rows))

    def name(self, node: int) -> str:
        """Return the capped name of a node; without a name it is called like its item, or by its id."""
        name = str(self.neighbourhoods.names[node])
        if not name:
            entity = str(self.neighbourhoods.ids[node])
            name = self.item_names.get(entity, entity)
        return cap_name(name, self.name_tokens)

    def _triples(self, rows: Sequence[int] | NDArray[np.int64]) -> list[_Triple]:
        """The triple of each row."""
        found, chosen = self.neighbourhoods, np.asarray(rows, dtype=np.int64)
        near = np.searchsorted(found.indptr, chosen, side="right") - 1
        columns = (near, found.far[chosen], found.relation[chosen], found.forward[chosen])
        names = found.relations
        return [
            _Triple(near, far, names[relation], forward)
            for near, far, relation, forward in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def _render(self, triple: _Triple, variant: int) -> TripletPrompt:
        near, far, relation, forward = triple
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

    def _variant(self, triple: _Triple, epoch: int) -> int:
        if self.variants == "first":
            return 0
        near, far, relation, forward = triple
        head, tail = (near, far) if forward else (far, near)
        ids, count = self.neighbourhoods.ids, self.pack.variants(relation, not forward)
        return choose_variant(self.variants, count, f"{ids[head]}\t{relation}\t{ids[tail]}", epoch)
