"""Paths in a random graph, against networkx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from kptoolkit.config import GraphConfig
from kptoolkit.graph import Graph, MemorySource

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
NODES, HUB = 60, 9


@pytest.fixture(scope="module")
def triples() -> list[tuple[str, str, str]]:
    draw = np.random.default_rng(3)
    ends = draw.integers(0, NODES, (75, 2))
    found = {(f"n{a}", f"r{a % 3}", f"n{b}") for a, b in ends.tolist() if a != b}
    return sorted(found | {("n0", "hub", f"n{b}") for b in range(1, NODES, 4)})


@pytest.fixture(scope="module")
def graph(triples: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    config = GraphConfig(max_degree=HUB, frontier=7)
    with Graph.open(f"embedded:{tmp_path_factory.mktemp('paths') / 'kg'}", config=config) as graph:
        graph.load(MemorySource(triples))
        yield graph


def lengths(triples: list[tuple[str, str, str]], sources: list[str], target: str) -> int | None:
    """Return the length of the shortest path of at most 4 edges without a hub, by networkx."""
    whole: nx.MultiGraph[str] = nx.MultiGraph([(head, tail) for head, _, tail in triples])
    ends = {*sources, target}
    kept = whole.subgraph([node for node in whole if node in ends or whole.degree(node) <= HUB])
    found = []
    for source in sources:
        if source in kept and target in kept:
            alone = kept.subgraph([n for n in kept if n in (source, target) or whole.degree(n) <= HUB])
            if nx.has_path(alone, source, target):
                found.append(int(nx.shortest_path_length(alone, source, target)))
    return min((length for length in found if length <= 4), default=None)


def test_lengths_are_those_of_networkx(graph: Graph, triples: list[tuple[str, str, str]]) -> None:
    known, draw, met = set(triples), np.random.default_rng(4), set()
    for _ in range(12):
        picked = [f"n{n}" for n in draw.permutation(NODES)[:6]]
        sources, targets = picked[:2], picked[2:]
        for target, paths in zip(targets, graph.paths(sources, targets, limit=4), strict=True):
            expected = lengths(triples, sources, target)
            assert {len(path) for path in paths} == ({expected} if expected else set())
            met.add(expected)
            for path in paths:
                assert set(path.triples) <= known
                assert path.nodes[0] in sources
                assert path.nodes[-1] == target
                assert len(set(path.nodes)) == len(path.nodes)
            assert [path.degree for path in paths] == sorted(path.degree for path in paths)
    assert met >= {2, 3, 4, None}, "all cases were met"


def test_no_further_than_asked(graph: Graph, triples: list[tuple[str, str, str]]) -> None:
    whole = [(f"n{a}", f"n{b}") for a in range(1, 20) for b in range(20, 30)]
    source, target = next(pair for pair in whole if lengths(triples, [pair[0]], pair[1]) == 3)
    assert {len(path) for path in graph.paths([source], [target], hops=3)[0]} == {3}
    assert graph.paths([source], [target], hops=2) == [[]]


def test_a_path_has_the_direction_of_its_stored_triples(tmp_path: Path) -> None:
    with Graph.open(f"embedded:{tmp_path / 'kg'}", config=GraphConfig()) as small:
        small.load(MemorySource([("a", "wrote", "x"), ("b", "filmed", "x")], names_={"x": "A Book"}))
        ((path,),) = small.paths(["a"], ["b"])
    assert path.nodes == ("a", "x", "b")
    assert path.names == ("", "A Book", "")
    assert path.forward == (True, False)
    assert path.triples == (("a", "wrote", "x"), ("b", "filmed", "x"))
    assert path.degree == 2
