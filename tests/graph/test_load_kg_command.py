"""``kptool load-kg`` and ``kptool graph serve`` as users run them: messages, exit codes, Ctrl-C."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers.neo4j_server import Neo4jServer
from typer.testing import CliRunner, Result

from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig
from kptoolkit.errors import GraphLockedError, GraphUnavailableError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.embedded import EmbeddedServer, EmbeddedStore
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.sources.open_source import open_source
from kptoolkit.progress import ProgressEvent

HEADER = "head_id:token\trelation_id:token\ttail_id:token\n"
LONG = HEADER + "".join(f"n{number}\tr{number % 7}\tn{number * 13 % 4000}\n" for number in range(9000))
ENDS = 120
"""Within so many seconds a command gives up a server that does not answer, however slow the machine."""
SMALL_BATCHES = ["--set", "graph.batch_size=100"]


def kptool(*args: object, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], env=environment)


def said(result: Result) -> str:
    return " ".join(result.output.split())


def triples(folder: Path, text: str | bytes = HEADER + "a\tr\tb\nb\tr\tc\n", name: str = "x.kg") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def neo4j_environment(empty_neo4j: Neo4jServer) -> dict[str, str]:
    return {
        "NEO4J_URI": empty_neo4j.uri,
        "NEO4J_USERNAME": empty_neo4j.username,
        "NEO4J_PASSWORD": empty_neo4j.password,
        "NEO4J_DATABASE": empty_neo4j.database,
    }


# -- what is wrong with the graph ---------------------------------------------------------------------------------


def test_no_server(tmp_path: Path) -> None:
    start = time.monotonic()
    result = kptool("load-kg", triples(tmp_path), "--graph", "neo4j://127.0.0.1:9", NEO4J_PASSWORD="hush-hush")
    assert result.exit_code == 1
    assert "neo4j://127.0.0.1:9 (user neo4j)" in said(result)
    assert "docker compose up -d" in said(result)
    assert "embedded:" in said(result)
    assert "hush-hush" not in result.output
    assert time.monotonic() - start < ENDS


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        start = time.monotonic()
        result = kptool("load-kg", triples(tmp_path), "--graph", f"bolt://127.0.0.1:{deaf.getsockname()[1]}")
    assert result.exit_code == 1
    assert "no graph database answers" in said(result)
    assert time.monotonic() - start < ENDS


@pytest.mark.graph
def test_wrong_password(tmp_path: Path, neo4j_environment: dict[str, str]) -> None:
    result = kptool("load-kg", triples(tmp_path), **{**neo4j_environment, "NEO4J_PASSWORD": "not-this-one"})
    assert result.exit_code == 1
    assert neo4j_environment["NEO4J_URI"] in said(result)
    assert "(user neo4j) refused the user or the password" in said(result)
    assert "not-this-one" not in result.output


@pytest.mark.graph
def test_unknown_database(tmp_path: Path, neo4j_environment: dict[str, str]) -> None:
    result = kptool("load-kg", triples(tmp_path), **{**neo4j_environment, "NEO4J_DATABASE": "nowhere"})
    assert result.exit_code == 1
    assert "no database 'nowhere'" in said(result)


@pytest.mark.parametrize("uri", ["http://localhost", "neo4j://ann:hush@localhost", "nonsense"])
def test_a_wrong_uri_is_an_error(tmp_path: Path, uri: str) -> None:
    result = kptool("load-kg", triples(tmp_path), "--graph", uri)
    assert result.exit_code == 2
    assert "graph.uri" in said(result)
    assert "hush" not in said(result)


@pytest.mark.graph
def test_foreign_nodes_are_refused(tmp_path: Path, empty_neo4j: Neo4jServer, neo4j_environment: dict[str, str]) -> None:
    with empty_neo4j.driver() as driver:
        driver.execute_query("CREATE (:Person)", database_=empty_neo4j.database)
    result = kptool("load-kg", triples(tmp_path), **neo4j_environment)
    assert result.exit_code == 2
    assert "--into-existing" in said(result)
    assert kptool("load-kg", triples(tmp_path), "--into-existing", **neo4j_environment).exit_code == 0


def test_a_folder_with_other_files_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").touch()
    result = kptool("load-kg", triples(tmp_path), "--graph", "embedded:home")
    assert result.exit_code == 1
    assert "holds other files" in said(result)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter.txt"]


# -- what is wrong with the files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("head\ttail\na\tb\n", "line 1: no column for 'relation'"),
        (HEADER + "a\tr\tb\na\tb\n", "line 3: 2 columns instead of 3"),
        (HEADER.encode() + b"\xff\tr\tb\n", "line 2: not UTF-8"),
        ("", "is empty"),
        (HEADER, "no triples"),
        (gzip.compress((HEADER + "a\tr\tb\n" * 99).encode(), mtime=0)[:-15], "ends early"),
    ],
)
def test_bad_files(tmp_path: Path, data: str | bytes, words: str) -> None:
    path = triples(tmp_path, data)
    result = kptool("load-kg", path)
    assert result.exit_code == 2
    assert words in said(result)
    assert str(path) in "".join(result.output.split("\n"))
    assert not (tmp_path / "kg").exists()


def test_no_such_path() -> None:
    result = kptool("load-kg", "nowhere.kg")
    assert result.exit_code == 2
    assert "nowhere.kg: no such file" in said(result)


def test_a_dry_run_needs_no_graph_and_counts_bad_rows(tmp_path: Path) -> None:
    path = triples(tmp_path, HEADER + "a\tr\tb\na\tb\na\tr\tb\nb\tr\ta\n")
    result = kptool("load-kg", path, "--dry-run", "--skip-bad-rows", "--json", "--graph", "neo4j://127.0.0.1:9")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["triples_read"], report["duplicates"], report["relationships"], report["bad_rows"]) == (3, 1, 2, 1)
    assert report["bad_row_list"] == [{"path": str(path), "line": 3, "reason": "2 columns instead of 3"}]
    assert report["mirrored"][0]["relation"] == "r"
    assert "line 3" in result.stderr


def test_upsert_and_replace_exclude_each_other(tmp_path: Path) -> None:
    assert kptool("load-kg", triples(tmp_path), "--upsert", "--replace").exit_code == 2


# -- a whole load -------------------------------------------------------------------------------------------------


@pytest.mark.embedded
@pytest.mark.slow
def test_a_load_its_table_and_its_repetition(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    triples(folder)
    (folder / "x.item").write_text("item_id\ttitle\n1\tOne\n2\tTwo\n")
    (folder / "x.link").write_text("item_id\tentity_id\n1\ta\n")
    (folder / "x.inter").write_text("user_id\titem_id\ttimestamp\nann\t1\t5\nann\t2\t6\nann\t3\t7\n")
    first = kptool("load-kg", folder, "--interactions")
    assert first.exit_code == 0, first.output
    assert "3 entities, 2 relationships, 2 items" in said(first)
    assert "triples by relation" in said(first)
    again = kptool("load-kg", folder, "--interactions", "--json")
    assert again.exit_code == 0
    report = json.loads(again.stdout)
    assert not any(report["written"].values())
    assert report["interactions"] == 3
    assert report["by_relation"] == {"r": {"sent": 2, "created": 0, "matched": 2}}


def interrupted(command: list[str], environment: dict[str, str], when: str) -> str:
    """Run a command, send SIGINT when ``when`` appears on standard error, and return the output."""
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(when):
            process.send_signal(signal.SIGINT)
            break
    rest, code = process.stderr.read(), process.wait(60)
    assert code == 130, "".join(lines) + rest
    return rest


@pytest.mark.parametrize("kind", [pytest.param("neo4j", marks=[pytest.mark.graph, pytest.mark.long]), "embedded"])
@pytest.mark.embedded
@pytest.mark.slow
def test_ctrl_c_and_the_same_command_again(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    environment = request.getfixturevalue("neo4j_environment") if kind == "neo4j" else {}
    path = triples(tmp_path, LONG)
    command = [sys.executable, "-m", "kptoolkit", "load-kg", str(path), "--set", "graph.batch_size=8"]
    assert "the same command continues" in interrupted(command, environment, "load triples")  # of 1,125 batches
    result = kptool("load-kg", path, *SMALL_BATCHES, "--json", **environment)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    distinct = {tuple(line.split("\t")) for line in LONG.splitlines()[1:]}
    assert report["resumed"]
    assert report["graph"]["relationships"] == len(distinct)
    assert 0 < report["written"]["relationships_created"] < len(distinct)
    assert report["acknowledged_before"] + report["written"]["relationships_created"] == len(distinct)
    assert sum(one["sent"] for one in report["by_relation"].values()) == report["written"]["relationships_created"]


# -- the embedded graph as a process ------------------------------------------------------------------------------


@pytest.mark.embedded
@pytest.mark.parametrize("released", [True, False])
def test_a_port_that_another_process_takes(tmp_path: Path, released: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is started again; the port is reported only if it stays taken."""
    taken, start, starts = socket.socket(), EmbeddedServer._start, list[int]()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]

    def counted(server: EmbeddedServer) -> subprocess.Popen[bytes]:
        starts.append(len(starts))
        if released and len(starts) == 2:
            taken.close()
        return start(server)

    monkeypatch.setattr(EmbeddedServer, "_start", counted)
    if released:
        server = EmbeddedServer(tmp_path / "kg", port=port)
        assert (server.alive, len(starts), server.uri) == (True, 2, f"bolt://127.0.0.1:{port}")
        server.close()
    else:
        with taken, pytest.raises(GraphUnavailableError, match=rf"did not start: .*{port}"):
            EmbeddedServer(tmp_path / "kg", port=port)
        assert len(starts) == 3


