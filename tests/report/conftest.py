"""Two runs on hostile names, evaluated in one table, and the report about them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from worlds.hostile_names import ATTACKS, RUN, write_hostile_world
from worlds.marks import needs
from worlds.ring import load_graph, settings

from kptoolkit import evaluate_runs, fit, load
from kptoolkit.runs.run import Run


@pytest.fixture(scope="session")
@needs("embedded", "slow")
def hostile_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of two runs; the second is a copy of the first with another id. Their graph is elsewhere, in ``away``."""
    folder = tmp_path_factory.mktemp("report")
    world = write_hostile_world(folder / "data PWNdata <i>")
    uri = load_graph(world, folder / "kg")
    config = settings(world, uri, folder / "cache", model__backend="sequence")
    first = fit(config, run=folder / "runs" / RUN).folder
    second = Path(shutil.copytree(first, first.with_name("second PWNrun")))
    for path in (first, second):
        manifest = json.loads((path / "manifest.json").read_text())
        manifest["started"] += 86400 * (path == second)
        manifest["reports"]["knowledge"]["pack"] = f"PWNpack {ATTACKS[1]}"
        manifest["machine"]["processor"] = f"PWNmachine {ATTACKS[3]}"
        (path / "manifest.json").write_text(json.dumps(manifest))
    evaluate_runs([load(path) for path in (first, second)])
    (folder / "kg").rename(folder / "away")
    return [first, second]


@pytest.fixture
def runs(hostile_runs: list[Path]) -> list[Run]:
    """The runs, opened."""
    return [load(path) for path in hostile_runs]
