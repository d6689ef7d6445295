"""Writes interactions into the graph; they do not affect neighbourhoods, degrees or the fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from kptoolkit.errors import LoadError
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.graph.store import GraphStore, GraphTransaction, WriteCounters
from kptoolkit.progress import ProgressCallback
from kptoolkit.storage.batches import Meter, chunks
from kptoolkit.storage.text_tables import Table

#: User id, item id, time, rating.
Event = tuple[str, str, float | None, float | None]


def existing_items(
    store: GraphStore, queries: QuerySet, ids: Sequence[str], batch_size: int
) -> dict[str, dict[str, Any]]:
    """Return ``entity_id``, ``name`` and ``is_entity`` by item id, for the items ``ids`` that are in the graph."""
    found = {}
    for chunk in chunks(ids, batch_size):
        found.update({row["item_id"]: row for row in queries["items_by_id"].read(store, ids=chunk).dicts()})
    return found


def read_events(source: TripleSource) -> list[list[Event]]:
    """Return the interactions of a source, one list per table, sorted by user.

    Raises:
        DataError: A file is wrong, or a time or a rating is not a number.
    """
    return [sorted(_events(table, source), key=lambda event: event[0]) for table in source.interactions()]


def load_interactions(
    store: GraphStore,
    queries: QuerySet,
    tables: Sequence[Sequence[Event]],
    batch_size: int,
    progress: ProgressCallback,
) -> WriteCounters:
    """Write the missing interactions, and the missing users and items.

    Raises:
        LoadError: The graph stored fewer than were sent.
    """
    written = WriteCounters()
    for events in tables:
        for users in chunks(list(dict.fromkeys(event[0] for event in events)), batch_size):
            written += queries["merge_users"].write(store, ids=users)
        item_ids = list(dict.fromkeys(event[1] for event in events))
        have = existing_items(store, queries, item_ids, batch_size)
        rows = [
            dict.fromkeys(("name", "name_lower", "entity_id"), None) | {"item_id": i} for i in item_ids if i not in have
        ]
        for batch in chunks(rows, batch_size):
            written += queries["create_items"].write(store, rows=batch)
        meter = Meter("load interactions", len(events), "interactions", progress)
        for part in chunks(events, batch_size):
            written += store.transact(partial(_add_missing, queries, events=part))
            meter.add(len(part))
    return written


def _events(table: Table, source: TripleSource) -> list[Event]:
    blank = [""] * len(table)
    times, ratings = table.columns.get("time", blank), table.columns.get("rating", blank)
    events: list[Event] = []
    for user, item, time, rating, line in zip(
        table["user_id"], table["item_id"], times, ratings, table.lines, strict=True
    ):
        try:
            events.append((user, item, float(time) if time else None, float(rating) if rating else None))
        except ValueError:
            source.bad_rows.add(table.path or source.label, line, "time or rating is no number")
    return events


def _add_missing(queries: QuerySet, transaction: GraphTransaction, *, events: Sequence[Event]) -> WriteCounters:
    users = list(dict.fromkeys(event[0] for event in events))
    there = set(map(tuple, queries["existing_interactions"].read(transaction, users=users).rows))
    missing = {event[:3]: event for event in events if event[:3] not in there}
    if not missing:
        return WriteCounters()
    rows = [dict(zip(("user", "item", "time", "rating"), event, strict=True)) for event in missing.values()]
    counters = queries["create_interactions"].write(transaction, rows=rows)
    if counters.relationships_created != len(rows):
        raise LoadError(
            f"of {len(rows)} interactions sent {counters.relationships_created} were written; run the command again"
        )
    return counters
