"""Python blocks of the documentation that are marked to run do run, and print what the page says they print.

A block is marked by ``<!-- run -->`` on the line before it. A ``text`` block that follows is its output.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from source_tree import CHECKOUT

PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
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
    assert sum(len(snippets(text)) for text in texts) == sum(text.count("<!-- run -->") for text in texts) > 0


def test_a_wrong_output_would_be_seen() -> None:
    blocks = snippets("<!-- run -->\n```python\nx = 2\nprint(x)\n```\n\n```text\n3\n```\n")
    assert [expected for _, expected in blocks] == ["3\n"]
    assert run(blocks) == ["2\n"]
