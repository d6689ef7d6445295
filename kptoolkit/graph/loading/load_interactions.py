"""Writes interactions into the graph; they do not affect neighbourhoods, degrees or the fingerprint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError, LoadError, shorten
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.sources.file_source import FileSource
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.graph.store import GraphStore, GraphTransaction, WriteCounters
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressCallback
from kptoolkit.storage.batches import Meter, chunks
from kptoolkit.storage.text_tables import Table
from kptoolkit.storage.values.cells import is_missing
from kptoolkit.storage.values.times import advice_for, other_unit, seconds_of, unset

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

    Times are read as in files of interactions, see :func:`~kptoolkit.storage.values.times.seconds_of`.

    Raises:
        DataError: A file is wrong, a time is none, or some times are seconds and some milliseconds.
    """
    tables = list(source.interactions())
    date_format = source.reading.date_format if isinstance(source, FileSource) else ""
    texts = [text for table in tables for text in _column(table, "time")]
    seconds = seconds_of(np.array(texts, dtype=object), date_format)
    if (other := other_unit(texts, seconds)) is not None:
        said = f"time {shorten(texts[other])} is in another unit than most: some are seconds, some milliseconds"
        raise DataError(f"{said}; write one unit", source.label)
    _check_most(tables, texts, seconds, source.label)
    if source.bad_rows.skip:
        seconds = np.where(unset(seconds), np.nan, seconds)
    parts = np.split(seconds, np.cumsum([len(table) for table in tables])[:-1])
    found = [_events(table, part, source) for table, part in zip(tables, parts, strict=True)] if tables else []
    return [sorted(events, key=lambda event: event[0]) for events in found]


def _check_most(tables: Sequence[Table], texts: Sequence[str], seconds: NDArray[np.float64], label: str) -> None:
    """Check that most of the times that are given can be read.

    Raises:
        DataError: They cannot.
    """
    known = np.isfinite(seconds)
    bad = [at for at in np.flatnonzero(~known).tolist() if not is_missing(texts[at])]
    if len(bad) > int(known.sum()):
        places = ((table.path or label, line) for table in tables for line in table.lines)
        said = f"time '{shorten(texts[bad[0]])}' is neither a number nor a date"
        advice = advice_for(texts[bad[0]], [texts[at] for at in bad])
        raise DataError(said + advice, *next(islice(places, bad[0], None)))


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


def _events(table: Table, seconds: NDArray[np.float64], source: TripleSource) -> list[Event]:
    times, ratings = _column(table, "time"), _column(table, "rating")
    events: list[Event] = []
    rows = zip(table["user_id"], table["item_id"], times, seconds.tolist(), ratings, table.lines, strict=True)
    for user, item, time, second, rating, line in rows:
        if math.isfinite(second) or is_missing(time):
            events.append((user, item, second if math.isfinite(second) else None, _number(rating)))
        else:
            said = f"time '{shorten(time)}' is neither a number nor a date"
            source.bad_rows.add(table.path or source.label, line, said)
    return events


def _column(table: Table, name: str) -> list[str]:
    return table.columns.get(name, [""] * len(table))


def _number(text: str) -> float | None:
    """A rating as a number; ``None`` for a text, since ratings are not used."""
    try:
        return float(text)
    except ValueError:
        return None


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
            f"of {quantity(len(rows), 'interactions')} sent {counters.relationships_created} were written; "
            "run the command again"
        )
    return counters
