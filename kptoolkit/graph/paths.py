"""The shortest paths from some entities to others, found by the hop query from both ends.

Every relationship of a path is a row that the graph database returned, under the same Cypher file as neighbourhoods: a
file of one's own shapes both alike, and interactions and recommendations are in neither.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.store import GraphStore
from kptoolkit.storage.batches import chunks

LONGEST = 4
"""Relationships of the longest path looked for."""
_ROWS = 50_000
"""Rows that expanding the nodes between the ends may return at most; the rarest nodes are expanded first."""
_COMPARED = 100_000
"""Paths of one target that are compared at most."""

_Step = tuple[str, str, bool]
"""Relation id, the node reached, and whether the node left is the head of the stored triple."""
_Walk = tuple[tuple[str, ...], tuple[str, ...], tuple[bool, ...]]
"""Nodes, and the relations and directions between them."""


@dataclass(frozen=True)
class GraphPath:
    """A path through the graph: nodes one after the other, each joined to the next by a triple of the graph.

    Attributes:
        nodes: Entity ids, L + 1 of them, from the source to the target.
        names: Their names, ``""`` where one has none.
        relations: L relation ids.
        forward: L times whether the triple's head is the node nearer to the source.
        degree: Relationships of the nodes between the ends, summed; the fewer, the more a path tells.
    """

    nodes: tuple[str, ...]
    names: tuple[str, ...]
    relations: tuple[str, ...]
    forward: tuple[bool, ...]
    degree: int

    def __len__(self) -> int:
        return len(self.relations)

    @property
    def triples(self) -> tuple[tuple[str, str, str], ...]:
        """The stored triples, ``(head, relation, tail)``, from the source on."""
        ends = zip(self.nodes, self.nodes[1:], self.relations, self.forward, strict=False)
        return tuple((near, r, far) if forward else (far, r, near) for near, far, r, forward in ends)


class PathFinder:
    """Looks for paths.

    Args:
        store: The graph database.
        queries: Its queries.
        max_degree: Nodes with more relationships stand in no path, but at its ends.
        cap: Rows a relation that are read of one node.
        frontier: Nodes asked about in one query.
    """

    def __init__(self, store: GraphStore, queries: QuerySet, *, max_degree: int, cap: int, frontier: int) -> None:
        self.store, self.queries = store, queries
        self.max_degree, self.cap, self.frontier = max_degree, max(cap, max_degree), frontier
        self._around: dict[str, list[_Step]] = {}
        self._nodes: dict[str, tuple[str, int]] = {}

    def find(self, sources: Sequence[str], targets: Sequence[str], *, hops: int, limit: int) -> list[list[GraphPath]]:
        """The shortest paths from any of the sources to each target.

        Args:
            sources: Entity ids; of equally good paths those from an earlier source come first.
            targets: Entity ids.
            hops: Longest path, at most :data:`LONGEST`.
            limit: Paths a target.

        Returns:
            For each target paths of one length, those through the rarest nodes first; none where there are none.
        """
        self._expand([*sources, *targets], guarded=False)
        self._look_up({step[1] for end in (*sources, *targets) for step in self._around[end]} | {*sources, *targets})
        rank = {source: number for number, source in reversed(list(enumerate(sources)))}
        return [[] if target in rank else self._shortest(target, rank, hops, limit) for target in targets]

    def _shortest(self, target: str, rank: dict[str, int], hops: int, limit: int) -> list[GraphPath]:
        for length in range(1, min(hops, LONGEST) + 1):
            if length == 3:
                self._expand(self._rarest(self._beside([target])), guarded=True)
            if length == 4:
                self._expand(self._rarest(self._beside(rank)), guarded=True)
            candidates = islice(self._of_length(target, rank, length), _COMPARED)
            best = heapq.nsmallest(limit, candidates, key=lambda path: (path.degree, rank[path.nodes[0]], path.nodes))
            if best:
                self._look_up({node for path in best for node in path.nodes})
                return [self._named(path) for path in best]
        return []

    def _of_length(self, target: str, rank: dict[str, int], length: int) -> Iterator[GraphPath]:
        """Paths of one length, from the source on, without names; no node comes twice."""
        left: dict[str, list[_Walk]] = {source: [((source,), (), ())] for source in rank}
        for _ in range(length // 2):  # walk from the sources to the middle, the rest from the target
            further: dict[str, list[_Walk]] = defaultdict(list)
            for node, walks in left.items():
                for relation, other, forward in self._around.get(node, ()):
                    if self._between(other, rank, target):
                        further[other] += [
                            ((*nodes, other), (*relations, relation), (*way, forward))
                            for nodes, relations, way in walks
                            if other not in nodes
                        ]
            left = further
        for nodes, relations, way in self._back(target, rank, length - length // 2):
            for before, told, direction in left.get(nodes[0], ()):
                if not set(before[:-1]) & set(nodes):
                    degree = sum(max(0, self._nodes[node][1]) for node in (*before, *nodes[1:])[1:-1])
                    yield GraphPath(before + nodes[1:], (), told + relations, direction + way, degree)

    def _back(self, target: str, rank: dict[str, int], steps: int) -> list[_Walk]:
        """Walks of ``steps`` relationships that end at the target; the first node may be a source."""
        walks: list[_Walk] = [((target,), (), ())]
        for step in range(steps):
            walks = [
                ((other, *nodes), (relation, *relations), (not forward, *way))
                for nodes, relations, way in walks
                for relation, other, forward in self._around.get(nodes[0], ())
                if other not in nodes and (self._between(other, rank, target) or (step == steps - 1 and other in rank))
            ]
        return walks

    def _between(self, node: str, rank: dict[str, int], target: str) -> bool:
        """Whether a path may pass a node; through another source there is a shorter one."""
        if node not in self._nodes:
            self._look_up({step[1] for steps in self._around.values() for step in steps})
        return node not in rank and node != target and self._nodes.get(node, ("", 0))[1] <= self.max_degree

    def _beside(self, ends: Iterable[str]) -> set[str]:
        return {step[1] for end in ends for step in self._around[end]}

    def _rarest(self, nodes: set[str]) -> list[str]:
        """Nodes to expand, the rarest first, as long as their rows stay within what is read."""
        chosen, rows = [], 0
        for node in sorted(nodes, key=lambda node: (self._nodes[node][1], node)):
            degree = max(1, self._nodes[node][1])
            rows += degree
            if degree > self.max_degree or rows > _ROWS:
                break
            chosen.append(node)
        return chosen

    def _expand(self, nodes: Sequence[str], *, guarded: bool) -> None:
        """Read the relationships of nodes, each once."""
        new = [node for node in dict.fromkeys(nodes) if node not in self._around]
        self._around.update({node: [] for node in new})
        for chunk in chunks(new, self.frontier):
            guard = self.max_degree if guarded else None
            found = self.queries["neighbours"].read(self.store, frontier=chunk, max_degree=guard, cap=self.cap)
            columns = (found.column(name) for name in ("id", "relation", "other", "forward"))
            for node, relation, other, forward in zip(*columns, strict=True):
                self._around[node].append((relation, other, forward))

    def _look_up(self, nodes: set[str]) -> None:
        """Read names and degrees of nodes, each once; 0 where the graph does not say."""
        new = sorted(nodes - self._nodes.keys())
        self._nodes.update(dict.fromkeys(new, ("", 0)))
        for chunk in chunks(new, self.frontier):
            found = self.queries["entities_by_id"].read(self.store, ids=chunk)
            columns = (found.column(name) for name in ("id", "name", "degree"))
            self._nodes.update({node: (name, max(degree or 0, 0)) for node, name, degree in zip(*columns, strict=True)})

    def _named(self, path: GraphPath) -> GraphPath:
        names = tuple(self._nodes[node][0] for node in path.nodes)
        return GraphPath(path.nodes, names, path.relations, path.forward, path.degree)
