from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import command
from worlds.command import Done, python

from kptoolkit.config import GraphConfig
from kptoolkit.graph.database import Graph
from kptoolkit.graph.embedded import EmbeddedServer
from kptoolkit.graph.sources.open_source import open_source
from kptoolkit.resources import demo_data_dir

BARE = [
    (["tree"], "give a history: --item X"),
    (["render-prompts", "--user", "Ada Finch"], "needs --data DIR"),
    (["tree", "--item", "Emma", "--output", "tree.gif"], "must end in .png, .svg, .html, .dot or .json"),
]


def kptool(*arguments: object, graph: EmbeddedServer | None = None) -> Done:
    given = [] if graph is None else ["--graph", graph.uri]
    return command.kptool(*arguments, *given, timeout=180, environment=variables(graph))


def variables(graph: EmbeddedServer | None) -> dict[str, str]:
    if graph is None:
        return {}
    known = {"USERNAME": graph.username, "PASSWORD": graph.password, "DATABASE": graph.database}
    return {f"KPTOOL_GRAPH__{key}": value for key, value in known.items()}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The bundled books in one embedded graph that all commands share."""
    path = tmp_path_factory.mktemp("graph") / "kg"
    with Graph.open(f"embedded:{path}", config=GraphConfig()) as empty:
        empty.load(open_source([demo_data_dir()]))
    server = EmbeddedServer(path)
    yield server
    server.close()


@pytest.mark.process
@pytest.mark.parametrize(("arguments", "message"), BARE)
def test_wrong_calls_are_answered_in_a_line(arguments: list[str], message: str) -> None:
    done = kptool(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


@pytest.mark.embedded
def test_prompts_are_shown_by_item_and_hop(graph: EmbeddedServer) -> None:
    arguments = ("render-prompts", "--item", "Oliver Twist", "--item", "b001", "--hops", 2, "--degree", 2)
    text = kptool(*arguments, graph=graph)
    assert text.returncode == 0, text.stderr
    whole = json.loads(kptool(*arguments, "--json", graph=graph).stdout)
    assert text.stdout.startswith(whole["mpp"]["text"])
    assert [item["item"] for item in whole["items"]] == ["b002", "b001"]
    assert set(whole["items"][0]["hops"]) == {"1", "2"}
    for item in whole["items"]:
        for sentences in item["hops"].values():
            assert all(f"      {sentence}\n" in text.stdout for sentence in sentences)
    assert whole["tokens"]["unit"] == "words"
    assert "tokens, counted by words" in text.stdout
    assert whole["pack"] == "books"


@pytest.mark.embedded
def test_a_user_brings_a_history(graph: EmbeddedServer) -> None:
    done = kptool("render-prompts", "--user", "Ada Finch", "--data", demo_data_dir(), "--json", graph=graph)
    assert done.returncode == 0, done.stderr
    whole = json.loads(done.stdout)
    assert len(whole["items"]) == 5
    assert "Ada Finch" in whole["mpp"]["text"]
    assert "simulated readers" in done.stderr


@pytest.mark.embedded
def test_the_tree_is_drawn_and_written(graph: EmbeddedServer, tmp_path: Path) -> None:
    for name in ("tree.png", "tree.svg", "tree.html", "tree.dot", "tree.json"):
        done = kptool("tree", "--item", "Oliver Twist", "--output", tmp_path / name, graph=graph)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "tree.png").read_bytes().startswith(b"\x89PNG")
    for name in ("tree.html", "tree.dot"):
        assert "Oliver Twist was first published in" in (tmp_path / name).read_text(encoding="utf-8")
    whole = json.loads((tmp_path / "tree.json").read_text(encoding="utf-8"))
    assert [node["kind"] for node in whole["nodes"]][:3] == ["root", "item", "triplet"]
    assert len(whole["sequence"]["node"]) == whole["tokens"]["count"]


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--item", "Oliver Twits"], "nearest: Oliver Twist"),
        (["--user", "Ada Finsh", "--data", str(demo_data_dir())], "nearest: Ada Finch"),
        (["--item", "b001", "--mpp", "books-99"], "no MPP template 'books-99'"),
        (["--item", "b001", "--set", "tree.max_tokens=8"], "tree.max_tokens allows 8"),
    ],
)
def test_what_is_unknown_or_too_long_is_answered_in_a_line(
    graph: EmbeddedServer, arguments: list[str], message: str
) -> None:
    done = kptool("tree", *arguments, graph=graph)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.embedded
def test_no_model_library_is_imported(graph: EmbeddedServer) -> None:
    program = (
        "import sys; from kptoolkit.cli.app import app\n"
        f"user = ['--user', 'Ada Finch', '--data', {str(demo_data_dir())!r}]\n"
        "for call in (['tree', '--item', 'b001'], ['render-prompts', *user]):\n"
        f"    app([*call, '--graph', {graph.uri!r}], standalone_mode=False)\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)), file=sys.stderr)"
    )
    done = python("-c", program, environment=variables(graph))
    assert done.returncode == 0, done.stderr
    assert "One subject of" in done.stdout or "first published" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"
