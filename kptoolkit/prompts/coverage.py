"""How much of a graph a template pack words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CoverageRow:
    """One relation of a graph.

    Attributes:
        relation: Its id in the graph.
        count: Triples that bear it.
        template: Relation id of the pack's templates, ``None`` when the fallback words it.
    """

    relation: str
    count: int
    template: str | None

    @property
    def fallback(self) -> bool:
        """Whether the pack has no wording of its own."""
        return self.template is None


@dataclass(frozen=True)
class Coverage:
    """What a pack words of a graph's relations.

    Attributes:
        pack: Name of the pack.
        rows: One a relation, most frequent first.
    """

    pack: str
    rows: tuple[CoverageRow, ...]

    @property
    def triples(self) -> int:
        """Triples in all."""
        return sum(row.count for row in self.rows)

    @property
    def share_of_triples(self) -> float:
        """Share of triples worded by templates, in [0, 1]; 1 for a graph without triples."""
        worded = sum(row.count for row in self.rows if not row.fallback)
        return worded / self.triples if self.triples else 1.0

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Relations that only the fallback words, most frequent first."""
        return tuple(row.relation for row in self.rows if row.fallback)
