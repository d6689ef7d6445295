"""Which graph a command reads: ``--graph``, else the run's own, else the configured one; standard error says which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from worlds.command import Done, kptool

from kptoolkit.cli.session import Session
from kptoolkit.config import GraphConfig
from kptoolkit.resources import which_graph

NEO4J = {"NEO4J_URI": "bolt://server", "NEO4J_USERNAME": "ann", "NEO4J_PASSWORD": "s3cret", "NEO4J_DATABASE": "books"}
TRAINED = GraphConfig(uri="bolt://trained", username="then", cap=7, max_degree=9)


def chosen(words: dict[str, str], environ: dict[str, str], trained: GraphConfig | None) -> GraphConfig:
    session = Session(overrides=dict(words), verbosity=-1)
    session.environ = environ
    return session.graph(trained)


def test_the_graph_option_comes_first_even_if_it_names_the_default() -> None:
    graph = chosen({"graph.uri": "embedded:./kg"}, NEO4J, TRAINED)
    assert (graph.uri, graph.username, graph.database) == ("embedded:./kg", "ann", "books")
    assert graph.password == SecretStr("s3cret")
    assert (graph.cap, graph.max_degree) == (7, 9), "a run's own settings still say how the graph is read"


def test_the_graph_of_the_run_comes_before_the_configured_one() -> None:
    Path("kptool.toml").write_text("[graph]\nuri = 'embedded:other'\ncap = 5\n")
    graph = chosen({}, NEO4J, TRAINED)
    assert (graph.uri, graph.cap) == ("bolt://trained", 7)
    assert (graph.username, graph.password, graph.database) == ("then", None, "books")
    own_database = TRAINED.model_copy(update={"database": "films"})
    assert chosen({}, NEO4J, own_database).database == "films"
    assert chosen({}, {}, TRAINED).username == "then"


@pytest.mark.parametrize(
    ("run", "sent"),
    [
        *(("bolt://server", True), ("bolt://server/", True), ("neo4j://localhost:7687", True), ("bolt://[::1]", True)),
        *(("bolt://127.0.0.1:7687", True), ("embedded:./kg", True)),
        *(("bolt://elsewhere", False), ("bolt://server.evil", False), ("bolt+s://server", False)),
        *(("bolt://localhost.evil", False), ("bolt://server:17687", False)),
    ],
)
def test_the_password_goes_to_addresses_of_the_user_alone(
    run: str, sent: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = GraphConfig(uri=run)
    graph = which_graph(GraphConfig(uri="bolt://server", username="ann", password=SecretStr("s3cret")), trained)
    assert (graph.password is not None, graph.username == "ann") == (sent, sent)
    assert which_graph(GraphConfig(password=SecretStr("s3cret")), trained, trusted=True).password is not None
    session = Session(overrides={})
    session.environ = NEO4J
    assert (session.graph(trained).password is not None) == sent
    said = " ".join(capsys.readouterr().err.split())
    assert (f"no password is sent; if the server is yours, give --graph {run}" in said) == (not sent)
    given = Session(overrides={"graph.uri": run})
    given.environ = NEO4J
    assert given.graph(trained).password is not None


def test_settings_of_the_command_line_change_the_graph_of_the_run() -> None:
    graph = chosen({"graph.username": "eve", "graph.database": "mine", "graph.frontier": "3"}, NEO4J, TRAINED)
    assert (graph.uri, graph.username, graph.database, graph.frontier) == ("bolt://trained", "eve", "mine", 3)


def test_without_a_run_the_configured_graph_is_read() -> None:
    assert chosen({}, NEO4J, None).uri == "bolt://server"
    assert chosen({}, {}, None) == GraphConfig()


@given(
    st.sampled_from(["embedded:./kg", "bolt://a"]),
    st.sampled_from([None, "embedded:./kg", "bolt://b"]),
    st.sampled_from([frozenset(), frozenset({"uri"}), frozenset({"cap"})]),
)
def test_the_rule_does_not_depend_on_the_values(configured: str, trained: str | None, named: frozenset[str]) -> None:
    own = None if trained is None else GraphConfig(uri=trained)
    expected = configured if "uri" in named or trained is None else trained
    assert which_graph(GraphConfig(uri=configured), own, named).uri == expected


READING = [
    ["compile", "--data", "events.inter"],
    ["fit", "--data", "events.inter", "--run", "new"],
    ["data", "check", "graph:"],
    ["data", "stats", "graph:"],
    ["doctor"],
    ["init", "mine", "--from-graph"],
    ["render-prompts", "--item", "x"],
    ["templates", "coverage"],
    ["templates", "new", "pack"],
    ["tree", "--item", "x"],
    ["load-kg", "facts.csv"],
]


@pytest.mark.process
@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_every_command_without_a_run_says_which_graph_it_reads(words: list[str]) -> None:
    events = "".join(f"u{n // 4}\ti{n % 4:02d}\t{n}\n" for n in range(16))
    Path("events.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n" + events)
    Path("facts.csv").write_text("head,relation,tail\na,knows,b\n")
    for name in ("elsewhere", "configured"):
        Path(name).write_text("not a folder, so no graph can be opened or made here")
    named = kptool(*words, "--graph", "embedded:elsewhere", NEO4J_URI="embedded:configured")
    assert named_graph(named) == ("embedded:elsewhere", "from --graph")
    assert "elsewhere" in named.stdout + errors(named)
    by_setting = kptool(*words, "--set", "graph.uri=embedded:elsewhere")
    assert named_graph(by_setting) == ("embedded:elsewhere", "from --set graph.uri")
    configured = kptool(*words, NEO4J_URI="embedded:configured")
    assert named_graph(configured) == ("embedded:configured", "from the settings")
    assert "graph: " not in kptool(*words, "-q").stderr


OF_A_RUN = [
    ["--user", "u01", "--explain"],
    ["--user", "u01", "--write-back"],
    ["--user", "u01", "--data", "graph:"],
]


@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.parametrize("words", OF_A_RUN, ids=" ".join)
def test_recommend_reads_the_graph_of_the_run_unless_it_gets_another(run: Path, graph: str, words: list[str]) -> None:
    done = kptool("recommend", run, *words, "-k", 1, NEO4J_URI="embedded:configured")
    if words[-1] != "graph:":  # this graph has no interactions
        assert done.returncode == 0, done.stderr
    assert named_graph(done) == (graph, "the run's own")
    named = kptool("recommend", run, *words, "-k", 1, "--graph", "embedded:./kg")
    assert named_graph(named) == ("embedded:./kg", "from --graph")
    assert named.returncode == 1
    assert f"there is no graph in {Path('kg').absolute()}" in errors(named)


def named_graph(done: Done) -> tuple[str, str]:
    """The graph that standard error names, and where it was found."""
    ((graph, place),) = re.findall(r"^graph: (\S+) \((.+)\)$", done.stderr, re.M)
    return graph, place


def errors(done: Done) -> str:
    return "\n".join(line for line in done.stderr.splitlines() if line.startswith("error: "))
