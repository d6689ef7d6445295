"""The tutorial does what it says: its shell blocks are run in order in an empty folder, and print what it shows.

A block is marked by ``<!-- shell -->`` on the line before it; a ``text`` block that follows is its standard output.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from page_blocks import programs, shell
from source_tree import CHECKOUT

from kptoolkit.prompts import TemplatePack

PAGE = CHECKOUT / "docs" / "tutorial.md"
FENCED = re.compile(r"^(<!-- shell -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str | None]]:
    """Each marked block and the output shown for it, ``None`` where none is."""
    found: list[tuple[str, str | None]] = []
    for mark, language, body in FENCED.findall(PAGE.read_text(encoding="utf-8")):
        if mark:
            found.append((body, None))
        elif language == "text":
            found[-1] = (found[-1][0], body)
    return found


def test_no_mark_is_lost() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(blocks()) == text.count("<!-- shell -->") > 10
    assert sum(output is not None for _, output in blocks()) == text.count("```text")
    assert text.count("```bash") == len(blocks())


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    home, folder = programs(tmp_path / "home"), tmp_path / "empty"
    folder.mkdir()
    printed = ""
    for code, expected in blocks():
        printed = shell(code, folder, home)
        if expected is not None:
            assert [line.rstrip() for line in printed.splitlines()] == expected.splitlines(), code
    assert "passed" in printed
    shop = folder / "tea-shop"
    assert TemplatePack.load(shop / "runs" / "tea" / "pack").sentence("A", "tea.grown_in", "B") == "A grows in B."
    assert (shop / "tree.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
