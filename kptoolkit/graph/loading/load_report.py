"""The report of a load."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from kptoolkit.graph.loading.survey import Mirrored, Survey
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.graph.store import WriteCounters
from kptoolkit.storage.text_tables import BadRow

Mode = Literal["upsert", "replace"]


@dataclass(frozen=True)
class RelationCounts:
    """Counts of the triples of one relation.

    Attributes:
        sent: Distinct triples sent to the graph.
        created: Of these, new ones.
        matched: Of these, existing ones.
    """

    sent: int
    created: int
    matched: int

    @classmethod
    def of(cls, sent: int, created: int) -> RelationCounts:
        """Return the counts; triples that were not created existed already."""
        return cls(sent, created, sent - created)


@dataclass
class LoadReport:
    """Counts of what was read and written.

    Attributes:
        source: Name of the source.
        mode: ``"upsert"`` or ``"replace"``.
        dry_run: Whether nothing was written.
        triples_read: Triples in the source.
        duplicates: Of these, repetitions.
        relationships: Distinct triples.
        self_loops: Distinct triples with the same head and tail.
        entities: Entities in triples and links.
        nameless_entities: Entities without a name.
        entities_without_triples: Entities that occur only in links.
        items_without_triples: Items that are linked to such an entity.
        items: Items.
        unlinked_items: Items without an entity.
        shared_entity_items: Items whose entity has an earlier item.
        repeated_links: Left-out links of items that already have another link.
        relations: Distinct triples by relation, the most frequent first.
        mirrored: Pairs of inverse relations.
        literals_left_out: Literals of RDF that are neither names nor entities.
        cleaned: Ids in triples that were cleaned of spaces, quotation marks, ``<>`` or ``.0``.
        bad_rows: Rows skipped.
        bad_row_list: The first thousand of them.
        resumed: Whether an interrupted load was resumed.
        acknowledged_before: Triples that the interrupted load had written, by the checkpoint in the graph; they were
            not sent again.
        by_relation: Triples sent, created and matched per relation, the most frequent first; empty in a dry run.
        entities_created: Entities that were not in the graph.
        items_created: Items that were not in the graph.
        written: Changes in the graph.
        interactions: Interactions in the source, ``None`` when they were not requested.
        graph: Entities, relationships and items counted in the graph after the load.
        named_by_id: Whether entities are called by their ids, since the source names none but items.
        seconds: Wall time.
        warnings: What is probably wrong with the source, a sentence each.
    """

    source: str
    mode: Mode
    dry_run: bool
    triples_read: int
    duplicates: int
    relationships: int
    self_loops: int
    entities: int
    nameless_entities: int
    entities_without_triples: int
    items_without_triples: int
    items: int
    unlinked_items: int
    shared_entity_items: int
    repeated_links: int
    relations: dict[str, int]
    mirrored: list[Mirrored]
    literals_left_out: int = 0
    cleaned: int = 0
    bad_rows: int = 0
    bad_row_list: list[BadRow] = field(default_factory=list)
    resumed: bool = False
    acknowledged_before: int = 0
    by_relation: dict[str, RelationCounts] = field(default_factory=dict)
    entities_created: int = 0
    items_created: int = 0
    written: WriteCounters = field(default_factory=WriteCounters)
    interactions: int | None = None
    graph: dict[str, int] = field(default_factory=dict)
    named_by_id: bool = False
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: TripleSource, found: Survey, mode: Mode, *, dry_run: bool) -> LoadReport:
        """Return the report of a survey, before anything is written."""
        degrees = found.degrees
        return cls(
            source=source.label,
            mode=mode,
            dry_run=dry_run,
            triples_read=found.triples_read,
            duplicates=found.triples_read - len(found),
            relationships=len(found),
            self_loops=found.self_loops,
            entities=len(found.entities),
            nameless_entities=sum(not name for name in found.names),
            entities_without_triples=int((degrees == 0).sum()),
            items_without_triples=sum(item.entity >= 0 and not degrees[item.entity] for item in found.items),
            items=len(found.items),
            unlinked_items=sum(item.entity < 0 for item in found.items),
            shared_entity_items=sum(item.entity >= 0 and not item.first for item in found.items),
            repeated_links=found.repeated_links,
            relations=found.relation_counts(),
            mirrored=found.mirrored(),
            named_by_id=found.named_by_id,
            literals_left_out=source.literals_left_out,
            cleaned=found.cleaned,
            bad_rows=source.bad_rows.count,
            bad_row_list=list(source.bad_rows.rows),
        )

    def to_json(self) -> dict[str, Any]:
        """Return all figures as values for JSON."""
        return asdict(self)
