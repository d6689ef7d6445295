"""The Neo4j that the tests run against, and that it never outlives them."""

from __future__ import annotations

import neo4j
import pytest
from servers.neo4j_server import Neo4jServer, running_server

pytestmark = pytest.mark.graph


def test_server_is_real_and_guarded(neo4j_server: Neo4jServer) -> None:
    with neo4j_server.driver() as driver:
        rows = driver.execute_query("CALL dbms.components() YIELD name, versions", database_="neo4j").records
    assert rows[0]["versions"][0] >= "5.26"
    stranger = neo4j.GraphDatabase.driver(neo4j_server.uri, auth=("neo4j", "wrong"))
    with stranger, pytest.raises(neo4j.exceptions.AuthError):
        stranger.verify_connectivity()


def test_clear_takes_nodes_and_schema(empty_neo4j: Neo4jServer) -> None:
    with empty_neo4j.driver() as driver:
        driver.execute_query("CREATE CONSTRAINT c FOR (n:Entity) REQUIRE n.id IS UNIQUE", database_="neo4j")
        driver.execute_query("CREATE INDEX i FOR (n:Entity) ON (n.name)", database_="neo4j")
        driver.execute_query("UNWIND range(1, 30) AS i CREATE (:Entity {id: i})-[:R]->(:Entity)", database_="neo4j")
        assert not empty_neo4j.is_empty()
        empty_neo4j.clear()
        assert empty_neo4j.is_empty()
        assert not driver.execute_query("SHOW CONSTRAINTS", database_="neo4j").records
        assert not driver.execute_query("SHOW INDEXES YIELD type WHERE type <> 'LOOKUP'", database_="neo4j").records


def test_a_named_database_must_be_empty(
    empty_neo4j: Neo4jServer, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for key in ("uri", "username", "password", "database"):
        monkeypatch.setenv(f"KPTOOL_TEST_NEO4J_{key.upper()}", getattr(empty_neo4j, key))
    folder = tmp_path_factory.mktemp("named")
    with empty_neo4j.driver() as driver:
        with running_server(folder) as named:
            assert named == empty_neo4j
            driver.execute_query("CREATE (:Left)", database_="neo4j")
        assert empty_neo4j.is_empty()
        driver.execute_query("CREATE (:Precious)", database_="neo4j")
        with pytest.raises(RuntimeError, match="holds nodes"), running_server(folder):
            pytest.fail("a database with nodes was accepted")
        assert not empty_neo4j.is_empty()
