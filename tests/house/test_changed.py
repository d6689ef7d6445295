"""Which tests `make changed` runs."""

from __future__ import annotations

import pytest
from changed import changed_files, folders_to_test
from source_tree import CHECKOUT


@pytest.mark.parametrize(
    ("file", "run", "left_out"),
    [
        ("kptoolkit/graph/bolt.py", {"graph", "prompts", "tree", "models", "cli", "house"}, set[str]()),
        ("kptoolkit/models/training.py", {"models", "evaluation", "cli"}, {"graph", "tree"}),
        ("kptoolkit/cli/tree.py", {"cli", "house"}, {"graph", "models", "pipeline"}),
        ("templates/movies/mpp.yaml", {"prompts", "tree"}, {"graph"}),
        ("cypher/items.cypher", {"graph", "cli"}, set[str]()),
        ("tests/tree/test_selection.py", {"tree"}, {"cli", "house"}),
        ("README.md", {"house"}, {"graph", "models"}),
    ],
)
def test_a_layer_and_those_above_it(file: str, run: set[str], left_out: set[str]) -> None:
    found = set(folders_to_test([file]))
    assert {f"tests/{name}" for name in run} <= found
    assert not {f"tests/{name}" for name in left_out} & found
    assert all((CHECKOUT / folder).is_dir() for folder in found)


@pytest.mark.parametrize(
    "file", ["kptoolkit/errors.py", "kptoolkit/__init__.py", "pyproject.toml", "tests/conftest.py"]
)
def test_what_everything_uses(file: str) -> None:
    assert folders_to_test([file]) == ["tests"]


def test_nothing_changed() -> None:
    assert folders_to_test([]) == []


@pytest.mark.process
def test_git_is_asked() -> None:
    assert isinstance(changed_files("HEAD"), list)
