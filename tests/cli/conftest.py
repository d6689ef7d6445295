"""A small world, its embedded graph, and a run that ``kptool fit`` made on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds.command import Done, kptool, sets
from worlds.ring import load_graph, write_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the world's files."""
    return write_world(tmp_path_factory.mktemp("commands") / "data")


@pytest.fixture(scope="session")
def graph(world: Path) -> str:
    """URI of its graph."""
    return load_graph(world, world.parent / "kg")


@pytest.fixture(scope="session")
def inputs(world: Path, graph: str) -> list[str]:
    """Options that name data, graph and a short training."""
    cache = world.parent / "cache"
    return ["--data", str(world), "--graph", graph, *sets(**{"graph.cache": cache, "prompts.cache": cache / "prompts"})]


@pytest.fixture(scope="session")
def fitted(world: Path, inputs: list[str]) -> tuple[Path, Done]:
    """Folder of the run, and what fit said."""
    folder = world.parent / "run"
    return folder, kptool("fit", *inputs, "--run", folder, "--json")


@pytest.fixture(scope="session")
def run(fitted: tuple[Path, Done]) -> Path:
    """Folder of the run."""
    folder, done = fitted
    assert done.returncode == 0, done.stderr
    return folder
