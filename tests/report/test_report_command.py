"""``kptool report`` on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from worlds.command import kptool, refused
from worlds.hostile_names import NOTICE, Parsed

pytestmark = [pytest.mark.embedded, pytest.mark.slow, pytest.mark.process]


def test_a_report_of_two_runs_with_paths(hostile_runs: list[Path], tmp_path: Path) -> None:
    """The graph is named; its paths are on the page, and names from it stay text."""
    graph = f"embedded:{hostile_runs[0].parents[1] / 'away'}"
    output = tmp_path / "new" / "report.html"
    done = kptool("report", *hostile_runs, "--output", output, "--users", 2, "--graph", graph, "--json", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["output"] == str(output)
    assert len(said["users"]) == 2
    assert "paths" not in said["left_out"]
    page = output.read_text(encoding="utf-8")
    assert "how the graph connects it" in Parsed(page).text
    assert not {tag for tag, _ in Parsed(page).elements} & {"script", "img", "i", "h5"}


def test_without_the_graph_the_page_has_no_paths(hostile_runs: list[Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(hostile_runs[0], tmp_path / "run"))
    done = kptool("report", run)
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert sum("paths are left out, the graph cannot be opened: there is no graph in" in line for line in lines) == 1
    assert lines[-1] == f"report written to {run / 'report.html'}"
    assert "still improving: 0. The best epoch is the last one" in done.stderr
    assert Parsed((run / "report.html").read_text(encoding="utf-8")).text.count(NOTICE) == 2
    assert kptool("evaluate", run, "-q").returncode == 0, "the page in the folder does not damage the run"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--output", "report.pdf"], "report.pdf: the name must end in .html"),
        (["--set", "tree.hops=1"], "a finished run keeps the settings it was trained with"),
    ],
)
def test_mistakes(hostile_runs: list[Path], words: list[str], says: str) -> None:
    refused(kptool("report", hostile_runs[0], *words), says)


def test_not_a_run(tmp_path: Path) -> None:
    refused(kptool("report", tmp_path), "is not a run")


def test_a_graph_that_is_named_must_be_there(hostile_runs: list[Path]) -> None:
    refused(kptool("report", hostile_runs[0], "--graph", "embedded:nowhere"), "there is no graph in", code=1)
