"""Controls of a run: all of them in one evaluation, and what knowledge-only does not read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kptoolkit import pipeline
from kptoolkit.config import Config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.errors import RunError
from kptoolkit.evaluation.groups import FEWEST
from kptoolkit.evaluation.table import Evaluation
from kptoolkit.models.parts.score_parts import READ_KNOWLEDGE
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
Configure = Callable[..., Config]
TRAINED = ["no-knowledge", "shuffled-knowledge", "random-sentences", "mask-off", "one-hop"]


@pytest.fixture(scope="module")
def evaluated(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Evaluation]:
    """A run of `kp4sr` with all its controls."""
    run = Run.load(shutil.copytree(trained, tmp_path_factory.mktemp("all") / "run"))
    return run, pipeline.evaluate(run, controls=["all"])


def test_all_controls_that_say_something_are_trained(evaluated: tuple[Run, Evaluation]) -> None:
    run, result = evaluated
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", "no-knowledge", "no-knowledge alone", *TRAINED[1:]]
    assert [row.name for row in result.rows] == [*names, "reliance", "held-out template"]
    assert any(note.startswith("kp4sr alone against no-knowledge alone") for note in result.notes)
    assert any("no control 'knowledge-only': backend 'kp4sr' cannot" in note for note in result.notes)
    assert sorted(path.name for path in (run.folder / "controls").iterdir()) == sorted(TRAINED)
    for name in TRAINED:
        settings = json.loads((run.folder / "controls" / name / "manifest.json").read_text())["settings"]
        other = {key for key, value in settings["model"].items() if run.manifest.settings["model"].get(key) != value}
        assert other == ({"mask"} if name == "mask-off" else set())
        assert settings["parts"] == run.manifest.settings["parts"]


def test_controls_differ_from_the_run_and_from_each_other(evaluated: tuple[Run, Evaluation]) -> None:
    run, _ = evaluated
    scores = {name: pipeline.control(run, name).backend.score(run.split.test) for name in TRAINED}
    scores["run"] = run.backend.score(run.split.test)
    for name, own in scores.items():
        assert all(name == other or not np.allclose(own, theirs, atol=1e-4) for other, theirs in scores.items())


def test_kger_is_noted_for_controls_without_true_triples(evaluated: tuple[Run, Evaluation]) -> None:
    run, result = evaluated
    frame = pd.read_parquet(run.folder / "per-user-test.parquet")
    mrr = {name: (1 / frame[name]).where(frame[name] <= 10, 0).mean() for name in frame.columns[2:]}
    for row in result.rows:
        if row.name in TRAINED[:3]:
            assert row.kger == pytest.approx((mrr["rank: kp4sr"] - mrr[f"rank: {row.name}"]) / mrr["rank: kp4sr"])
        else:
            assert row.kger is None
    (note,) = (note for note in result.notes if note.startswith("KGER"))
    assert all(name in note for name in TRAINED[:3])


def test_groups_are_written_with_every_evaluation(evaluated: tuple[Run, Evaluation], run: Run) -> None:
    own, result = evaluated
    written = json.loads((own.folder / "metrics-test.json").read_text())["groups"]
    assert written == [group.to_json() for group in result.groups]
    frame = pd.read_parquet(own.folder / "per-user-test.parquet")
    ranks = {str(name).removeprefix("rank: "): frame[name] for name in frame.columns[2:]}
    gains = {name: np.where(each <= 10, 1 / np.log2(each + 1), 0) for name, each in ranks.items()}
    linked = frame["target"] != f"i{ITEMS - 1:02d}"
    for name, chosen in (("with triples", linked), ("without triples", ~linked)):
        (group,) = (group for group in written if group["group"] == name)
        assert group["cases"] == chosen.sum()
        for row, figures in group["rows"].items():
            assert figures["NDCG@10"] == pytest.approx(gains[row][chosen].mean())
            known = row != "kp4sr" and group["cases"] >= FEWEST
            assert figures["lead"] == (pytest.approx((gains["kp4sr"] - gains[row])[chosen].mean()) if known else None)
    assert {group["by"]: 0 for group in written}.keys() == {
        "events of the target",
        "length of the history",
        "triples of the target",
    }
    assert sum(group["cases"] for group in written) == 3 * USERS
    assert pipeline.evaluate(run).to_json()["groups"], "also without controls"


def test_knowledge_only_reads_triples_alone(configure: Configure, tmp_path: Path) -> None:
    """The same scores with other titles, and no part that comes of anything but triples."""
    run = pipeline.fit(configure(model__backend="sequence", training__epochs=1), run=tmp_path / "run")
    other = Run.load(shutil.copytree(run.folder, tmp_path / "other"))
    titles = np.array([f"Another Name {row % 5}" for row in range(ITEMS)], dtype=object)
    vars(other)["catalogue"] = Catalogue(run.catalogue.item_ids, titles, run.catalogue.entity_ids)
    one, two = (pipeline.control(each, "knowledge-only") for each in (run, other))
    cases = run.split.test
    assert np.array_equal(one.score(cases), two.score(cases))
    assert one.parts.popularity == 0
    assert set(one.parts.pairs) <= set(READ_KNOWLEDGE)
    assert {"titles", "transitions"} <= set(run.recommender.parts.pairs), "which the run itself has"
    vectors, knowledge = one.backend.fitted.current()  # type: ignore[attr-defined]
    assert vectors.equal(knowledge)
    with pytest.raises(RunError, match="no control 'mask-off': nothing in the run reads a tree mask"):
        pipeline.control(run, "mask-off")
