"""Real triples of a graph to look at while one words its relations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kptoolkit.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from kptoolkit.graph.database import Graph
    from kptoolkit.graph.neighbourhoods import Neighbourhoods

PAGE = 2000
"""Entities asked about at once."""
MOST_PAGES = 11
"""Pages asked for, at most."""
_CAP = 64  # rows of one entity
_SAME_SHARE = 0.9


@dataclass
class Examples:
    """What a sample of a graph shows about its relations.

    Attributes:
        triples: Names of head and tail of a few triples, by relation.
        mirrored: Pairs of relations that state one fact from both ends, in most sampled triples.
        repeated: Pairs of relations that state one fact with the same head and tail, in most sampled triples.
        entities: How many entities were asked about.
    """

    triples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    mirrored: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    entities: int = 0


def look_around(
    graph: Graph, counts: Mapping[str, int], *, each: int = 3, progress: ProgressCallback = silent
) -> Examples:
    """Examples of every relation; ends when each has enough.

    The items' entities are asked about first, then what lies around them, step by step, then other entities by id. A
    rare relation may have none: at most :data:`MOST_PAGES` pages of :data:`PAGE` entities are asked about.

    Args:
        graph: The graph.
        counts: Triples by relation, see ``Graph.relation_counts``.
        each: Triples wanted of each relation, or all where there are fewer.
        progress: Who wants to hear.

    Raises:
        GraphError: The graph is only partly loaded or cannot be reached.
    """
    found = Examples()
    sample = _Sample()
    wanted = {relation: min(each, count) for relation, count in counts.items()}
    linked = [entity for entity in graph.items().entity_id if entity is not None]
    met = dict.fromkeys(linked[:PAGE], False)
    for page in _pages(graph, met):
        around = graph.neighbourhoods(page, 1, cap=_CAP, progress=progress)
        found.entities += len(page)
        for entity in map(str, around.ids):
            met.setdefault(entity, False)
        sample.add(around)
        _choose(around, found.triples, wanted)
        if all(len(found.triples.get(relation, ())) >= least for relation, least in wanted.items()):
            break
    found.mirrored, found.repeated = sample.pairs(swapped=True), sample.pairs(swapped=False)
    return found


def _pages(graph: Graph, met: dict[str, bool]) -> Iterator[list[str]]:
    """Pages of entities: those that were met and not asked about; when there are none, others by id."""
    after = ""
    for _ in range(MOST_PAGES):
        page = [entity for entity, asked in met.items() if not asked][:PAGE]
        while not page:
            ids = graph.queries["entity_page"].read(graph.store, after=after, limit=PAGE).column("id")
            if not ids:
                return
            after = ids[-1]
            page = [entity for entity in ids if not met.get(entity)]
        met |= dict.fromkeys(page, True)
        yield page


def _choose(around: Neighbourhoods, chosen: dict[str, list[tuple[str, str]]], wanted: Mapping[str, int]) -> None:
    """Fill up ``chosen``: first triples whose ends no other example of the relation has, then others; named ones."""
    for fresh in (True, False):
        for row in range(len(around.far)):
            relation = around.relations[around.relation[row]]
            told = chosen.setdefault(relation, [])
            if len(told) >= wanted.get(relation, 0):
                continue
            near, far = int(around.near[row]), int(around.far[row])
            names = [str(around.names[node]) or (str(around.ids[node]) if not fresh else "") for node in (near, far)]
            pair = (names[0], names[1]) if around.forward[row] else (names[1], names[0])
            known = {name for other in told for name in other}
            if all(names) and pair not in told and not (fresh and known.intersection(pair)):
                told.append(pair)


class _Sample:
    """Counts how often two relations join the same two entities, seen from one of them."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.met: dict[bool, Counter[tuple[str, str]]] = {True: Counter(), False: Counter()}

    def add(self, around: Neighbourhoods) -> None:
        for node in range(len(around.ids)):
            ends: dict[int, set[tuple[str, bool]]] = {}
            for row in range(around.indptr[node], around.indptr[node + 1]):
                relation = around.relations[around.relation[row]]
                ends.setdefault(int(around.far[row]), set()).add((relation, bool(around.forward[row])))
            for several in ends.values():
                for relation, forward in several:
                    self.rows[relation] += 1
                    for other, its in several:
                        if relation < other:
                            self.met[its != forward][relation, other] += 1

    def pairs(self, *, swapped: bool) -> list[tuple[str, str]]:
        """Pairs that meet in most of the rows of both."""
        return sorted(
            pair
            for pair, count in self.met[swapped].items()
            if count >= _SAME_SHARE * max(self.rows[pair[0]], self.rows[pair[1]])
        )
