"""Studies whose trainings start from the weights of others, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kptoolkit import pipeline
from kptoolkit.config import Config
from kptoolkit.errors import TrainingError
from kptoolkit.knowledge.prepare import Prepared, prepare
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_inputs import inputs_of
from kptoolkit.storage.arrays import read_arrays
from kptoolkit.studies import Arm, Study, run_study
from kptoolkit.studies.changes.items import half_of_items, linked
from kptoolkit.studies.changes.packs import mpps
from kptoolkit.studies.changes.triples import corrupted
from kptoolkit.studies.engine.run_study import Cell
from kptoolkit.studies.engine.stored_triples import Triples
from kptoolkit.studies.engine.study_definition import START
from kptoolkit.studies.measures.added_triples import weight_of_added
from kptoolkit.studies.measures.structure import structure
from kptoolkit.studies.measures.template_gap import template_gap

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
_SHORT: dict[str, Any] = {"training.epochs": 2, "training.eval_every": 1, "tree.hops": 1}


def everything(run: Run, added: Triples) -> dict[str, float]:
    """All shipped measures."""
    return {**weight_of_added(run, added), **structure(run, added), **template_gap(run, added)}


FIRST = Arm("rising", 2.0, change=mpps(1))
STAGES = Study(
    "stages",
    question="Does it matter when wrong triples come?",
    axis="epochs",
    arms=(FIRST, Arm("rising", 4.0, change=corrupted(0.7), start=FIRST)),
    settings={**_SHORT, "model.tokens": "subword"},
    measure=everything,
)
OTHERS = Arm("", "others", change=half_of_items(1))
HALVES = Study(
    "halves",
    question="Does it rank items that it was never trained on?",
    axis="trained on",
    arms=(
        Arm("", "these", change=half_of_items(0)),
        Arm("", "those", {"training.epochs": 0}, change=half_of_items(0), start=OTHERS),
        Arm("", "another run", {"training.epochs": 0, "training.start_from": START}, change=half_of_items(0)),
    ),
    backends=("sequence",),
    settings={**_SHORT, "model.identity": False},
)


@pytest.mark.long
def test_a_stage_starts_from_the_one_before(configure: Callable[..., Config], tmp_path: Path) -> None:
    result = run_study(STAGES, configure(), output=tmp_path / "s", mode="quick")
    assert [each.figures["epochs"] for each in result.trained] == [2, 2]
    first, second = (each.figures for each in result.trained)
    assert first["added triples read"] == 0
    assert "weight of added triples" not in first
    assert 0 < second["added triples read"] < 1
    assert second["weight of added triples"] > 0
    for figures in (first, second):
        assert figures["gap"] == pytest.approx(figures["training templates"] - figures["held-out templates"])
        assert figures["items with triples"] > 0
        assert figures["peak memory, MiB"] > 100
    _check_added(Run.load(tmp_path / "s" / "runs" / "kp4sr-rising-4-2308"), second)
    again = run_study(STAGES, configure(), output=tmp_path / "s", mode="quick", keep_runs=False)
    assert not (tmp_path / "s" / "runs").exists()
    assert again.to_json() == result.to_json()
    assert Cell("kp4sr", FIRST, 1).starts(Cell("kp4sr", STAGES.arms[1], 1))
    assert not Cell("kp4sr", FIRST, 1).starts(Cell("kp4sr", STAGES.arms[1], 2))


@pytest.mark.long
def test_a_training_on_other_items_is_not_ranked_itself(configure: Callable[..., Config], tmp_path: Path) -> None:
    result = run_study(HALVES, configure(), output=tmp_path / "s", mode="quick")
    assert [row.label for row in result.rows] == ["these", "those"]
    assert [each.figures["epochs"] for each in result.trained] == [2, 0]
    runs = {name: Run.load(tmp_path / "s" / "runs" / f"sequence-{name}-2308") for name in ("these", "those", "others")}
    items = {name: set(run.catalogue.item_ids.tolist()) for name, run in runs.items()}
    assert items["these"] == items["those"]
    assert not items["these"] & items["others"]
    for run in runs.values():
        assert run.catalogue.item_ids.tolist() == run.interactions.item_ids.tolist()
        inputs = inputs_of(run, run.config)
        found = inputs.knowledge.neighbourhoods
        asked = [found.ids[root] if root >= 0 else None for root in found.roots]
        assert [a for a in asked if a is not None] == [
            entity for entity, a in zip(run.catalogue.entity_ids, asked, strict=True) if a is not None
        ]
    # A run of another study takes part where the settings start from it.
    config = configure(training__start_from=runs["others"].folder)
    result = run_study(HALVES, config, output=tmp_path / "t", mode="quick")
    assert [row.label for row in result.rows] == ["these", "those", "another run"]
    ranks = [each.ranks["alone"] for each in result.trained]
    np.testing.assert_array_equal(ranks[1], ranks[2])


@pytest.mark.long
def test_an_interrupted_training_with_changed_events_resumes(
    configure: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(model__backend="sequence", **{key.replace(".", "__"): value for key, value in _SHORT.items()})

    def change(prepared: Prepared) -> Prepared:
        return half_of_items(0)(prepared, 0)

    def fail(*_: object) -> None:
        raise TrainingError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr("kptoolkit.pipeline.fit_parts", fail)
        with pytest.raises(TrainingError, match="stopped"):
            pipeline.fit(config, run=tmp_path / "run", change=change)
    run = pipeline.fit(config, run=tmp_path / "run", change=change, resume=True)
    assert len(run.catalogue) == run.interactions.n_items < 20


def _check_added(run: Run, figures: Mapping[str, float]) -> None:
    """Measuring leaves the model as it was, and finds the triples that the change has added."""
    kept = read_arrays(run.folder.parents[1] / "notes" / run.folder.name)[0]
    added = Triples(**kept)
    assert len(added) > 0
    before = run.backend.score(run.split.test)
    assert weight_of_added(run, added) == {name: figures[name] for name in weight_of_added(run, added)}
    np.testing.assert_array_equal(run.backend.score(run.split.test), before)
    assert figures["added triples read"] == pytest.approx(_read(run, added))


def _read(run: Run, added: Triples) -> float:
    """Share of the triplets of the items that state an added triple, one by one."""
    source = inputs_of(run, run.config).knowledge
    trees, found = source.trees(0), source.neighbourhoods
    new = {
        (found.ids[head], found.relations[relation], found.ids[tail])
        for head, relation, tail in zip(added.head, added.relation, added.tail, strict=True)
    }
    read = [found.triple(int(source.pool.keys.row[prompt])) in new for prompt in trees.prompt]
    return sum(read) / len(read)


def test_a_share_of_the_links_stays(configure: Callable[..., Config]) -> None:
    inputs = prepare(configure())
    linked_items = int((inputs.knowledge.neighbourhoods.roots >= 0).sum())
    for share in (0, 0.5, 1):
        roots = linked(share)(inputs, 3).knowledge.neighbourhoods.roots
        assert (roots >= 0).sum() == round(share * linked_items)
