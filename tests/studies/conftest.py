"""A small world on disk, and settings of short trainings on its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from worlds.ring import load_graph, settings, write_world

from kptoolkit.config import Config


@pytest.fixture(scope="session")
def configure(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    """Settings for the world and its graph, with changes."""
    world = write_world(tmp_path_factory.mktemp("studies") / "data")
    uri = load_graph(world, world.parent / "kg")

    def make(**changes: Any) -> Config:
        return settings(world, uri, world.parent / "cache", **changes)

    return make
