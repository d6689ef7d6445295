"""The small shop of the documentation can be loaded, trained and asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kptoolkit.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "getting-started.md"


def write_shop(folder: Path) -> list[str]:
    """Write the files of the page's table, one per column; returns their names."""
    (block,) = re.findall(r"```text\n(triples\.csv .*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    header, *rows = block.splitlines()
    starts = [found.start() for found in re.finditer(r"\S+", header)]
    names: list[str] = header.split()
    for name, start, end in zip(names, starts, [*starts[1:], None], strict=True):
        lines = [line for row in rows if (line := row[start:end].strip())]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return names


def answer(*words: str) -> tuple[Any, str]:
    """The result of a command, and what it said."""
    said = CliRunner().invoke(app, [*words, "--json"])
    assert said.exit_code == 0, said.stderr
    return json.loads(said.stdout), said.stderr


@pytest.mark.embedded
def test_the_shop_of_five_files_can_be_trained(tmp_path: Path) -> None:
    assert write_shop(tmp_path) == ["triples.csv", "links.csv", "names.csv", "items.csv", "interactions.csv"]
    files = ["--link", "links.csv", "--names", "names.csv", "--items", "items.csv"]
    loaded, _ = answer("load-kg", "triples.csv", *files)
    assert (loaded["entities"], loaded["entities_created"], loaded["items_created"]) == (6, 6, 5)
    assert loaded["written"]["nodes_created"] == 8, "two items have no entity"
    fitted, said = answer("fit", "--data", ".", "--run", "run", "--set", "training.epochs=1")
    assert fitted["training"]["best_epoch"] == 1
    warned = [line for line in said.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1, "in one line"
    assert "times begin at the same value for nearly every user" in warned[0]
    assert "`kptool data check .`" in warned[0]
    found, _ = answer("recommend", "run", "--user", "ann")
    assert [row["title"] for row in found] == ["Tea Cup"]
    _, said = answer("compile", "--data", ".", "--set", "prompts.pack=movies")
    assert "movies has no sentences for 4 of 4 relations, which use the fallback sentence" in said
    _answers_without_what_it_does_not_need("recommend", "run", "--user", "ann")


def _answers_without_what_it_does_not_need(*words: str) -> None:
    """Most of a command's time is imports; torch and transformers would double it, the others take a tenth each."""
    script = (
        "import sys\nfrom kptoolkit.cli import run\nsys.argv[1:] = sys.argv[2:]\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(sorted({'torch', 'transformers', 'neo4j', 'networkx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "kptool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
