"""Finds example triples of each relation of a graph."""

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
"""Entities per query."""
MOST_PAGES = 11
"""Maximum number of queries for pages of entities."""
_CAP = 64  # rows per entity
_SAME_SHARE = 0.9


@dataclass
class Examples:
    """Examples of a graph's relations, from a sample of its entities.

    Attributes:
        triples: Names of head and tail of a few triples per relation.
        mirrored: Pairs of relations that state the same facts with head and tail swapped, in most sampled triples.
        repeated: Pairs of relations that state the same facts with the same head and tail, in most sampled triples.
        entities: Number of sampled entities.
    """

    triples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    mirrored: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    entities: int = 0


def find_examples(
    graph: Graph, counts: Mapping[str, int], *, each: int = 3, progress: ProgressCallback = silent
) -> Examples:
    """Find examples of every relation.

    Samples the items' entities first, then their neighbours, step by step, then other entities by id; ends when every
    relation has enough examples, or after :data:`MOST_PAGES` pages of :data:`PAGE` entities. A rare relation may have
    no example.

    Args:
        graph: The graph.
        counts: Triples by relation, see ``Graph.relation_counts``.
        each: Examples per relation; all its triples if it has fewer.
        progress: Progress callback.

    Raises:
        GraphError: The graph is only partly loaded or cannot be reached.
    """
    found = Examples()
    pairs = _PairCounts()
    wanted = {relation: min(each, count) for relation, count in counts.items()}
    linked = [entity for entity in graph.items().entity_id if entity is not None]
    met = dict.fromkeys(linked[:PAGE], False)
    for page in _pages(graph, met):
        around = graph.neighbourhoods(page, 1, cap=_CAP, progress=progress)
        found.entities += len(page)
        for entity in map(str, around.ids):
            met.setdefault(entity, False)
        pairs.add(around)
        _choose(around, found.triples, wanted)
        if all(len(found.triples.get(relation, ())) >= least for relation, least in wanted.items()):
            break
    found.mirrored, found.repeated = pairs.frequent(swapped=True), pairs.frequent(swapped=False)
    return found


def _pages(graph: Graph, met: dict[str, bool]) -> Iterator[list[str]]:
    """Yield pages of entities: neighbours that are not sampled yet; if there are none, other entities by id."""
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
    """Add named triples to ``chosen``: first those whose ends are in no other example of the relation, then others."""
    for fresh in (True, False):
        for row in range(len(around.far)):
            relation = around.relations[around.relation[row]]
            examples = chosen.setdefault(relation, [])
            if len(examples) >= wanted.get(relation, 0):
                continue
            near, far = int(around.near[row]), int(around.far[row])
            names = [str(around.names[node]) or (str(around.ids[node]) if not fresh else "") for node in (near, far)]
            pair = (names[0], names[1]) if around.forward[row] else (names[1], names[0])
            known = {name for other in examples for name in other}
            if all(names) and pair not in examples and not (fresh and known.intersection(pair)):
                examples.append(pair)


class _PairCounts:
    """Counts how often two relations connect the same two entities."""

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

    def frequent(self, *, swapped: bool) -> list[tuple[str, str]]:
        """Return the pairs that connect the same entities in most rows of both relations."""
        return sorted(
            pair
            for pair, count in self.met[swapped].items()
            if count >= _SAME_SHARE * max(self.rows[pair[0]], self.rows[pair[1]])
        )
