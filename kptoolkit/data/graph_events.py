"""Reads the interactions and triples of a graph: ``data.dir = "graph:"``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.config import GRAPH_DATA
from kptoolkit.data.interactions import Interactions, ReadReport
from kptoolkit.errors import DataError, QueryFileError, shorten
from kptoolkit.graph import Graph
from kptoolkit.graph.foreign.inspection import query_file
from kptoolkit.names import quantity
from kptoolkit.storage.values.times import other_unit, seconds_of

_UNLIMITED = 2**31 - 1


def graph_interactions(graph: Graph) -> tuple[Interactions, ReadReport]:
    """Read the interactions of a graph as :func:`find_interactions` does.

    Raises:
        DataError: There are no interactions.
        QueryFileError: As for :func:`find_interactions`.
        GraphError: Likewise.
    """
    found = find_interactions(graph)
    if found is None:
        file = query_file(graph, "interactions")
        said = "holds no interactions; load them (kptool load-kg SOURCE --interactions), or write"
        raise DataError(f"{said} {file}, which returns them", graph.uri)
    return found


def find_interactions(graph: Graph, *, untimed: bool = False) -> tuple[Interactions, ReadReport] | None:
    """Read the interactions of a graph with its query ``interactions``; ``None`` if there are none.

    A graph has no order, so each interaction needs a time; events of a user at the same time are sorted by item id.

    Args:
        graph: The graph.
        untimed: Whether they may all be without a time, to be counted.

    Raises:
        QueryFileError: The query fails, an id is not a text, or a time is missing or not a time.
        GraphError: The graph is only partly loaded or cannot be reached.
    """
    graph.check_complete()
    query = graph.queries["interactions"]
    found = query.read(graph.store)
    if not len(found):
        return None
    users, items = (np.array(found.column(name), dtype=object) for name in ("user", "item"))
    given = found.column("time")
    timed = not untimed or any(time is not None for time in given)
    times = _seconds(given) if timed else np.zeros(len(found))
    if (bad := ~np.isfinite(times)).any():
        first = given[int(np.argmax(bad))]
        seen = "null" if first is None else f"'{shorten(str(first))}'"
        raise QueryFileError(
            f"{query.path}: column 'time' holds {seen} in {int(bad.sum()):,} of {quantity(len(times), 'rows')}; RETURN "
            "a number, a date, or a date with a time, and leave the others out"
        )
    if (other := other_unit(given, times)) is not None:
        said = f"column 'time' has seconds and milliseconds, e.g. {shorten(str(given[other]))}; RETURN one unit"
        raise QueryFileError(f"{query.path}: {said}")
    order = np.argsort(items, kind="stable")
    events = Interactions.of(users[order], items[order], times[order] if timed else None)
    rows = len(found)
    return events, ReadReport(GRAPH_DATA, rows, rows - len(events), events.n_users, events.n_items, len(events), timed)


def graph_triples(graph: Graph, linked: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the triples of a graph and the names of their entities.

    Args:
        graph: The graph.
        linked: Entities of items, whose triples are read where kptool did not load the graph.

    Returns:
        Columns ``head``, ``relation``, ``tail``, and columns ``entity_id``, ``name``.

    Raises:
        QueryFileError: A query fails.
        GraphError: The graph cannot be reached.
    """
    ids = graph.entity_ids() or list(dict.fromkeys(linked))
    found = graph.neighbourhoods(ids, 1, cap=_UNLIMITED)
    relations = np.array(found.relations, dtype=object)
    columns = {"head": found.ids[found.head], "relation": relations[found.relation], "tail": found.ids[found.tail]}
    names = pd.DataFrame({"entity_id": found.ids, "name": found.names}, dtype=object)
    return pd.DataFrame(columns, dtype=object).drop_duplicates(), names


def _seconds(values: Sequence[Any]) -> NDArray[np.float64]:
    """``(E,)`` seconds: numbers as they are, dates and ISO 8601 texts since 1970, NaN for other values."""
    return seconds_of(np.array([_plain(value) for value in values], dtype=object))


def _plain(value: Any) -> Any:
    """Convert a date of a driver to seconds since 1970, in UTC if it has no zone; other values stay as they are."""
    native = value.to_native() if hasattr(value, "to_native") else value
    if isinstance(native, datetime.datetime):
        zone = native.tzinfo or datetime.UTC
        return native.replace(tzinfo=zone).timestamp()
    if isinstance(native, datetime.date):
        return datetime.datetime(native.year, native.month, native.day, tzinfo=datetime.UTC).timestamp()
    return None if isinstance(native, bool) else native
