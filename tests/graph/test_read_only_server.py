"""A Neo4j that refuses every write: reading commands work, and writing ones end with one line of error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.neo4j_server import Installation, login_of
from worlds.command import kptool, refused, sets

CREATE = Path(__file__).resolve().parents[2] / "examples" / "movies_graph" / "create.py"
READING = [
    ["init", "films", "--from-graph"],
    ["doctor", "--json"],
    ["templates", "coverage", "--json"],
    ["templates", "new", "mine", "--json"],
    ["data", "stats", "graph:", "--json"],
    ["render-prompts", "--item", "Heat", "--json"],
    ["tree", "--item", "Heat", "--user", "7", "--json"],
    ["compile", "--json"],
    ["fit", "--run", "run", "--json", *sets(training__epochs=1, model__backend="sequence")],
    ["evaluate", "run", "--explain", "--json"],
    ["recommend", "run", "--user", "7", "--explain", "--json"],
    ["recommend", "run", "--items", "Heat,Casino", "--data", "graph:", "--json"],
    ["compile", "run", "--refresh", "--json"],
]

pytestmark = [pytest.mark.graph, pytest.mark.slow]


@pytest.fixture
def access(installation: Installation) -> Iterator[dict[str, str]]:
    """The movies example on a server that was restarted with a read-only database."""
    server = installation.server
    login = login_of(server)
    with installation.running():
        subprocess.run([sys.executable, CREATE], env=os.environ | login, check=True, stdout=subprocess.DEVNULL)
    installation.configure("server.databases.read_only", server.database)
    with installation.running():
        yield login


@pytest.mark.long
def test_all_that_reads_works_and_what_writes_is_refused(
    access: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in READING:
        done = kptool(*words, environment=access)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        if words[0] == "init":
            monkeypatch.chdir("films")
        else:
            assert json.loads(done.stdout)
    Path("x.kg").write_text("head\trelation\ttail\na\tr\tb\n")
    for words in (
        ["load-kg", "x.kg", "--into-existing"],
        ["recommend", "run", "--user", "7", "--write-back"],
        ["recommend", "run", "--all-users", "--write-back"],
    ):
        done = kptool(*words, environment=access)
        error = refused(done, access["NEO4J_URI"], "read-only", "need the right to write", code=1)
        assert ".cypher" not in error, "no Cypher file is the cause"
