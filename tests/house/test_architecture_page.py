"""The page on architecture names the layers, files and functions that exist."""

from __future__ import annotations

import importlib.util
import re

import pytest
from source_tree import CHECKOUT, LAYERS, PACKAGE

PAGE = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"<!-- steps -->\n(.*?)<!-- end of steps -->", PAGE, re.DOTALL)


def drawn() -> tuple[str, str]:
    """The text of the picture that the script draws, and the one in the file."""
    script = CHECKOUT / "docs" / "draw_layers.py"
    spec = importlib.util.spec_from_file_location("draw_layers", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.picture(), script.with_name("layers.svg").read_text(encoding="utf-8")


def test_the_layers_are_those_of_the_import_test() -> None:
    table = PAGE.partition("<!-- layers -->")[2].partition("<!-- end of layers -->")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[2]) for line in table.splitlines() if re.match(r"\| \d", line)]
    assert [tuple(row) for row in rows] == list(LAYERS)


def test_the_picture_is_what_the_script_draws_and_shows_every_part() -> None:
    picture, file = drawn()
    assert picture == file, "run: python docs/draw_layers.py"
    for row in LAYERS:
        for name in row:
            assert name in picture or name in ("studies", "report", "serve")


@pytest.mark.parametrize("steps", STEPS)
def test_files_and_names_of_the_steps_exist(steps: str) -> None:
    for line in steps.splitlines():
        text = ""
        for word in re.findall(r"`([^`]+)`", line.split("|")[-2] if line.count("|") > 2 else ""):
            if word.endswith(".py"):
                text = (PACKAGE / word).read_text(encoding="utf-8")
            elif text and re.fullmatch(r"\w+", word):
                assert re.search(rf"^\s*(?:def|class) {word}\b", text, re.MULTILINE), (
                    f"{word} is not in its file: {line}"
                )


def test_every_file_named_on_the_page_exists() -> None:
    for path in re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE):
        assert any((root / path).is_file() for root in (PACKAGE, CHECKOUT)), path
