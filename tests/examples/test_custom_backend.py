"""The example backend is a sound backend, and its script does what it should."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from worlds.command import kptool, refused
from worlds.ring import load_graph, write_world

from kptoolkit import fit, load, pipeline
from kptoolkit.config import load_config
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import InputError, RunError
from kptoolkit.testing.backend_suite import BackendSuite
from kptoolkit.testing.small_worlds import ITEMS, chain_task

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_backend" / "markov.py"


def example() -> ModuleType:
    """The script as a module, without running what it does as a script."""
    spec = importlib.util.spec_from_file_location("markov_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["markov_example"] = module
    spec.loader.exec_module(module)
    return module


markov = example()


class TestMarkov(BackendSuite):
    backend = markov.MarkovBackend
    options: ClassVar[dict[str, Any]] = {"smoothing": 0.5}
    learns = True


def test_it_knows_what_followed(tmp_path: Path) -> None:
    backend = markov.MarkovBackend(markov.MarkovOptions())
    with pytest.raises(RunError, match="not fitted"):
        backend.score(Cases.of(Histories.of([[0]])))
    backend.fit(chain_task(tmp_path))
    best = backend.score(Cases.of(Histories.of([[5, 0], [2, 7], [ITEMS - 1]]))).argmax(axis=1)
    assert best.tolist() == [1, 8, 0]


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_the_script_makes_a_run(tmp_path: Path) -> None:
    world = write_world(tmp_path / "data")
    uri = load_graph(world, tmp_path / "kg")
    command: list[str | Path] = [sys.executable, EXAMPLE, world, uri, tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = ast.literal_eval(done.stdout)
    assert said["epochs"] == 1
    assert said["best"]["NDCG@10"] > 0.9, "the next book of the ring is certain"
    run = load(tmp_path / "run")
    assert run.config.model.backend == "markov"
    assert run.manifest.reports["training"] == said
    assert run.recommend(items=["i05"], k=1)["item_id"].tolist() == ["i06"]
    refused(kptool("evaluate", tmp_path / "run"), "no backend 'markov'", "Known: kp4sr, linear, sequence")


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_controls_of_a_backend_that_reads_no_knowledge(tmp_path: Path) -> None:
    """Its score parts read knowledge, and have controls; without them there is nothing to control."""
    world = write_world(tmp_path / "data")
    uri = load_graph(world, tmp_path / "kg")
    settings = load_config(
        overrides={"data.dir": world, "graph.uri": uri, "model.backend": "markov", "evaluation.resamples": 100}
    )
    run = fit(settings, run=tmp_path / "run")
    assert [row.name for row in pipeline.evaluate(run).rows] == ["markov", "markov alone", "popularity", "item-kNN"]
    rows = pipeline.evaluate(run, controls=("no-knowledge",)).rows
    assert [row.name for row in rows][-2:] == ["no-knowledge", "reliance"]
    read = {"graph similarity", "prompts"}
    assert read & set(run.recommender.parts.pairs)
    assert not read & set(pipeline.control(run, "no-knowledge").parts.pairs)
    off = {"parts": settings.parts.model_copy(update={"graph_similarity": False, "prompts": False})}
    bare = fit(settings.model_copy(update=off), run=tmp_path / "bare")
    with pytest.raises(RunError, match="backend 'markov' and its score parts use no knowledge; there are no controls"):
        pipeline.evaluate(bare, controls=("no-knowledge",))
    for asked in (run.recommend, lambda *_, beam: pipeline.evaluate(run, beam=beam)):
        with pytest.raises(InputError, match="backend 'markov' offers no beam search; leave out --beam"):
            asked("u01", beam=True)
    assert np.isfinite(run.recommend("u01")["score"]).all()
