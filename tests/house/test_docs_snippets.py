"""Python blocks of the documentation that are marked to run do run, and print what the page says they print.

A block is marked by ``<!-- run -->`` on the line before it. A ``text`` block that follows is its output.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from source_tree import CHECKOUT
from worlds import command

from kptoolkit.resources import demo_data_dir

#: ``test_readme.py`` runs the blocks of the README.
PAGES = [CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
MARKED = re.compile(r"^<!-- run -->\n```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def snippets(text: str) -> list[tuple[str, str | None]]:
    """Code and expected output of the marked blocks of a page; ``None`` where no output is shown."""
    return [(code, output or None) for code, output in MARKED.findall(text)]


def run(blocks: list[tuple[str, str | None]]) -> list[str]:
    """What each block prints; later blocks of a page know the names of earlier ones."""
    names: dict[str, object] = {"__name__": "docs"}
    printed = []
    for code, _ in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "<docs>", "exec"), names)
        printed.append(out.getvalue())
    return printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_marked_blocks_print_what_the_page_shows(page: Path) -> None:
    blocks = snippets(page.read_text(encoding="utf-8"))
    for (_, expected), printed in zip(blocks, run(blocks), strict=True):
        if expected is not None:
            assert printed == expected


def test_no_mark_is_lost() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    marks = [line for text in texts for line in text.splitlines() if line == "<!-- run -->"]
    assert sum(len(snippets(text)) for text in texts) == len(marks) > 0


def test_a_wrong_output_would_be_seen() -> None:
    blocks = snippets("<!-- run -->\n```python\nx = 2\nprint(x)\n```\n\n```text\n3\n```\n")
    assert [expected for _, expected in blocks] == ["3\n"]
    assert run(blocks) == ["2\n"]


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_getting_started_shows_the_prompts_and_the_tree_of_the_bundled_set() -> None:
    page = (CHECKOUT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    kptool("load-kg", str(demo_data_dir()))
    for line in (
        'render-prompts --item Emma --item "Oliver Twist" --degree 2',
        "tree --item Emma --degree 2",
    ):
        assert f"kptool {line}\n" in page
        assert f"```text\n{kptool(*shlex.split(line))}```" in page


def kptool(*words: str) -> str:
    """What a command prints on standard output."""
    done = command.kptool(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout
