"""The progress of a load, stored in the graph in the same transaction as each batch, so that both agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.store import GraphStore, GraphTransaction


@dataclass(frozen=True)
class LoadCheckpoint:
    """What the database has acknowledged of a load, and its counts before it.

    Attributes:
        fresh: Whether there were no entities and items before, so that nothing can be written twice.
        base_entities: Entities before the load.
        base_relationships: Relationships between entities before the load.
        entities: Entities sent, in the order of the survey.
        entities_created: Of these, new ones.
        triples: Triples sent, in the order of the survey.
        triples_created: Of these, new ones.
    """

    fresh: bool
    base_entities: int
    base_relationships: int
    entities: int = 0
    entities_created: int = 0
    triples: int = 0
    triples_created: int = 0

    @classmethod
    def before(cls, counts: Mapping[str, int]) -> LoadCheckpoint:
        """Return the checkpoint before the first batch, for a database with these counts."""
        fresh = not (counts["entities"] or counts["items"])
        return cls(fresh, counts["entities"], counts["relationships"])

    @classmethod
    def read(cls, store: GraphStore, queries: QuerySet) -> LoadCheckpoint | None:
        """Read the stored checkpoint, ``None`` if there is none."""
        rows = queries["load_progress"].read(store).dicts()
        return cls(**rows[0]) if rows and all(value is not None for value in rows[0].values()) else None

    def plus(self, **more: int) -> LoadCheckpoint:
        """Return the checkpoint after one more batch; ``more`` is added to the attributes of these names."""
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})

    def note(self, transaction: GraphTransaction, queries: QuerySet) -> None:
        """Store the checkpoint."""
        queries["note_progress"].write(transaction, **asdict(self))

    def agrees(self, counts: Mapping[str, int]) -> bool:
        """Return whether the counts of the database are as expected, so that nobody else has written to it."""
        entities, relationships = self.base_entities + self.entities_created, self.base_relationships
        return (counts["entities"], counts["relationships"]) == (entities, relationships + self.triples_created)
