"""Loads a surveyed source into a graph, verifies the counts, and resumes an interrupted load.

All nodes and relationships that kptool writes have the property ``source: 'kptool'``; all others are foreign. One
``:KptoolGraph`` node stores a revision and whether a load is in progress.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from kptoolkit.errors import DataError, GraphError, GraphNotEmptyError, LoadError, shorten
from kptoolkit.graph.loading.link_check import check_links, item_warnings, require_links, value_warnings
from kptoolkit.graph.loading.load_checkpoint import LoadCheckpoint
from kptoolkit.graph.loading.load_interactions import existing_items, load_interactions, read_events
from kptoolkit.graph.loading.load_report import LoadReport, Mode, RelationCounts
from kptoolkit.graph.loading.node_rows import entity_row, item_row
from kptoolkit.graph.loading.survey import SourceItem, Survey, survey
from kptoolkit.graph.queries import Query, QuerySet
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.graph.store import GraphStore, GraphTransaction, WriteCounters
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.storage.batches import Meter, chunks

_Codes = tuple[int, int, int]
COMPLETE, LOADING, DELETING = "complete", "loading", "deleting"


def dry_run(source: TripleSource, mode: Mode = "upsert", progress: ProgressCallback = silent) -> LoadReport:
    """Read a source and report what a load would write; no graph is needed.

    Raises:
        DataError: A file is wrong, or no link leads to a triple.
    """
    start = time.monotonic()
    found = survey(source, progress)
    require_links(links := check_links(found), source.label)
    report = LoadReport.of(source, found, mode, dry_run=True)
    report.warnings = links.warnings() + value_warnings(found) + source.warnings()
    report.seconds = time.monotonic() - start
    return report


def load(
    store: GraphStore,
    queries: QuerySet,
    source: TripleSource,
    *,
    mode: Mode = "upsert",
    into_existing: bool = False,
    batch_size: int = 5000,
    interactions: bool = False,
    surveyed: Survey | None = None,
    progress: ProgressCallback = silent,
) -> LoadReport:
    """Load a source and verify the counts; see :meth:`kptoolkit.graph.database.Graph.load`."""
    start = time.monotonic()
    found = surveyed or survey(source, progress)
    events = read_events(source) if interactions else []  # before anything is written: a bad file stops here
    report = LoadReport.of(source, found, mode, dry_run=False)
    loader = _Loader(store, queries, found, mode, batch_size, progress)
    loader.check_foreign(into_existing, with_users=interactions)
    with_events = {event[1] for table in events for event in table} if interactions else None
    report.warnings = loader.check_links(source.label, with_events) + item_warnings(found, with_events)
    report.warnings += value_warnings(found) + source.warnings()
    report.resumed = loader.begin()
    loader.entities()
    loader.items()
    loader.relationships()
    loader.degrees()
    report.graph = loader.verify()
    report.entities_created, report.items_created = loader.done.entities_created, loader.items_created
    report.written = loader.written + loader.deleted
    report.by_relation, report.acknowledged_before = loader.by_relation(), loader.triples_skipped
    if interactions:
        report.interactions = sum(map(len, events))
        report.written += load_interactions(store, queries, events, batch_size, progress)
    loader.finish()
    report.bad_rows, report.bad_row_list = source.bad_rows.count, list(source.bad_rows.rows)
    report.seconds = time.monotonic() - start
    return report


def relation_labels(store: GraphStore, queries: QuerySet) -> dict[str, str]:
    """Return the labels of relations that the source of a graph had, by relation id."""
    rows = queries["relation_labels"].read(store).dicts()
    return {str(one): str(label) for one, label in json.loads((rows[0]["labels"] if rows else None) or "{}").items()}


class _Loader:
    """The steps of one load, and its progress."""

    def __init__(
        self,
        store: GraphStore,
        queries: QuerySet,
        found: Survey,
        mode: Mode,
        batch_size: int,
        progress: ProgressCallback,
    ) -> None:
        self.store, self.queries, self.found, self.mode = store, queries, found, mode
        self.batch_size, self.progress = batch_size, progress
        self.done = LoadCheckpoint(False, 0, 0)
        self.written, self.deleted = WriteCounters(), WriteCounters()
        self.existing: dict[str, dict[str, Any]] = {}
        self.items_before = self.items_created = self.triples_skipped = 0
        self.created = np.zeros(len(found.relations), np.int64)
        self.touched: set[int] = set()
        self.resumed = False
        rows = queries["meta"].read(store).dicts()
        self.meta = rows[0] if rows else {"revision": None, "state": COMPLETE, "mode": None, "source": None}

    def check_foreign(self, into_existing: bool, *, with_users: bool) -> None:
        """Check that the database contains no foreign nodes, unless they are allowed and none has a label of kptool.

        Args:
            into_existing: Whether they are allowed.
            with_users: Whether the load writes users.
        """
        foreign = self.queries["foreign_nodes"].read(self.store)
        if len(foreign) and not into_existing:
            labels = ":".join(foreign.column("labels")[0]) or "no label"
            raise GraphNotEmptyError(
                f"the database at {self.store.uri} holds nodes that kptool did not load (e.g. {shorten(labels)}); "
                "use another database, or add yours to it with --into-existing"
            )
        if len(foreign):
            self._check_labels(with_users)

    def _check_labels(self, with_users: bool) -> None:
        """Check that no foreign node has a label of kptool: it would be merged into, and constrained.

        Users of others are allowed where kptool loaded knowledge before, for a load that writes none.
        """
        users = with_users or self.meta["revision"] is None
        theirs = self.queries["foreign_labelled"].read(self.store, users=users)
        if len(theirs):
            labels = ":".join(theirs.column("labels")[0])
            raise GraphNotEmptyError(
                f"the database at {self.store.uri} holds nodes of its own that are called as those of kptool "
                f"({shorten(labels)}); they would be changed, so nothing was written: use another database, or read "
                "this one with kptool init DIR --from-graph"
            )

    def check_links(self, label: str, with_events: set[str] | None) -> list[str]:
        """Check that some link leads to a triple of the source or of the graph; return warnings.

        Raises:
            DataError: None does.
        """
        links = check_links(self.found, with_events)
        if links.without and self.mode == "upsert" and self._knows_entities():
            return []  # the triples were loaded before
        require_links(links, label)
        return links.warnings()

    def _knows_entities(self) -> bool:
        """Return whether the graph has triples of entities of links that have none in the source."""
        degrees = self.found.degrees
        linked = (item.entity for item in self.found.items if item.entity >= 0)
        ids = [self.found.entities[code] for code in dict.fromkeys(linked) if not degrees[code]]
        read = self.queries["entities_by_id"].read
        return any(max(read(self.store, ids=part).column("degree"), default=0) > 0 for part in chunks(ids, 5000))

    def begin(self) -> bool:
        """Create the schema, delete what is replaced, record that a load has started; return whether it resumes one."""
        for query in self.queries:
            if query.path.stem.startswith("schema_"):
                query.write(self.store)
        digest = self.found.digest()
        interrupted = self.meta["state"] != COMPLETE
        if self.mode == "upsert":
            self._check_interrupted(digest)
        resumes = (self.meta["state"], self.meta["mode"], self.meta["source"]) == (LOADING, self.mode, digest)
        if self.mode == "replace" and not resumes:
            self._note(DELETING, digest)
            self._delete()
        counts = self._counts()
        known = LoadCheckpoint.read(self.store, self.queries) if resumes else None
        self.done = known if known is not None and known.agrees(counts) else LoadCheckpoint.before(counts)
        self.triples_skipped, self.items_before = self.done.triples, counts["items"]
        self._note(LOADING, digest, self.done)
        if counts["items"]:
            ids = [item.item_id for item in self.found.items]
            self.existing = existing_items(self.store, self.queries, ids, self.batch_size)
        self.resumed = interrupted and bool(counts["entities"] or counts["items"])
        return self.resumed

    def _check_interrupted(self, digest: str) -> None:
        """Check that the graph is no part of another source, to which this one would be added."""
        if self.meta["state"] == LOADING and self.meta["source"] not in (None, digest):
            raise GraphError(
                "an earlier load of another source was interrupted and the graph holds a part of it; run that load "
                "again first, or --replace what is there"
            )
        if self.meta["state"] == DELETING:
            raise GraphError(
                "an earlier load with --replace was interrupted while it deleted, and a part of the graph is left; "
                "load again with --replace"
            )

    def entities(self) -> None:
        """Write the entities after the last acknowledged one."""
        ids, names, degrees = self.found.entities, self._names(), self.found.degrees
        by_id = self.found.by_id - {item.entity for item in self.found.items if item.title}
        meter = Meter("load entities", len(ids) - self.done.entities, "entities", self.progress)
        for start in range(self.done.entities, len(ids), self.batch_size):
            codes = range(start, min(start + self.batch_size, len(ids)))
            rows = [
                {**entity_row(ids[code], names[code], int(degrees[code])), "renames": code not in by_id}
                for code in codes
            ]
            self.done, counters = self.store.transact(partial(self._add_entities, rows=rows))
            self.written += counters
            meter.add(len(rows))

    def items(self) -> None:
        """Write the items: label their entities, or create nodes for those without a free entity."""
        new = [item for item in self.found.items if item.item_id not in self.existing]
        free = self._free_entities(item for item in new if item.entity >= 0)
        label, create = [], []
        for item in new:
            if item.entity in free:
                free.discard(item.entity)
                label.append({"item_id": item.item_id, "entity_id": self.found.entities[item.entity]})
            else:
                create.append(dict(item_row(self.found, item)))
        self.items_created = len(new)
        self._send("label items", self.queries["label_items"], "rows", label, "items")
        self._send("load other items", self.queries["create_items"], "rows", create, "items")
        self._send("update items", self.queries["update_items"], "rows", self._changed(), "items")

    def relationships(self) -> None:
        """Write the missing triples after the last acknowledged one."""
        head, relation, tail = self.found.head, self.found.relation, self.found.tail
        meter = Meter("load triples", len(head) - self.done.triples, "triples", self.progress)
        for start in range(self.done.triples, len(head), self.batch_size):
            batch = slice(start, start + self.batch_size)
            codes = list(zip(head[batch].tolist(), relation[batch].tolist(), tail[batch].tolist(), strict=True))
            self.done, missing, counters = self.store.transact(partial(self._add_missing, codes=codes))
            self.created += np.bincount([code[1] for code in missing], minlength=len(self.created))
            if not self.done.fresh:
                self.touched.update(end for near, _, far in missing for end in (near, far))
            self.written += counters
            meter.add(len(codes))

    def by_relation(self) -> dict[str, RelationCounts]:
        """Return how many triples of each relation were sent and created."""
        sent = np.bincount(self.found.relation[self.triples_skipped :], minlength=len(self.found.relations))
        known = zip(self.found.relations, sent.tolist(), self.created.tolist(), strict=True)
        counts = {relation: RelationCounts.of(sent, created) for relation, sent, created in known}
        return {relation: counts[relation] for relation in self.found.relation_counts()}

    def degrees(self) -> None:
        """Recount the degrees of entities with new relationships; of all entities if an earlier load was resumed."""
        if not self.done.fresh:
            touched = [self.found.entities[code] for code in sorted(self.touched)]
            ids = list(self._all_entities()) if self.resumed else touched
            self._send("count degrees", self.queries["refresh_degrees"], "ids", ids, "entities")

    def verify(self) -> dict[str, int]:
        """Compare the counts in the graph with those before the load plus what was sent; return the counts.

        Raises:
            LoadError: They differ.
        """
        after = self._counts()
        expected = {
            "entities": self.done.base_entities + self.done.entities_created,
            "relationships": self.done.base_relationships + self.done.triples_created,
            "items": self.items_before + self.items_created,
        }
        for name, count in expected.items():
            if after[name] != count:
                raise LoadError(
                    f"{self.store.uri} holds {after[name]:,} {name} where {count:,} were expected; somebody else may "
                    "have written to it; load again with --replace"
                )
        sizes = (len(self.found.entities), len(self.found))
        if self.done.fresh and (after["entities"], after["relationships"]) != sizes:
            raise LoadError(f"{self.store.uri} does not hold what was sent; load again with --replace")
        return after

    def finish(self) -> None:
        """Record that the load is complete, with a new revision if it changed the knowledge."""
        stored = relation_labels(self.store, self.queries)
        labels = {**({} if self.mode == "replace" else stored), **self.found.relation_labels}
        if labels != stored:
            self.queries["set_relation_labels"].write(self.store, labels=json.dumps(labels, ensure_ascii=False))
        changed = bool(self.written + self.deleted) or self.resumed or labels != stored
        self.meta["revision"] = uuid.uuid4().hex if changed or not self.meta["revision"] else self.meta["revision"]
        self._note(COMPLETE, self.found.digest())

    def _note(self, state: str, digest: str, done: LoadCheckpoint | None = None) -> None:
        note = {"revision": self.meta["revision"], "state": state, "mode": self.mode, "source": digest}

        def work(transaction: GraphTransaction) -> None:
            self.queries["set_meta"].write(transaction, **note)
            if done is not None:
                done.note(transaction, self.queries)

        self.store.transact(work)

    def _counts(self) -> dict[str, int]:
        return {name: int(count) for name, count in self.queries["counts"].read(self.store).dicts()[0].items()}

    def _delete(self) -> None:
        for name in ("delete_relationships", "delete_nodes"):
            done = 0
            while counters := self.queries[name].write(self.store, limit=self.batch_size):
                self.deleted += counters
                done += counters.relationships_deleted + counters.nodes_deleted
                self.progress(ProgressEvent(name.replace("_", " "), done, None, "deleted"))

    def _names(self) -> list[str]:
        """Return the names of the entities; an item that already labels an entity in the graph names it."""
        names = list(self.found.names)
        for item in self.found.items:
            if item.title and self.existing.get(item.item_id, {}).get("is_entity"):
                names[item.entity] = item.title
        return names

    def _free_entities(self, items: Iterable[SourceItem]) -> set[int]:
        """Return the numbers of the entities that may be labelled as items."""
        codes = {self.found.entities[item.entity]: item.entity for item in items}
        if self.done.fresh and not self.items_before:
            return set(codes.values())  # all were written by this load, and none is an item yet
        free: set[int] = set()
        for chunk in chunks(list(codes), self.batch_size):
            free.update(
                codes[entity] for entity in self.queries["free_entities"].read(self.store, ids=chunk).column("id")
            )
        return free

    def _changed(self) -> list[dict[str, Any]]:
        """Return the rows of existing items whose name or link differs in the source.

        Raises:
            DataError: An item is linked to another entity in the graph.
        """
        rows = []
        for item in self.found.items:
            if item.item_id not in self.existing:
                continue
            have = self.existing[item.item_id]
            row = item_row(self.found, item, have["name"])
            if have["entity_id"] and row["entity_id"] and have["entity_id"] != row["entity_id"]:
                raise DataError(
                    f"item '{shorten(item.item_id)}' is linked to '{shorten(row['entity_id'])}' and in the graph to "
                    f"'{shorten(have['entity_id'])}'; load with --replace to change links"
                )
            renamed = bool(item.title) and item.title != have["name"]
            linked = bool(row["entity_id"]) and not have["entity_id"]
            if not have["is_entity"] and (renamed or linked):
                rows.append({**row, "entity_id": row["entity_id"] or have["entity_id"]})
        return rows

    def _add_entities(
        self, transaction: GraphTransaction, *, rows: list[dict[str, Any]]
    ) -> tuple[LoadCheckpoint, WriteCounters]:
        """Write a batch of entities, and record it in the same transaction."""
        query = self.queries["create_entities" if self.done.fresh else "merge_entities"]
        counters = query.write(transaction, rows=rows)
        done = self.done.plus(entities=len(rows), entities_created=counters.nodes_created)
        done.note(transaction, self.queries)
        return done, counters

    def _add_missing(
        self, transaction: GraphTransaction, *, codes: Sequence[_Codes]
    ) -> tuple[LoadCheckpoint, Sequence[_Codes], WriteCounters]:
        """Write and return the missing triples of a batch, and record the batch in the same transaction."""
        entities, relations = self.found.entities, self.found.relations
        missing, counters = codes, WriteCounters()
        if not self.done.fresh:
            heads = [entities[code] for code in dict.fromkeys(head for head, _, _ in codes)]
            there = set(map(tuple, self.queries["existing_relationships"].read(transaction, heads=heads).rows))
            missing = [(h, r, t) for h, r, t in codes if (entities[h], relations[r], entities[t]) not in there]
        if missing:
            rows = [{"head": entities[h], "relation": relations[r], "tail": entities[t]} for h, r, t in missing]
            counters = self.queries["create_relationships"].write(transaction, rows=rows)
        if counters.relationships_created != len(missing):
            raise LoadError(
                f"of {quantity(len(missing), 'triples')} sent from number {self.done.triples + 1} on, {self.store.uri} "
                f"stored {counters.relationships_created}, and the batch was rolled back; load again with --replace"
            )
        done = self.done.plus(triples=len(codes), triples_created=len(missing))
        done.note(transaction, self.queries)
        return done, missing, counters

    def _all_entities(self) -> Iterator[str]:
        after = ""
        while page := self.queries["entity_page"].read(self.store, after=after, limit=self.batch_size).column("id"):
            yield from page
            after = page[-1]

    def _send(self, stage: str, query: Query, parameter: str, rows: Sequence[Any], unit: str) -> None:
        """Write rows in batches, with progress."""
        meter = Meter(stage, len(rows), unit, self.progress)
        for batch in chunks(rows, self.batch_size):
            self.written += query.write(self.store, **{parameter: list(batch)})
            meter.add(len(batch))
