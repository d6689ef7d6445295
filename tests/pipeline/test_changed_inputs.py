"""A run whose inputs change next to what was made of the earlier ones; and histories other than its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds.marks import needs

from kptoolkit import pipeline, write_back
from kptoolkit.config import Config, ModelConfig
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import InputError
from kptoolkit.graph import Graph
from kptoolkit.runs.ensemble import Ensemble
from kptoolkit.runs.manifest import Manifest
from kptoolkit.runs.run import Run
from kptoolkit.runs.several_runs import require_same_data

Configure = Callable[..., Config]
OTHER = ("transitions", "co_occurrence", "popularity", "titles")
INPUTS = ["neighbourhoods", "interactions", "catalogue", "pack"]


@pytest.fixture(scope="module")
@needs("embedded", "slow")
def quick(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of `linear`, which is trained in a moment, with a control."""
    config = configure().model_copy(update={"model": ModelConfig(backend="linear")})
    config = config.with_parts(**dict.fromkeys(OTHER, False))
    run = pipeline.fit(config, run=tmp_path_factory.mktemp("quick") / "run")
    pipeline.control(run, "no-knowledge")
    return run.folder


@pytest.fixture
def linear(quick: Path, tmp_path: Path) -> Run:
    """A copy of the run, opened."""
    return Run.load(shutil.copytree(quick, tmp_path / "run"))


def test_fit_and_refresh_say_what_a_run_read(linear: Run) -> None:
    assert [*linear.manifest.fingerprints] == ["graph", *INPUTS]
    before = linear.manifest.reports["knowledge"]
    assert before["items_with_events"] > before["items_with_events_and_triples"]
    refreshed = pipeline.refresh(linear)
    assert refreshed.manifest.fingerprints == linear.manifest.fingerprints
    assert refreshed.manifest.reports["knowledge"] == before, "items with events are counted again"


@pytest.mark.parametrize("part", INPUTS)
def test_a_control_of_other_inputs_is_retrained(linear: Run, part: str) -> None:
    """Such as one that another process trained while this run was refreshed."""
    folder = linear.files.control("no-knowledge")
    manifest = folder.path / "manifest.json"
    before = manifest.read_bytes()
    pipeline.control(linear, "no-knowledge")
    assert manifest.read_bytes() == before, "that of the same inputs is only read"
    known = json.loads(before)
    known["fingerprints"][part] = "earlier"
    manifest.write_text(json.dumps(known))
    folder.checkpoints.mkdir(exist_ok=True)
    (folder.checkpoints / "earlier").touch()
    pipeline.control(linear, "no-knowledge")
    after = folder.read_manifest()
    assert after.fingerprints == linear.manifest.fingerprints
    assert after.started > known["started"]
    assert not (folder.checkpoints / "earlier").exists(), "nor is its training resumed"
    folder.verify(after)


def test_the_graph_may_grow_elsewhere() -> None:
    begun = Manifest(fingerprints={"graph": "a", "pack": "b"})
    assert begun.other_input({"graph": "other", "pack": "b", "catalogue": "c"}) is None
    assert begun.other_input({"pack": "other"}) == "another template pack"


def test_runs_of_one_table_keep_titles_of_their_own(linear: Run) -> None:
    first, same, other = (Run.load(linear.folder) for _ in range(3))
    other.catalogue = replace(first.catalogue, titles="New " + first.catalogue.titles)
    require_same_data([first, same, other])
    assert same.catalogue is first.catalogue
    assert list(other.catalogue.titles) == [f"New {title}" for title in first.catalogue.titles]
    assert other.interactions is first.interactions


@pytest.mark.parametrize("split", ["leave-one-out", "temporal"])
def test_an_ensemble_recommends_for_histories_that_no_split_divides(linear: Run, split: str) -> None:
    """One event, and no time."""
    run = Run.load(linear.folder)
    data = linear.config.data.model_copy(update={"split": split})
    run.config = linear.config.model_copy(update={"data": data})
    newer = Interactions.of(["eve"], ["i01"])
    both = Ensemble([linear]).with_interactions(newer)
    vars(both)["config"] = run.config
    expected = run.with_interactions(newer).recommend("eve", k=3)["item_id"].tolist()
    assert both.recommend("eve", k=3)["item_id"].tolist() == expected


def test_what_means_one_run_refuses_an_ensemble(linear: Run) -> None:
    both, before = Ensemble([linear, Run.load(linear.folder)]), sorted(linear.folder.rglob("*"))
    with Graph.open(config=linear.config.graph, create=False) as graph:
        for ask in (
            lambda: write_back(both, graph, both.users[0]),
            lambda: pipeline.refresh(both),
            lambda: pipeline.control(both, "no-knowledge"),
            lambda: pipeline.evaluate(both),
        ):
            with pytest.raises(InputError, match="needs a single run, and this is an ensemble of 2"):
                ask()
    assert sorted(linear.folder.rglob("*")) == before


def test_a_repeated_item_counts_once_as_in_files(linear: Run) -> None:
    """Training has never seen a history in which an item occurs twice."""
    names, once = ["i01", "i02", "i01", "Book 2", "i03"], ["i01", "i02", "i03"]
    case = linear.case_of(items=names)
    read = linear.with_interactions(Interactions.of(["eve"] * len(names), ["i01", "i02", "i01", "i02", "i03"]))
    np.testing.assert_array_equal(case.items, linear.case_of(items=once).items)
    np.testing.assert_array_equal(case.items, read.case_of("eve").items)
    found = [linear.recommend(histories={"eve": history}, k=4) for history in (names, once)]
    assert found[0].equals(found[1])


def test_explain_takes_all_arguments_of_the_function(linear: Run) -> None:
    (entry,) = linear.explain(items=["i04", "i05"], k=1, triplets=1, paths=1)
    assert len(entry.triplets) == 1
