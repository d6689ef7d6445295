"""The shortest paths from some entities to others, found by the hop query from both ends.

Every relationship of a path is a row of the same Cypher query as for neighbourhoods: a user's own file changes both in
the same way, and neither contains interactions or recommendations.
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
from kptoolkit.storage.values.clean_name import name_from

LONGEST = 4
"""Maximum number of relationships of a path."""
_ROWS = 50_000
"""Maximum number of rows read when the nodes between the ends are expanded; the rarest nodes are expanded first."""
_COMPARED = 100_000
"""Maximum number of paths compared per target."""

_Step = tuple[str, str, bool]
"""Relation id, next node, and whether the node before it is the head of the stored triple."""
_Walk = tuple[tuple[str, ...], tuple[str, ...], tuple[bool, ...]]
"""Nodes, and the relations and directions between them."""


@dataclass(frozen=True)
class GraphPath:
    """A path through the graph: a sequence of nodes, each connected to the next by a triple of the graph.

    Attributes:
        nodes: Entity ids, L + 1 of them, from the source to the target.
        names: Names of the nodes, ``""`` for a node without one.
        relations: L relation ids.
        forward: For each of the L triples, whether its head is the node nearer to the source.
        degree: Sum of the degrees of the nodes between the ends; the lower, the more specific the path.
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
        """The stored triples, ``(head, relation, tail)``, in order from the source."""
        ends = zip(self.nodes, self.nodes[1:], self.relations, self.forward, strict=False)
        return tuple((near, r, far) if forward else (far, r, near) for near, far, r, forward in ends)


class PathFinder:
    """Finds the shortest paths between entities.

    Args:
        store: The graph database.
        queries: Its queries.
        max_degree: Nodes with more relationships occur only at the ends of a path.
        cap: Maximum number of rows read per node and relation.
        frontier: Nodes per query.
    """

    def __init__(self, store: GraphStore, queries: QuerySet, *, max_degree: int, cap: int, frontier: int) -> None:
        self.store, self.queries = store, queries
        self.max_degree, self.cap, self.frontier = max_degree, max(cap, max_degree), frontier
        self._around: dict[str, list[_Step]] = {}
        self._nodes: dict[str, tuple[str, int]] = {}

    def find(self, sources: Sequence[str], targets: Sequence[str], *, hops: int, limit: int) -> list[list[GraphPath]]:
        """Find the shortest paths from any of the sources to each target.

        Args:
            sources: Entity ids; of equally good paths, those from an earlier source come first.
            targets: Entity ids.
            hops: Maximum number of relationships of a path, at most :data:`LONGEST`.
            limit: Maximum number of paths per target.

        Returns:
            For each target its shortest paths, all of one length, those through the rarest nodes first; or none.
        """
        self._expand([*sources, *targets], guarded=False)
        self._look_up({step[1] for end in (*sources, *targets) for step in self._around[end]} | {*sources, *targets})
        rank = {source: number for number, source in reversed(list(enumerate(sources)))}
        return [[] if target in rank else self._shortest(target, rank, hops, limit) for target in targets]

    def _shortest(self, target: str, rank: dict[str, int], hops: int, limit: int) -> list[GraphPath]:
        for length in range(1, min(hops, LONGEST) + 1):
            if length == 3:
                self._expand(self._rarest(self._neighbours([target])), guarded=True)
            if length == 4:
                self._expand(self._rarest(self._neighbours(rank)), guarded=True)
            candidates = islice(self._of_length(target, rank, length), _COMPARED)
            best = heapq.nsmallest(limit, candidates, key=lambda path: (path.degree, rank[path.nodes[0]], path.nodes))
            if best:
                self._look_up({node for path in best for node in path.nodes})
                return [self._named(path) for path in best]
        return []

    def _of_length(self, target: str, rank: dict[str, int], length: int) -> Iterator[GraphPath]:
        """Yield the paths of one length, without names; no node occurs twice in a path."""
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
            for before, left_relations, directions in left.get(nodes[0], ()):
                if not set(before[:-1]) & set(nodes):
                    degree = sum(max(0, self._nodes[node][1]) for node in (*before, *nodes[1:])[1:-1])
                    yield GraphPath(before + nodes[1:], (), left_relations + relations, directions + way, degree)

    def _back(self, target: str, rank: dict[str, int], steps: int) -> list[_Walk]:
        """Return the walks of ``steps`` relationships that end at the target; the first node may be a source."""
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
        """Return whether a path may contain a node between its ends; through another source there is a shorter path."""
        if node not in self._nodes:
            self._look_up({step[1] for steps in self._around.values() for step in steps})
        return node not in rank and node != target and self._nodes.get(node, ("", 0))[1] <= self.max_degree

    def _neighbours(self, ends: Iterable[str]) -> set[str]:
        return {step[1] for end in ends for step in self._around[end]}

    def _rarest(self, nodes: set[str]) -> list[str]:
        """Return the nodes to expand, the rarest first, until their rows reach the limit."""
        chosen, rows = [], 0
        for node in sorted(nodes, key=lambda node: (self._nodes[node][1], node)):
            degree = max(1, self._nodes[node][1])
            rows += degree
            if degree > self.max_degree or rows > _ROWS:
                break
            chosen.append(node)
        return chosen

    def _expand(self, nodes: Sequence[str], *, guarded: bool) -> None:
        """Read the relationships of nodes that were not read before."""
        new = [node for node in dict.fromkeys(nodes) if node not in self._around]
        self._around.update({node: [] for node in new})
        for chunk in chunks(new, self.frontier):
            guard = self.max_degree if guarded else None
            found = self.queries["neighbours"].read(self.store, frontier=chunk, max_degree=guard, cap=self.cap)
            columns = (found.column(name) for name in ("id", "relation", "other", "forward"))
            for node, relation, other, forward in zip(*columns, strict=True):
                self._around[node].append((relation, other, forward))

    def _look_up(self, nodes: set[str]) -> None:
        """Read names and degrees of nodes that were not read before; degree 0 when the graph does not say."""
        new = sorted(nodes - self._nodes.keys())
        self._nodes.update(dict.fromkeys(new, ("", 0)))
        for chunk in chunks(new, self.frontier):
            found = self.queries["entities_by_id"].read(self.store, ids=chunk)
            columns = (found.column(name) for name in ("id", "name", "degree"))
            self._nodes.update(
                {node: (name_from(name), max(degree or 0, 0)) for node, name, degree in zip(*columns, strict=True)}
            )

    def _named(self, path: GraphPath) -> GraphPath:
        names = tuple(self._nodes[node][0] for node in path.nodes)
        return GraphPath(path.nodes, names, path.relations, path.forward, path.degree)
