"""Fetches neighbourhoods breadth first, with one query per hop for a whole frontier, and reads cached ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError, QueryFileError, shorten
from kptoolkit.graph.neighbour_rows import RowColumns
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.queries import Query, QuerySet
from kptoolkit.graph.store import GraphStore, Records
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressCallback, ProgressEvent, moment
from kptoolkit.storage.arrays import json_hash, written
from kptoolkit.storage.batches import Meter, chunks, prefetch, without_gc
from kptoolkit.storage.values.clean_name import name_from


def cache_key(graph: str, queries: QuerySet, roots: Sequence[str], max_degree: int, cap: int) -> str:
    """Return the fingerprint of everything that decides a result, except for the number of hops."""
    texts = [queries[name].text for name in ("neighbours", "entities_by_id")]
    return json_hash([graph, texts, max_degree, cap, list(roots)])


def cached(folder: Path, key: str, hops: int, since: float, progress: ProgressCallback) -> Neighbourhoods | None:
    """Return the neighbourhoods cached under ``key``, and report their date.

    Args:
        folder: Folder of the cache.
        key: See :func:`cache_key`.
        hops: How far they must go.
        since: The earliest date, in seconds since the epoch.
        progress: Progress callback.

    Returns:
        ``None`` if they are missing, older, damaged or of fewer hops.
    """
    date = written(folder / key)
    if date < since:
        return None
    try:
        found = Neighbourhoods.load(folder / key)
    except DataError:
        return None
    if found.fingerprint != key or found.hops < hops:
        return None
    found = found.limited(hops)
    size, info = len(found), {"of": moment(date)}
    progress(ProgressEvent("neighbourhoods from the cache", size, size, "entities", info))
    return found


@without_gc()
def fetch(
    store: GraphStore,
    queries: QuerySet,
    roots: Sequence[str],
    hops: int,
    *,
    max_degree: int,
    cap: int,
    frontier: int,
    key: str,
    progress: ProgressCallback,
) -> Neighbourhoods:
    """Fetch the triples around entities from the graph.

    Args:
        store: The graph database.
        queries: Its queries.
        roots: Entity ids; those that are not in the graph become -1.
        hops: How far to go.
        max_degree: From the second hop on, nodes with more relationships are not expanded.
        cap: Maximum number of rows kept per node.
        frontier: Nodes per query.
        key: Fingerprint of the result.
        progress: Progress callback.

    Raises:
        QueryFileError: A query is refused, its rows lack a column, or the two queries do not agree on ids.
    """
    rows, dropped = RowColumns(), dict[str, int]()
    seen: set[str] = set()
    asking = sorted(set(roots))
    for hop in range(1, hops + 1):
        seen.update(asking)
        meter = Meter(f"fetch hop {hop}", len(asking), "entities", progress)
        reached: list[NDArray[np.int32]] = []
        guard = None if hop == 1 else max_degree
        ask = partial(_ask, store, queries["neighbours"], "frontier", max_degree=guard, cap=cap)
        for chunk, found in prefetch(ask, chunks(asking, frontier)):
            ends, more = rows.add(*(found.column(name) for name in ("id", "relation", "other", "forward")), cap=cap)
            dropped |= more
            reached.append(ends)
            meter.add(len(chunk))
        known = list(rows.entities)
        asking = sorted({known[number] for number in np.unique(np.concatenate(reached))} - seen) if reached else []
        if not asking:
            break
    nodes = _nodes(store, queries, sorted({*rows.entities, *roots}), frontier, progress)
    if unknown := sorted(set(rows.entities) - nodes.keys()):
        raise QueryFileError(
            f"{queries['entities_by_id'].path}: does not find '{shorten(unknown[0])}', which "
            f"{queries['neighbours'].path} returned ({quantity(len(unknown), 'such ids')}); both must mean the "
            "same nodes"
        )
    return Neighbourhoods.of_columns(roots, nodes, rows, hops=hops, dropped=dropped, fingerprint=key)


def _ask(store: GraphStore, query: Query, name: str, chunk: Sequence[str], **parameters: Any) -> Records:
    return query.read(store, **{name: chunk}, **parameters)


def _nodes(
    store: GraphStore, queries: QuerySet, ids: Sequence[str], frontier: int, progress: ProgressCallback
) -> dict[str, tuple[str, int]]:
    """Return name and degree of the entities among ``ids`` that are in the graph."""
    meter = Meter("fetch names", len(ids), "entities", progress)
    nodes = {}
    ask = partial(_ask, store, queries["entities_by_id"], "ids")
    for chunk, found in prefetch(ask, chunks(ids, frontier)):
        columns = (found.column(name) for name in ("id", "name", "degree"))
        for node, name, degree in zip(*columns, strict=True):
            nodes[node] = (name_from(name), -1 if degree is None else degree)
        meter.add(len(chunk))
    return nodes
