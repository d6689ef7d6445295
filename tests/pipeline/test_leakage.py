"""What is held out for test never reaches a prompt, a count or a weight."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from worlds.marks import needs
from worlds.ring import load_graph, settings, write_world

from kptoolkit import pipeline
from kptoolkit.config import ModelConfig
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS

FOLDERS = ("backend", "parts", "pack")


def with_other_targets(world: Path) -> None:
    """Give every user another test event: an item outside the history that the ring would not lead to."""
    path = world / "ring.inter"
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    events = defaultdict(list)
    for line in lines:
        user, item, time = line.split("\t")
        events[user].append((float(time), item))
    rows = [header]
    for number, (user, seen) in enumerate(sorted(events.items())):
        *earlier, (last, target) = sorted(seen)
        free = sorted({f"i{item:02d}" for item in range(ITEMS)} - {item for _, item in seen} - {target})
        earlier.append((last, free[number % len(free)]))
        rows += [f"{user}\t{item}\t{time}" for time, item in earlier]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
@needs("embedded")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    """The ring, and the ring with other test events: files, and a graph into which all events were loaded too."""
    folder = tmp_path_factory.mktemp("leakage")
    given, changed = (write_world(folder / name) for name in ("given", "changed"))
    with_other_targets(changed)
    return [(world, load_graph(world, folder / f"{world.name}-kg", interactions=True)) for world in (given, changed)]


def content(run: Run) -> dict[str, Any]:
    """What a training computed, by file and name: arrays and weights, and the bytes of all other files."""
    neighbourhoods = run.knowledge_source().neighbourhoods
    found: dict[str, Any] = {"parts": run.recommender.parts.weights, "knowledge": neighbourhoods.content_hash}
    for path in (path for folder in FOLDERS for path in (run.folder / folder).rglob("*")):
        name = str(path.relative_to(run.folder))
        if path.suffix == ".safetensors":
            found |= {f"{name}: {weight}": array for weight, array in load_file(path).items()}
        elif path.suffix == ".npy":
            found[name] = np.load(path)
        elif path.is_file() and name != "parts/index.json":  # checksums of the arrays
            found[name] = path.read_bytes()
    return found


@pytest.mark.train
@pytest.mark.embedded
@pytest.mark.parametrize(
    ("backend", "seed"),
    [
        *(("kp4sr", 1), ("sequence", 1), ("linear", 1)),
        *(pytest.param(name, 2, marks=pytest.mark.long) for name in ("kp4sr", "sequence")),
    ],
)
def test_other_test_events_give_the_same_run(
    worlds: list[tuple[Path, str]], tmp_path: Path, backend: str, seed: int
) -> None:
    """Weights, item indexes, neighbourhoods, counts of the score parts and their weights, item order and popularity."""
    runs = []
    for world, uri in worlds:
        name = world.name
        config = settings(world, uri, tmp_path / f"{name}-cache", training__seed=seed, model__backend=backend)
        if backend == "linear":  # it has no options of a T5
            config = config.model_copy(update={"model": ModelConfig(backend=backend)})
        runs.append(pipeline.fit(config, run=tmp_path / f"{name}-run"))
    first, second = runs
    assert not np.array_equal(first.split.test.targets, second.split.test.targets)
    assert np.array_equal(first.split.train.items, second.split.train.items)
    one, other = content(first), content(second)
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(value, other[name], rtol=1e-3, atol=1e-5, err_msg=name)
        else:
            assert other[name] == (pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, dict) else value), name
    history = [f"i{item:02d}" for item in (3, 4, 5)]
    assert first.recommend(items=history)["item_id"].equals(second.recommend(items=history)["item_id"])
