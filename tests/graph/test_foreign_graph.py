"""A foreign graph without any mark of kptool, read through the user's own Cypher files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kptoolkit.config import GraphConfig
from kptoolkit.errors import GraphNotEmptyError, QueryFileError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.testing.graph_store_suite import rows_of

MADE_BY_OTHERS = """
CREATE (a:Movie {title: 'Alpha', code: 1}), (b:Movie {title: 'Beta', code: 2}), (p:Person {name: 'Pat'}),
  (p)-[:ACTED_IN {role: 'x'}]->(a), (p)-[:ACTED_IN]->(b), (p)-[:ACTED_IN {role: 'y'}]->(a), (a)-[:SEQUEL_OF]->(b),
  (:Viewer {name: 'V'})-[:WATCHED]->(a)
"""
NODE = "coalesce('movie:' + toString({0}.code), 'person:' + {0}.name)"
FILES = {
    "neighbours": (
        "frontier, max_degree, cap",
        "id, relation, other, forward",
        f"MATCH (n) WHERE n:Movie OR n:Person WITH n, {NODE.format('n')} AS id WHERE id IN $frontier "
        "MATCH (n)-[r]-(t) WHERE t:Movie OR t:Person "
        f"RETURN DISTINCT id, type(r) AS relation, {NODE.format('t')} AS other, startNode(r) = n AS forward",
    ),
    "entities_by_id": (
        "ids",
        "id, name, degree",
        f"MATCH (n) WHERE n:Movie OR n:Person WITH n, {NODE.format('n')} AS id WHERE id IN $ids "
        "RETURN id, coalesce(n.title, n.name) AS name, null AS degree",
    ),
    "items": (
        "none",
        "item_id, entity_id, name",
        "MATCH (m:Movie) RETURN toString(m.code) AS item_id, 'movie:' + toString(m.code) AS entity_id, m.title AS name",
    ),
    "counts": ("none", "entities, relationships, items", "RETURN 3 AS entities, 4 AS relationships, 2 AS items"),
    "relation_counts": (
        "none",
        "relation, count",
        "MATCH (n)-[r:ACTED_IN|SEQUEL_OF]->() RETURN type(r) AS relation, count(*) AS count",
    ),
}


@pytest.fixture(params=[pytest.param("neo4j", marks=pytest.mark.graph), "embedded"])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Graph]:
    folder = tmp_path / "cypher"
    folder.mkdir()
    for name, (parameters, columns, text) in FILES.items():
        (folder / f"{name}.cypher").write_text(
            f"// Theirs.\n// parameters: {parameters}\n// columns: {columns}\n{text}\n"
        )
    if request.param == "neo4j":
        server = request.getfixturevalue("empty_neo4j")
        access = {"username": server.username, "password": server.password, "database": server.database}
        graph = Graph.open(server.uri, **access, cypher=folder, config=GraphConfig())
    else:
        graph = Graph.open("embedded:kg", cypher=folder, config=GraphConfig())
    with graph:
        graph.store.write(MADE_BY_OTHERS, {})
        yield graph


@pytest.mark.embedded
@pytest.mark.slow
def test_it_is_read_and_not_written(foreign: Graph, tmp_path: Path) -> None:
    items = foreign.items()
    assert (items.item_id, items.name) == (["1", "2"], ["Alpha", "Beta"])
    found = foreign.neighbourhoods(["movie:1"], 2, max_degree=1)
    assert rows_of(found) == {
        ("movie:1", "ACTED_IN", "person:Pat", False),
        ("movie:1", "SEQUEL_OF", "movie:2", True),
        ("person:Pat", "ACTED_IN", "movie:1", True),
        ("person:Pat", "ACTED_IN", "movie:2", True),
        ("movie:2", "ACTED_IN", "person:Pat", False),
        ("movie:2", "SEQUEL_OF", "movie:1", False),
    }
    assert found.degrees.tolist() == [-1, -1, -1]
    assert foreign.fingerprint() == foreign.fingerprint()
    with pytest.raises(GraphNotEmptyError, match=r"Movie|Person|Viewer"):
        foreign.load(MemorySource([("a", "r", "b")]))
    (tmp_path / "cypher" / "items.cypher").write_text(
        "// parameters: none\n// columns: item_id, entity_id, name\nMATCH (m:Movie) RETURN m.title AS name\n"
    )
    with pytest.raises(QueryFileError, match=r"items\.cypher.*'item_id'"):
        Graph(foreign.store, type(foreign.queries)(tmp_path / "cypher"), foreign.config).items()


@pytest.mark.embedded
@pytest.mark.slow
def test_items_that_come_twice_are_read_and_said(foreign: Graph, tmp_path: Path) -> None:
    """By a query of the user's own; `doctor` then says that ids are twice."""
    (tmp_path / "cypher" / "items.cypher").write_text(
        "// Items.\n// parameters: none\n// columns: item_id, entity_id, name\n"
        "UNWIND [['1', null, 'a'], ['1', 'e', null], ['1', 'e', 'b']] AS r\n"
        "RETURN r[0] AS item_id, r[1] AS entity_id, r[2] AS name\n"
    )
    items = Graph(foreign.store, type(foreign.queries)(tmp_path / "cypher"), foreign.config).items()
    assert (items.item_id, items.entity_id, items.name) == (["1"] * 3, [None, "e", "e"], ["a", "", "b"])
