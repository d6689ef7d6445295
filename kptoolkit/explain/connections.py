"""Shortest paths of the graph from the items of a history to a recommended item, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.graph import Graph, GraphPath
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.run import Run
from kptoolkit.tree.tokens import cap_name

_FETCHED_PER_PATH = 4
"""Paths fetched per path shown, because relations that mirror one another give the same sentences."""
_HISTORY = 50
"""Latest items of a history from which paths start."""


@dataclass(frozen=True)
class Connection:
    """A shortest path from an item of the history to the recommended item.

    Attributes:
        item_id: The item of the history.
        title: Its title.
        sentences: One per triple, rendered with the pack.
        triples: The stored triples: head, relation, tail.
    """

    item_id: str
    title: str
    sentences: tuple[str, ...]
    triples: tuple[tuple[str, str, str], ...]


def connections(
    run: Run, graph: Graph, case: Cases, rows: NDArray[np.int64], limit: int
) -> list[tuple[Connection, ...]]:
    """Find the paths to recommended items.

    Args:
        run: A finished run.
        graph: The graph to search.
        case: The history.
        rows: ``(N,)`` catalogue rows of the recommended items.
        limit: Maximum number of paths per item.

    Returns:
        The paths to each item; none to an item that is not linked or that is in the history.

    Raises:
        GraphError: The graph fails.
    """
    entity_ids = run.catalogue.entity_ids
    latest = dict.fromkeys(case.items[::-1][:_HISTORY].tolist())
    begins = {str(entity_ids[row]): row for row in reversed(latest) if entity_ids[row] is not None}
    ends = [str(entity_ids[row]) if entity_ids[row] is not None else None for row in rows]
    linked = [end for end in ends if end is not None]
    several = graph.paths(list(reversed(begins)), linked, limit=_FETCHED_PER_PATH * limit)
    found = dict(zip(linked, several, strict=True))
    rendered = [
        [_connection(run, run.pack, path, begins[path.nodes[0]]) for path in found.get(end or "", [])] for end in ends
    ]
    return [distinct(listed)[:limit] for listed in rendered]


def distinct(listed: Sequence[Connection]) -> tuple[Connection, ...]:
    """The connections of different words, the first of each; they stay in their order."""
    found: dict[tuple[str, ...], Connection] = {}
    for connection in listed:
        found.setdefault(connection.sentences, connection)
    return tuple(found.values())


def _connection(run: Run, pack: TemplatePack, path: GraphPath, row: int) -> Connection:
    items, called = run.catalogue.item_of_entity(), run.catalogue.names
    names = [
        cap_name(name or (str(called[items[node]]) if node in items else node), run.config.prompts.name_tokens)
        for name, node in zip(path.names, path.nodes, strict=True)
    ]
    sentences = []
    for near, far, relation, forward in zip(names, names[1:], path.relations, path.forward, strict=False):
        head, tail = (near, far) if forward else (far, near)
        sentences.append(pack.sentence(head, relation, tail, inverse=not forward))
    catalogue = run.catalogue
    return Connection(str(catalogue.item_ids[row]), str(catalogue.names[row]), tuple(sentences), path.triples)
