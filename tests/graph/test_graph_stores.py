"""The conformance suite on both shipped stores, and a comparison of the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from servers.neo4j_server import Neo4jServer

from kptoolkit.config import GraphConfig
from kptoolkit.graph.database import Graph
from kptoolkit.graph.embedded import EmbeddedStore
from kptoolkit.graph.queries import QuerySet
from kptoolkit.testing.graph_store_suite import GraphStoreSuite, MakeGraph, fingerprint_of_rows, small_world


class _Shared(EmbeddedStore):
    """One child process for all tests of this file: closing a graph leaves it running."""

    def close(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """End the child process."""
        super().close()


@pytest.fixture(scope="module")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Shared]:
    store = _Shared(tmp_path_factory.mktemp("embedded") / "kg")
    yield store
    store.end()


def embedded_graphs(store: _Shared) -> MakeGraph:
    store.write("MATCH (n) DETACH DELETE n", {})
    return lambda: Graph(store, QuerySet(embedded=True), GraphConfig())


def neo4j_graphs(server: Neo4jServer) -> Callable[[], Graph]:
    config = GraphConfig()
    return lambda: Graph.open(
        server.uri, username=server.username, password=server.password, database=server.database, config=config
    )


@pytest.mark.embedded
@pytest.mark.slow
class TestEmbeddedStore(GraphStoreSuite):
    @pytest.fixture
    def make_graph(self, embedded_store: _Shared) -> MakeGraph:
        return embedded_graphs(embedded_store)


@pytest.mark.graph
@pytest.mark.slow
class TestBoltStore(GraphStoreSuite):
    @pytest.fixture
    def make_graph(self, empty_neo4j: Neo4jServer) -> MakeGraph:
        return neo4j_graphs(empty_neo4j)


@pytest.mark.graph
@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"max_degree": 5}, {"max_degree": 1000}, {"max_degree": 1000, "cap": 4}])
def test_both_stores_give_equal_rows(
    embedded_store: _Shared, empty_neo4j: Neo4jServer, settings: dict[str, int]
) -> None:
    found = []
    for make in (embedded_graphs(embedded_store), neo4j_graphs(empty_neo4j)):
        with make() as graph:
            graph.load(small_world())
            roots = ["person:2", "film:1", "genre:drama", "😀 astral", "film:30"]
            found.append(graph.neighbourhoods(roots, 3, max_degree=settings["max_degree"], cap=settings.get("cap")))
    assert fingerprint_of_rows(found[0]) == fingerprint_of_rows(found[1])
    assert len(found[0].far) > 20
