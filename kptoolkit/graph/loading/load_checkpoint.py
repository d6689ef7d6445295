"""How far a load has come: noted in the transaction of every batch, so that the note and the batch agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.store import GraphStore, GraphTransaction


@dataclass(frozen=True)
class LoadCheckpoint:
    """What the database has acknowledged of a load, and what it held before.

    Attributes:
        fresh: Whether it held no entity and no item, so that nothing can be there twice.
        base_entities: Entities it held.
        base_relationships: Relationships between entities it held.
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
        """Nothing yet, for a database that holds ``counts``."""
        fresh = not (counts["entities"] or counts["items"])
        return cls(fresh, counts["entities"], counts["relationships"])

    @classmethod
    def read(cls, store: GraphStore, queries: QuerySet) -> LoadCheckpoint | None:
        """What was noted last, if anything was."""
        rows = queries["load_progress"].read(store).dicts()
        return cls(**rows[0]) if rows and all(value is not None for value in rows[0].values()) else None

    def plus(self, **more: int) -> LoadCheckpoint:
        """With one more batch; ``more`` is added to the attributes of these names."""
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})

    def note(self, transaction: GraphTransaction, queries: QuerySet) -> None:
        """Write it."""
        queries["note_progress"].write(transaction, **asdict(self))

    def agrees(self, counts: Mapping[str, int]) -> bool:
        """Whether the database holds what it would if nobody else had written since."""
        entities, relationships = self.base_entities + self.entities_created, self.base_relationships
        return (counts["entities"], counts["relationships"]) == (entities, relationships + self.triples_created)
