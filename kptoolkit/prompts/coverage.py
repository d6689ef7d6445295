"""How much of a graph a template pack has sentences for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CoverageRow:
    """One relation of a graph.

    Attributes:
        relation: Its id in the graph.
        count: Number of its triples.
        template: Relation id in the pack; ``None`` if the fallback is used.
    """

    relation: str
    count: int
    template: str | None

    @property
    def fallback(self) -> bool:
        """Whether the pack has no sentences for it."""
        return self.template is None


@dataclass(frozen=True)
class Coverage:
    """Which relations of a graph a pack has sentences for.

    Attributes:
        pack: Name of the pack.
        rows: One row per relation, most frequent first.
    """

    pack: str
    rows: tuple[CoverageRow, ...]

    @property
    def triples(self) -> int:
        """Number of triples."""
        return sum(row.count for row in self.rows)

    @property
    def share_of_triples(self) -> float:
        """Share of triples with sentences, in [0, 1]; 1 for a graph without triples."""
        covered = sum(row.count for row in self.rows if not row.fallback)
        return covered / self.triples if self.triples else 1.0

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Relations without sentences, most frequent first."""
        return tuple(row.relation for row in self.rows if row.fallback)
