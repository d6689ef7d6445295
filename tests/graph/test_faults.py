"""A Neo4j that is killed while kptool loads or reads, then restarted; and one that stops answering."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from servers.neo4j_server import Installation, Neo4jServer, login_of
from worlds.command import kptool, line

from kptoolkit.config import GraphConfig
from kptoolkit.errors import GraphUnavailableError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.graph.store import GraphTransaction
from kptoolkit.graph.write_back import Recommendation
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.graph_store_suite import expected_rows, rows_of

pytestmark = [pytest.mark.graph, pytest.mark.slow]
TRIPLES = [f"n{number}\tr{number % 7}\tn{number * 13 % 4000}" for number in range(9000)]
ROOTS = ["n1", "n2"]
SILENCE = 4
COUNTED = "MATCH (h:Entity)-[r]->(t:Entity) RETURN count(*) AS n, count(DISTINCT [h.id, r.relation, t.id]) AS d"


def opened(server: Neo4jServer) -> Graph:
    return Graph.open(
        server.uri,
        username=server.username,
        password=server.password,
        database=server.database,
        config=GraphConfig(),
    )


def killed_while_loading(installation: Installation, command: list[str], environment: dict[str, str]) -> str:
    """Kill the server while triples are written, and return the output of the command."""
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for said in process.stderr:
        if said.startswith("load triples"):
            installation.kill()
            break
    rest, code = process.stderr.read(), process.wait(90)
    assert code == 1, rest
    return rest


def lost_while_reading(graph: Graph, cache: Path, lose: Callable[[], None]) -> float:
    """Lose the server after the first hop, and return the seconds until the error."""
    begun = 0.0

    def after(event: ProgressEvent) -> None:
        nonlocal begun
        if event.stage == "fetch hop 1":
            lose()
            begun = time.monotonic()

    with pytest.raises(GraphUnavailableError, match="went away"):
        graph.neighbourhoods(ROOTS, 2, cache=cache, progress=after)
    assert not cache.exists() or not list(cache.iterdir()), "half a neighbourhood was kept"
    return time.monotonic() - begun


def assert_whole(graph: Graph, cache: Path) -> None:
    found = graph.neighbourhoods(ROOTS, 2, cache=cache)
    source = MemorySource([tuple(triple.split("\t")) for triple in TRIPLES])
    assert rows_of(found) == expected_rows(source, ROOTS, 2, graph.config.max_degree)


def assert_slow_statements_end(server: Neo4jServer, graph: Graph) -> None:
    """Check that a statement waiting for a lock longer than the silence limit is not given up."""
    with server.driver() as driver, driver.session(database=server.database) as session:
        holds = session.begin_transaction()
        holds.run("MATCH (n:Entity {id: $id}) SET n.touched = 1", id=ROOTS[0]).consume()
        free = threading.Timer(SILENCE + 3, holds.rollback)
        free.start()
        begun = time.monotonic()
        graph.store.write("MATCH (n:Entity {id: $id}) REMOVE n.touched", {"id": ROOTS[0]})
        assert time.monotonic() - begun > SILENCE + 2
        free.join()


def killed_while_writing_back(installation: Installation, graph: Graph, rows: list[Recommendation]) -> None:
    """Kill the server after some transactions of a write-back."""
    transact, left = graph.store.transact, 3

    def counted(work: Callable[[GraphTransaction], Any]) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            installation.kill()
        return transact(work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph.store, "transact", counted)
        with pytest.raises(GraphUnavailableError, match="went away"):
            graph.write_recommendations("a run", rows)


@pytest.mark.long
def test_a_server_killed_in_mid_write_back(installation: Installation) -> None:
    """After a restart every user has all recommendations of the older or of the newer call, and a repeat completes."""
    users, items = [f"u{number:03d}" for number in range(60)], [f"i{number}" for number in range(5)]
    facts = [(f"e{number}", "r", "x") for number in range(5)]
    links = [(item, f"e{number}") for number, item in enumerate(items)]

    def rows(score: float) -> list[Recommendation]:
        return [Recommendation(user, item, rank, score) for user in users for rank, item in enumerate(items, 1)]

    counted = "MATCH (u:User)-[r:RECOMMENDED {run: 'a run'}]->(:Item) RETURN u.id, min(r.score), max(r.score), count(r)"
    with installation.running(), opened(installation.server) as graph:
        graph.load(MemorySource(facts, {}, links))
        graph = Graph(graph.store, graph.queries, GraphConfig(batch_size=50))  # 10 users per transaction
        graph.write_recommendations("a run", rows(1.0))
        killed_while_writing_back(installation, graph, rows(2.0))
    with installation.running(), opened(installation.server) as graph:
        found = graph.store.read(counted, {}).rows
        assert sorted(row[0] for row in found) == users
        assert {tuple(row[1:]) for row in found} == {(1.0, 1.0, 5), (2.0, 2.0, 5)}
        assert graph.write_recommendations("a run", rows(2.0)).recommendations == len(users) * len(items)
        assert {tuple(row[1:]) for row in graph.store.read(counted, {}).rows} == {(2.0, 2.0, 5)}


@pytest.mark.long
def test_a_server_killed_in_mid_load_and_killed_or_silent_while_read(
    tmp_path: Path, installation: Installation
) -> None:
    """After a restart the same command loads every triple once, and the same query returns all rows."""
    path, cache, server = tmp_path / "x.kg", tmp_path / "cache", installation.server
    path.write_text("\n".join(["head\trelation\ttail", *TRIPLES]))
    environment = login_of(server)
    with installation.running():
        words = ["load-kg", str(path), "--set", "graph.batch_size=8"]  # 1,125 batches of triples
        said = killed_while_loading(installation, line(*words), environment)
    assert "went away" in said
    assert "Traceback" not in said
    assert server.password not in said
    distinct = len(set(TRIPLES))
    with installation.running():
        done = kptool("load-kg", path, "--json", timeout=300, environment=environment)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["resumed"]
        assert 0 < report["acknowledged_before"] < distinct
        assert report["acknowledged_before"] + report["written"]["relationships_created"] == distinct
        with opened(server) as graph:
            assert graph.store.read(COUNTED, {}).rows == [[distinct, distinct]]
            assert graph.counts()["entities"] == report["entities"]
            assert lost_while_reading(graph, cache, installation.kill) < 10
    # A server sends keep-alive messages while it works; the server says how long to wait: 120 s by default.
    installation.configure("server.bolt.connection_keep_alive", f"{SILENCE // 2}s")
    with installation.running():
        with opened(server) as graph:
            assert_slow_statements_end(server, graph)
            try:
                seconds = lost_while_reading(graph, cache, partial(installation.send, signal.SIGSTOP))
            finally:
                installation.send(signal.SIGCONT)
            assert SILENCE - 1 < seconds < SILENCE + 12
        with opened(server) as graph:
            assert_whole(graph, cache)
            assert list(cache.iterdir())
