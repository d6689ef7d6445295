"""``kptool templates coverage`` on an embedded graph, and the example pack on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kptoolkit.cli.app import app
from kptoolkit.graph import Graph, MemorySource

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_pack" / "buecher.py"
SOURCE = MemorySource(
    [
        ("emma", "book.written_work.author", "austen"),
        ("emma", "book.book.genre", "novel"),
        ("persuasion", "book.book.genre", "novel"),
        ("persuasion", "shop.shelfMark [x]", "s1"),
        ("emma", "P999", "s1"),
    ],
    {"emma": "Emma", "persuasion": "Persuasion", "austen": "Jane Austen", "novel": "novel", "s1": "S 1"},
    links_=[("i1", "emma"), ("i2", "persuasion")],
)

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    address = f"embedded:{tmp_path_factory.mktemp('graph') / 'kg'}"
    with Graph.open(address) as graph:
        graph.load(SOURCE, mode="replace")
    return address


def coverage(*words: str) -> Result:
    return CliRunner().invoke(app, ["templates", "coverage", *words])


def test_coverage_shows_which_relations_use_the_fallback(uri: str) -> None:
    said = coverage("--graph", uri, "--json")
    assert said.exit_code == 0, said.output
    covered = json.loads(said.stdout)
    assert covered["pack"] == "books"
    assert covered["share_of_triples"] == pytest.approx(0.6)
    rows = {row["relation"]: row for row in covered["relations"]}
    assert rows["book.book.genre"]["triples"] == 2
    assert rows["book.written_work.author"]["example"] == "Alpha was written by Beta."
    assert not rows["book.written_work.author"]["fallback"]
    assert rows["shop.shelfMark [x]"]["example"] == 'The entry for Alpha lists Beta under "shelf mark x".'
    assert rows["P999"]["example"] == "Alpha is related to Beta."
    assert rows["P999"]["inverse"] == "Beta is related to Alpha."
    assert rows["P999"]["fallback"]


def test_coverage_as_a_table(uri: str) -> None:
    said = coverage("--graph", uri, "--pack", "generic")
    assert said.exit_code == 0, said.output
    assert "Pack generic" in said.stdout
    assert "shop.shelfMark [x]" in said.stdout
    assert "fallback" in said.stdout
    assert "0.0% of 5 triples have sentences of their own" in said.stdout


def test_coverage_without_a_graph() -> None:
    said = coverage("--graph", "embedded:nowhere")
    assert said.exit_code != 0
    assert said.stdout == ""
    assert said.stderr.splitlines()[-1].startswith("error: ")
    assert "nowhere" in said.stderr
    assert not Path("nowhere").exists()


def test_the_example_pack_on_a_graph(uri: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", EXAMPLE, uri, "Emma"], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "„Emma“ ist ein Buch von Jane Austen." in done.stdout
    assert "Das Genre von Emma ist novel." in done.stdout