def test_reading_a_graph_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GraphUnavailableError, match="kptool load-kg"):
        Graph.open("embedded:nothing", config=GraphConfig(), create=False)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.embedded
@pytest.mark.slow
def test_a_second_process_gets_the_holder_of_the_graph_and_data_survives_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from kptoolkit.config import GraphConfig\n"
        "from kptoolkit.graph import Graph, MemorySource\n"
        "graph = Graph.open('embedded:kg', config=GraphConfig())\n"
        "graph.load(MemorySource([('a', 'r', 'b')]))\n"
        "print('loaded', flush=True)\n"
        "time.sleep(600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "loaded\n"
        with pytest.raises(GraphLockedError, match=f"process {holder.pid} holds"):
            Graph.open("embedded:kg", config=GraphConfig())
    finally:
        holder.kill()
        holder.wait()
    with Graph.open("embedded:kg", config=GraphConfig(), create=False) as graph:
        assert graph.counts() == {"entities": 2, "relationships": 1, "items": 0}


def killed_in_load(folder: Path) -> None:
    """Kill the process of the embedded graph while triples are written."""
    store = EmbeddedStore("kg")

    def kill(event: ProgressEvent) -> None:
        if event.stage == "load triples":
            os.kill(store.process_id, signal.SIGKILL)

    with (
        Graph(store, QuerySet(embedded=True), GraphConfig(batch_size=500)) as graph,
        pytest.raises(GraphUnavailableError, match="run the same command"),
    ):
        graph.load(open_source([folder]), progress=kill)


