"""Triples of a neighbourhood in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import Segment, TemplatePack, choose_variant
from kptoolkit.tree.tokens import cap_name

Variants = Literal["first", "hash", "epoch"]


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
        head, relation, tail = self.neighbourhoods.triple(row)
        near, far = self.neighbourhoods.ends(row)
        inverse, variant = not bool(self.neighbourhoods.forward[row]), self.variant(row, epoch)
        first, second = (far, near) if inverse else (near, far)
        segments = self.pack.render(self.name(first), relation, self.name(second), inverse=inverse, variant=variant)
        return TripletPrompt(segments, head, relation, tail, str(self.neighbourhoods.ids[near]))

    def variant(self, row: int, epoch: int = 0) -> int:
        """Which wording :meth:`prompt` takes for a row."""
        head, relation, tail = self.neighbourhoods.triple(row)
        count = self.pack.variants(relation, not bool(self.neighbourhoods.forward[row]))
        return choose_variant(self.variants, count, f"{head}\t{relation}\t{tail}", epoch)

    def name(self, node: int) -> str:
        """The capped name of a node, or its id where it has none."""
        name = str(self.neighbourhoods.names[node]) or str(self.neighbourhoods.ids[node])
        return cap_name(name, self.name_tokens)
