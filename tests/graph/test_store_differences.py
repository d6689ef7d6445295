"""Differences between the two stores in Cypher, as listed in docs/graph.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import neo4j
import pytest
from neo4j.exceptions import ClientError, ConstraintError, DatabaseError, Neo4jError
from servers.neo4j_server import Neo4jServer

from kptoolkit.graph.embedded import EmbeddedServer

Ask = Callable[..., Any]
TWO_WAYS = """
CREATE (a:P {id: 1}), (hub:P {id: 2, hub: true}), (b:P {id: 3}), (c:P {id: 4}), (d:P {id: 5}),
  (a)-[:K]->(hub), (hub)-[:K]->(b), (a)-[:K]->(c), (c)-[:K]->(d), (d)-[:K]->(b)
"""
AROUND_THE_HUB = """
MATCH path = shortestPath((:P {id: 1})-[:K*..4]-(:P {id: 3}))
WHERE none(node IN nodes(path) WHERE coalesce(node.hub, false))
RETURN [node IN nodes(path) | node.id]
"""
RELATED = "CREATE (a:T)-[r:`{}`]->(b:T) RETURN type(r)"
CONSTRAINT = "CREATE CONSTRAINT unique_id IF NOT EXISTS FOR (n:Entity) REQUIRE n.id IS UNIQUE"


def asking(driver: neo4j.Driver, database: str) -> Ask:
    """Run a statement, by default for writing, and return the single value of each row."""

    def ask(statement: str, *, reading: bool = False, **parameters: Any) -> list[Any]:
        with driver.session(database=database) as session:
            execute = session.execute_read if reading else session.execute_write
            return execute(lambda tx: [row[0] for row in tx.run(statement, parameters)])

    return ask


@pytest.fixture
def neo4j_store(empty_neo4j: Neo4jServer) -> Iterator[Ask]:
    with empty_neo4j.driver() as driver:
        yield asking(driver, empty_neo4j.database)


@pytest.fixture(scope="module")
def embedded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    server = EmbeddedServer(tmp_path_factory.mktemp("differences") / "kg")
    with neo4j.GraphDatabase.driver(server.uri, auth=(server.username, server.password)) as driver:
        yield asking(driver, server.database)
    server.close()


@pytest.mark.graph
def test_neo4j(neo4j_store: Ask) -> None:
    ask = neo4j_store
    ask(CONSTRAINT)
    with pytest.raises(ClientError, match="read access mode"):
        ask("CREATE (:Written)", reading=True)
    with pytest.raises(ClientError, match="null"):
        ask("MERGE (n:Entity {id: $id}) RETURN n.id", id=None)
    assert [ask("MERGE (n:Entity {id: $id}) RETURN n.id", id=value) for value in (1, "1")] == [[1], ["1"]]
    assert ask("MERGE (n:Entity {id: $id}) RETURN size(n.id)", id="x" * 8_100) == [8_100]
    with pytest.raises(DatabaseError, match="too large to index"):
        ask("MERGE (n:Entity {id: $id}) RETURN size(n.id)", id="x" * 8_200)
    for name in ("Entity", "a,b", "a*b", "a~b", "x" * 250):
        assert ask(RELATED.format(name)) == [name]
    ask(TWO_WAYS)
    assert ask(AROUND_THE_HUB) == [[1, 4, 5, 3]]
    assert ask("CREATE (a:T)-[r:$($name)]->(b:T) RETURN type(r)", name="any.name") == ["any.name"]
    ask("CREATE FULLTEXT INDEX words FOR (n:Entity) ON EACH [n.name]")


@pytest.mark.embedded
def test_embedded(embedded_store: Ask) -> None:
    ask = embedded_store
    ask(CONSTRAINT)
    ask("CREATE (:Written)", reading=True)
    assert ask("MATCH (n:Written) RETURN count(n)") == [1]
    assert ask("MERGE (n:Entity {id: $id}) RETURN n.id", id=None) == [None]
    assert ask("MERGE (n:Entity {id: $id}) RETURN n.id", id=1) == [1]
    with pytest.raises(ConstraintError):
        ask("MERGE (n:Entity {id: $id}) RETURN n.id", id="1")
    assert ask("MERGE (n:Entity {id: $id}) RETURN size(n.id)", id="x" * 8_200) == [8_200]
    for name in ("Entity", "a,b", "a*b", "a~b", "x" * 250):
        with pytest.raises(ClientError):
            ask(RELATED.format(name))
    for name in ("any.name", "a b", "x" * 150):
        assert ask(RELATED.format(name)) == [name]
    ask(TWO_WAYS)
    assert ask(AROUND_THE_HUB) == []
    with pytest.raises(Neo4jError):
        ask("CREATE (a:T)-[r:$($name)]->(b:T) RETURN type(r)", name="any.name")
    with pytest.raises(Neo4jError):
        ask("CREATE FULLTEXT INDEX words FOR (n:Entity) ON EACH [n.name]")