def killed_in_compile(words: list[str]) -> tuple[float, int, str]:
    """Kill it while the first hop is read; return the seconds until the command ended, its exit code and output."""
    command = [sys.executable, "-m", "kptoolkit", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for said in process.stderr:
            if said.startswith("fetch hop 1"):
                break
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        begun = time.monotonic()
        os.kill(int(child), signal.SIGKILL)
        rest, code = process.stderr.read(), process.wait(60)
        return time.monotonic() - begun, code, rest
    finally:
        process.kill()
        process.wait()


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the child of a command in /proc")
def test_a_killed_child_is_reported_and_the_same_command_resumes(tmp_path: Path) -> None:
    """Killed during a load and during compile: every triple is stored once, and no partial neighbourhood is cached."""
    data = tmp_path / "data"
    data.mkdir()
    triples(data, LONG)
    (data / "x.link").write_text("item_id\tentity_id\n" + "".join(f"i{n}\tn{n}\n" for n in range(300)))
    (data / "x.inter").write_text("user_id\titem_id\n" + "".join(f"u{n % 30}\ti{n}\n" for n in range(300)))
    killed_in_load(data)
    loaded = kptool("load-kg", data, "--json")
    assert loaded.exit_code == 0, loaded.output
    report = json.loads(loaded.stdout)
    expected = sorted(tuple(row.split("\t")) for row in set(LONG.splitlines()[1:]))
    assert report["resumed"]
    assert 0 < report["acknowledged_before"] < len(expected)
    with Graph.open("embedded:kg", config=GraphConfig(), create=False) as graph:
        stored = graph.store.read("MATCH (h:Entity)-[r]->(t:Entity) RETURN h.id, r.relation, t.id", {}).rows
        assert sorted(map(tuple, stored)) == expected
        entities = sorted(row[0] for row in graph.store.read("MATCH (n:Entity) RETURN n.id", {}).rows)
        assert entities == sorted({end for head, _, tail in expected for end in (head, tail)})
        assert sorted(map(str, graph.items().entity_id)) == sorted(f"n{number}" for number in range(300))
        assert graph.counts() == {"entities": len(entities), "relationships": len(expected), "items": 300}
    words = ["compile", "--data", str(data), "--set", "prompts.keep_nameless=true"]
    seconds, code, output = killed_in_compile([*words, "--set", "graph.frontier=1"])
    assert (code, seconds < 10) == (1, True), (seconds, output)
    assert "Traceback" not in output
    (error,) = [row for row in output.splitlines() if row.startswith("error: ")]
    assert "run the same command" in error
    assert not [path for path in Path(".kptool").rglob("*") if path.is_file()], "half a neighbourhood was kept"
    again = kptool(*words, "--json", "-q")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["items_with_triples"] == 300


@pytest.mark.embedded
@pytest.mark.slow
def test_serve_and_use_from_another_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kptoolkit", "graph", "serve", "kg"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        uri = server.stdout.readline().split()[1]
        password_file = tmp_path / "kg" / "password"
        assert password_file.stat().st_mode & 0o777 == 0o600
        password = password_file.read_text()
        assert password not in server.stdout.readline() + server.stdout.readline()
        with Graph.open(uri, username="root", password=password, database="kg", config=GraphConfig()) as graph:
            assert graph.store.dialect == "embedded"
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
    assert not password_file.exists()


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.skipif("KPTOOL_DATA" not in os.environ, reason="KPTOOL_DATA is not set")
def test_a_real_set_gives_equal_rows_on_both_stores(tmp_path: Path, neo4j_environment: dict[str, str]) -> None:
    from kptoolkit.testing.graph_store_suite import fingerprint_of_rows

    found = []
    for environment in (neo4j_environment, {}):
        result = kptool("load-kg", Path(os.environ["KPTOOL_DATA"]) / "books", "-q", **environment)
        assert result.exit_code == 0, result.output
        given = {key.removeprefix("NEO4J_").lower(): value for key, value in environment.items()}
        with Graph.open(config=GraphConfig.model_validate(given)) as graph:
            entities = [entity for entity in graph.items().entity_id if entity is not None]
            found.append(fingerprint_of_rows(graph.neighbourhoods(entities[:300], 2)))
    assert found[0] == found[1]
    shutil.rmtree(tmp_path / "kg")
