"""A small world on disk, its graph, and a run trained on it once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds.ring import PASSWORD, load_graph, settings, write_world

from kptoolkit import pipeline
from kptoolkit.config import Config
from kptoolkit.runs.run import Run


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the world's files."""
    return write_world(tmp_path_factory.mktemp("world") / "data")


@pytest.fixture(scope="session")
def configure(world: Path) -> Callable[..., Config]:
    """Settings for the world and its graph, with changes."""
    uri = load_graph(world, world.parent / "kg")

    def make(**changes: Any) -> Config:
        return settings(world, uri, world.parent / "cache", **changes)

    return make


@pytest.fixture(scope="session")
def trained(configure: Callable[..., Config], world: Path) -> Path:
    """Folder of a finished run; its settings held a password. The graph it was trained on is gone."""
    lost = world.parent / "lost"
    shutil.copytree(world.parent / "kg", lost)
    config = configure(graph__uri=f"embedded:{lost}", graph__password=PASSWORD)
    folder = pipeline.fit(config, run=world.parent / "run").folder
    shutil.rmtree(lost)
    shutil.rmtree(config.graph.cache)
    return folder


@pytest.fixture
def run(trained: Path) -> Run:
    """The finished run; what a test writes into it, later tests see."""
    return Run.load(trained)


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoiled."""
    return Path(shutil.copytree(trained, tmp_path / "own"))
