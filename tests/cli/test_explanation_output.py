"""``recommend --explain``, ``recommend --write-back`` and ``evaluate --explain`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds.command import Done, kptool, refused
from worlds.ring import NOTICE

from kptoolkit.config import GraphConfig
from kptoolkit.graph import Graph
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]


def result(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_reasons_as_json_by_the_graph_of_the_run(run: Path) -> None:
    rows = result(kptool("recommend", run, "--user", "u01", "-k", 3, "--explain", "--json"))
    plain = result(kptool("recommend", run, "--user", "u01", "-k", 3, "--json"))
    assert [row["item_id"] for row in rows] == [row["item_id"] for row in plain]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert {"text", "item_id", "title", "hop", "drop"} == row["triplets"][0].keys()
        assert isinstance(row["paths"], list)
    assert any(row["paths"] for row in rows)


def test_reasons_as_text(run: Path, graph: str) -> None:
    words = ["recommend", run, "--items", "i01,i02", "-k", "2", "--explain", "-q"]
    done = kptool(*words, "--graph", graph, COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Next after i01, i02"
    assert sum("what mattered" in line for line in lines) == 2
    assert sum("how the graph connects it" in line for line in lines) == 2
    assert all(len(line) <= 100 for line in lines)
    assert NOTICE in done.stdout
    rows = result(kptool(*words, "--graph", graph, "--json"))
    said = " ".join(done.stdout.split())
    assert "n of m: n of m readers in training went on to it within" in said
    assert {"readers", "of_them"} == next(part for part in rows[0]["parts"] if part["counts"])["counts"][0].keys()
    assert f"{rows[0]['triplets'][0]['drop']:.4f}" in said
    for path in rows[0]["paths"]:
        for sentence in path["sentences"]:
            assert sentence in said


@pytest.fixture
def lost_graph(graph: str) -> Iterator[None]:
    """The graph of the run is away for a while."""
    folder = Path(graph.removeprefix("embedded:"))
    away = folder.rename(folder.with_name("away"))
    yield
    away.rename(folder)


@pytest.mark.usefixtures("lost_graph")
def test_without_a_graph_the_triplets_come_and_one_line_says_so(run: Path) -> None:
    done = kptool("recommend", run, "--user", "u01", "-k", 1, "--explain", "--json")
    (row,) = result(done)
    assert row["triplets"]
    assert row["paths"] is None
    missing = "paths are left out, the graph cannot be opened: there is no graph in"
    assert sum(missing in line for line in done.stderr.splitlines()) == 1
    shown = kptool("recommend", run, "--user", "u01", "-k", 1, "--explain")
    assert "what mattered" in shown.stdout
    assert "how the graph connects it" not in shown.stdout
    named = kptool("recommend", run, "--user", "u01", "--explain", "--graph", "embedded:nowhere")
    refused(named, "there is no graph in", code=1)


def test_written_back(run: Path, graph: str) -> None:
    done = kptool("recommend", run, "--user", "u02", "-k", 2, "--write-back")
    assert done.returncode == 0
    name = Run.load(run).manifest.id
    assert f"2 recommendations for 1 user written to {graph} as run {name}" in " ".join(done.stderr.split())
    assert "Next for u02" in done.stdout
    said = result(kptool("recommend", run, "--all-users", "-k", 2, "--write-back", "--graph", graph, "--json"))
    assert said == {
        "written": {"run": name, "users": USERS, "recommendations": 2 * USERS, "left_out": 0, "graph": graph}
    }
    with Graph.open(graph, config=GraphConfig(), create=False) as opened:
        count = opened.store.read("MATCH (:User)-[r:RECOMMENDED]->(:Item) RETURN count(r) AS n, max(r.rank) AS k", {})
    assert count.rows == [[2 * USERS, 2]]
    refused(
        kptool("recommend", run, "--user", "u02", "--write-back", "--graph", "embedded:nowhere"), "no graph", code=1
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--all-users", "--output", "x.parquet", "--explain"], "--explain needs --user or --items"),
        (["--items", "i01", "--write-back"], "--write-back needs --user or --all-users"),
        (["--user", "u01", "--beam", "--explain"], "--beam needs --user or --items, and excludes --explain"),
        (["--all-users"], "--all-users and --write-back"),
    ],
)
def test_what_does_not_go_together(run: Path, words: list[str], says: str) -> None:
    refused(kptool("recommend", run, *words), says)


def test_evaluate_says_whether_reasons_carry(run: Path) -> None:
    (report,) = result(kptool("evaluate", run, "--split", "valid", "--explain", "--json"))
    found = report["faithfulness"]
    assert found["cases"] + found["left_out"] == 10
    assert found["named"] > found["random"]
    assert sum("faithfulness: without the triplets named for it, at most 3" in note for note in report["notes"]) == 1
