"""What happens when there is no Neo4j, and when a test session dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers.neo4j_server import Neo4jServer

HERE = Path(__file__).resolve().parent
ASKS_FOR_NEO4J = f"{HERE / 'test_neo4j_server.py'}::test_server_is_real_and_guarded"


@pytest.mark.process
@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_without_a_server_tests_are_skipped_loudly_or_fail(ci: str, code: int, tmp_path: Path) -> None:
    bare = {"CI": ci, "PATH": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}"]
    done = subprocess.run([*command, ASKS_FOR_NEO4J], env=bare, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "no docker daemon and no java" in done.stdout
    assert ("1 TESTS OF THE REAL NEO4J WERE SKIPPED" in done.stdout) is (not ci)


@pytest.mark.long
@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
@pytest.mark.skipif(bool(os.environ.get("KPTOOL_TEST_NEO4J_URI")), reason="the named server is not ours to end")
@pytest.mark.usefixtures("neo4j_server")
def test_a_killed_session_leaves_no_server(tmp_path: Path) -> None:
    script = (
        f"import os, pathlib, signal, sys; sys.path.insert(0, {str(HERE.parent)!r})\n"
        "from servers.neo4j_server import running_server\n"
        f"with running_server(pathlib.Path({str(tmp_path)!r})) as server:\n"
        "    print(server.uri, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    port = int(done.stdout.rpartition(":")[2])
    end = time.monotonic() + 60
    while _answers(port):
        assert time.monotonic() < end, f"a server still listens on port {port}"
        time.sleep(0.2)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_server_does_not_show_its_password() -> None:
    assert "secret" not in repr(Neo4jServer("bolt://127.0.0.1:1", "neo4j", "secret"))
