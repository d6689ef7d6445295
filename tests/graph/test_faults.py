"""A Neo4j that is killed while kptool loads or reads, and started again."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from servers.neo4j_server import Installation, Neo4jServer
from worlds.command import kptool, line

from kptoolkit.config import GraphConfig
from kptoolkit.errors import GraphUnavailableError
from kptoolkit.graph.graph import Graph
from kptoolkit.graph.readers import MemorySource
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.graph_store import expected_rows, rows_of

pytestmark = [pytest.mark.graph, pytest.mark.slow]
TRIPLES = [f"n{number}\tr{number % 7}\tn{number * 13 % 4000}" for number in range(9000)]
ROOTS = ["n1", "n2"]
COUNTED = "MATCH (h:Entity)-[r]->(t:Entity) RETURN count(*) AS n, count(DISTINCT [h.id, r.relation, t.id]) AS d"


def opened(server: Neo4jServer) -> Graph:
    given = {"username": server.username, "password": server.password, "database": server.database}
    return Graph.open(server.uri, **given, config=GraphConfig())


def killed_while_loading(installation: Installation, command: list[str], environment: dict[str, str]) -> str:
    """Kill the server once triples are being written; what the command said then."""
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


def killed_while_reading(installation: Installation, graph: Graph, cache: Path) -> float:
    """Kill the server after the first hop; seconds until the error."""
    begun = 0.0

    def kill(event: ProgressEvent) -> None:
        nonlocal begun
        if event.stage == "fetch hop 1":
            installation.kill()
            begun = time.monotonic()

    with pytest.raises(GraphUnavailableError, match="went away"):
        graph.neighbourhoods(ROOTS, 2, cache=cache, progress=kill)
    return time.monotonic() - begun


def test_a_server_killed_in_mid_load_and_while_it_is_read(tmp_path: Path, installation: Installation) -> None:
    """Started again, the same command gives every triple once, and the same question the whole answer."""
    path, cache, server = tmp_path / "x.kg", tmp_path / "cache", installation.server
    path.write_text("\n".join(["head\trelation\ttail", *TRIPLES]))
    environment = {f"NEO4J_{key.upper()}": getattr(server, key) for key in ("uri", "username", "password", "database")}
    with installation.running():
        words = ["load-kg", str(path), "--set", "graph.batch_size=8"]  # 1,125 batches of triples
        said = killed_while_loading(installation, line(*words), environment)
    assert "went away" in said
    assert "Traceback" not in said
    assert server.password not in said
    distinct = len(set(TRIPLES))
    with installation.running():
        done = kptool("load-kg", path, "--json", timeout=300, **environment)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["resumed"]
        assert 0 < report["acknowledged_before"] < distinct
        assert report["acknowledged_before"] + report["written"]["relationships_created"] == distinct
        with opened(server) as graph:
            assert graph.store.read(COUNTED, {}).rows == [[distinct, distinct]]
            assert graph.counts()["entities"] == report["entities"]
            assert killed_while_reading(installation, graph, cache) < 10
    assert not cache.exists() or not list(cache.iterdir())
    with installation.running(), opened(server) as graph:
        found = graph.neighbourhoods(ROOTS, 2, cache=cache)
        source = MemorySource([tuple(triple.split("\t")) for triple in TRIPLES])  # type: ignore[misc]
        assert rows_of(found) == expected_rows(source, ROOTS, 2, graph.config.max_degree)
