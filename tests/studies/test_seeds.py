"""Several runs: trained over seeds and resumed run by run, evaluated in one table, and averaged to one recommender."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from worlds.ring import NOTICE

from kptoolkit import Ensemble, evaluate_runs, fit_seeds, pipeline
from kptoolkit.config import Config, GraphConfig
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import InputError, RunError
from kptoolkit.evaluation.baselines import Baseline, TuningTask, tuned_baselines
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.evaluation.several import SeveralEvaluation
from kptoolkit.evaluation.significance import holm
from kptoolkit.progress import ProgressEvent
from kptoolkit.runs.run import Run
from kptoolkit.runs.several_runs import SeedsFolder, difference_beyond_seed, expand, other_setting
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
Configure = Callable[..., Config]
SEED = Config().training.seed
SEEDS = (SEED, SEED + 1, SEED + 2)


class Stop(KeyboardInterrupt):
    """Ctrl-C."""


@pytest.fixture(scope="module")
def resumed(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ProgressEvent]]:
    """Folder of three runs, the second of which was interrupted; and what the second call reported."""
    folder = tmp_path_factory.mktemp("several") / "seeds"

    def stop(event: ProgressEvent) -> None:
        if event.stage.startswith(f"seed {SEEDS[1]}") and event.stage.endswith("train") and event.done >= 5:
            raise Stop

    with pytest.raises(Stop):
        fit_seeds(configure(), seeds=3, run=folder, progress=stop)
    status = [json.loads((folder / f"seed-{seed}" / "manifest.json").read_text())["status"] for seed in SEEDS[:2]]
    assert status == ["finished", "training"]
    assert not (folder / f"seed-{SEEDS[2]}").exists()
    assert expand([folder]) == ([folder / f"seed-{SEEDS[0]}"], [folder / f"seed-{SEEDS[1]}"])
    before = (folder / f"seed-{SEEDS[0]}" / "manifest.json").read_bytes()
    events: list[ProgressEvent] = []
    trained = fit_seeds(configure(), seeds=3, run=folder, progress=events.append)
    assert [run.folder for run in trained] == [folder / f"seed-{seed}" for seed in SEEDS]
    assert (folder / f"seed-{SEEDS[0]}" / "manifest.json").read_bytes() == before, "a finished run is kept"
    return folder, events


@pytest.fixture
def runs(resumed: tuple[Path, list[ProgressEvent]]) -> list[Run]:
    """The three runs, opened."""
    return [Run.load(folder) for folder in expand([resumed[0]])[0]]


# -- fit ----------------------------------------------------------------------------------------------------------


def test_the_same_call_keeps_resumes_and_trains(resumed: tuple[Path, list[ProgressEvent]]) -> None:
    _, events = resumed
    train = [event for event in events if not event.note]
    steps = {seed: [e.done for e in train if e.stage == f"seed {seed}: train"] for seed in SEEDS}
    assert not steps[SEEDS[0]], "the first was finished"
    assert steps[SEEDS[1]][0] == 5, "the second continues after its checkpoint"
    assert steps[SEEDS[2]][0] == 1, "the third is new"
    said = [event.stage for event in events]
    assert not [stage for stage in said if "fetch hop" in stage], "all runs have the knowledge of the first"
    assert [stage for stage in said if stage.startswith(f"seed {SEEDS[1]}: knowledge of the unfinished run")]
    assert [stage for stage in said if stage.startswith(f"seed {SEEDS[2]}: neighbourhoods from the cache")]


def stages() -> enumerate[int]:
    return enumerate(SEEDS, 1)


def test_runs_differ_in_their_seed_alone(runs: list[Run]) -> None:
    assert [run.config.training.seed for run in runs] == list(SEEDS)
    assert [other_setting(run.manifest.settings, runs[0].manifest.settings) for run in runs] == [None] * 3
    assert difference_beyond_seed(runs) is None
    scores = [run.score(run.split.test) for run in runs]
    assert not np.allclose(scores[0], scores[1])


def test_a_resumed_run_is_as_if_trained_alone(runs: list[Run], configure: Configure, tmp_path: Path) -> None:
    alone = pipeline.fit(configure(training__seed=SEEDS[1]), run=tmp_path / "alone")
    np.testing.assert_allclose(alone.score(alone.split.test), runs[1].score(runs[1].split.test), atol=1e-4)


def test_folders_that_are_refused(
    resumed: tuple[Path, list[ProgressEvent]], configure: Configure, tmp_path: Path
) -> None:
    folder, _ = resumed
    with pytest.raises(RunError, match="is itself a run"):
        fit_seeds(configure(), seeds=2, run=folder / f"seed-{SEED}")
    with pytest.raises(RunError, match=r"finished run with another training\.epochs"):
        fit_seeds(configure(training__epochs=9), seeds=2, run=folder)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        fit_seeds(configure(), seeds=2, run=tmp_path / "file")
    with pytest.raises(InputError, match="at least one"):
        fit_seeds(configure(), seeds=0, run=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_overwrite_replaces_all_runs(
    resumed: tuple[Path, list[ProgressEvent]], configure: Configure, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(resumed[0], tmp_path / "seeds"))
    (folder / "notes.txt").touch()
    fit_seeds(configure(training__epochs=1), seeds=1, run=folder, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", f"seed-{SEED}"]
    assert Run.load(folder / f"seed-{SEED}").config.training.epochs == 1


def test_overwriting_that_is_interrupted_leaves_no_earlier_run(
    resumed: tuple[Path, list[ProgressEvent]], configure: Configure, tmp_path: Path
) -> None:
    """The same call without `overwrite` must not put new runs next to old ones."""
    folder = Path(shutil.copytree(resumed[0], tmp_path / "seeds"))
    (folder / "metrics-test.json").write_text("{}")
    kept = {path.name for path in folder.iterdir()}

    def stop(at: str, event: ProgressEvent) -> None:
        if event.stage.endswith(at):
            raise Stop

    for at, left in (("(1 of 2)", kept), ("train", {f"seed-{SEED}"})):
        with pytest.raises(Stop):
            fit_seeds(configure(), seeds=2, run=folder, overwrite=True, progress=functools.partial(stop, at))
        assert {path.name for path in folder.iterdir()} == left
    assert not finished(folder)


def finished(folder: Path) -> list[Path]:
    """The finished runs of a folder."""
    return [run.path for run in SeedsFolder(folder).runs() if run.is_finished]


def test_what_a_folder_stands_for(resumed: tuple[Path, list[ProgressEvent]], tmp_path: Path) -> None:
    folder, _ = resumed
    first = folder / f"seed-{SEED}"
    assert expand([folder])[0] == [folder / f"seed-{seed}" for seed in SEEDS]
    assert expand([first, tmp_path]) == ([first, tmp_path], [])
    with pytest.raises(InputError, match="given twice"):
        expand([folder, first])
    (tmp_path / "seed-1").mkdir()
    (tmp_path / "seed-1" / "manifest.json").write_text('{"status": "training"}')
    with pytest.raises(RunError, match="holds no finished run"):
        expand([tmp_path])


# -- evaluate -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluated(
    resumed: tuple[Path, list[ProgressEvent]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SeveralEvaluation, int]:
    """Copy of two of the runs, their table, and how often baselines were tuned."""
    folder = tmp_path_factory.mktemp("table")
    for seed in SEEDS[:2]:
        shutil.copytree(resumed[0] / f"seed-{seed}", folder / f"seed-{seed}")
    tuned: list[TuningTask] = []

    def count(task: TuningTask, names: Sequence[str]) -> tuple[list[Baseline], list[str]]:
        tuned.append(task)
        return tuned_baselines(task, names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "tuned_baselines", count)
        loaded = [Run.load(path) for path in expand([folder])[0]]
        result = evaluate_runs(loaded, controls=["no-knowledge"], baselines=["EASE"], ensemble=True)
    return folder, result, len(tuned)


def gains(ranks: Any) -> Any:
    """NDCG@10 of one target per case."""
    return np.where(ranks <= 10, 1 / np.log2(np.asarray(ranks) + 1), 0.0)


def test_the_table_is_the_mean_of_the_runs(evaluated: tuple[Path, SeveralEvaluation, int]) -> None:
    folder, result, tuned = evaluated
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", "EASE", "no-knowledge", "no-knowledge alone"]
    names += ["reliance", "held-out template", "ensemble of 2 runs"]
    assert [row.name for row in result.rows] == names
    assert tuned == 1, "baselines are tuned once"
    ranks = [pd.read_parquet(folder / f"seed-{seed}" / "per-user-test.parquet") for seed in SEEDS[:2]]
    own = np.mean([gains(frame["rank: kp4sr"]) for frame in ranks], axis=0)
    for row in result.rows[:-1]:
        each = [gains(frame[f"rank: {row.name}"]) for frame in ranks]
        assert row.metrics["NDCG@10"] == pytest.approx(np.mean(each))
        if row.difference is not None:
            assert row.difference == pytest.approx(own.mean() - np.mean(each))
        shared = row.name in ("popularity", "item-kNN", "EASE")
        assert len(row.by_run) == (1 if shared else 2)
        assert (row.spread is None) is shared
    tested = [row for row in result.rows[1:] if not row.identical]
    untested = {row.name for row in result.rows[1:]} - {row.name for row in tested}
    assert untested <= {"no-knowledge", "no-knowledge alone", "reliance", "held-out template"}
    uncorrected = [row.p_uncorrected for row in tested if row.p_uncorrected is not None]
    assert len(uncorrected) == len(tested)
    assert [row.p_value for row in tested] == holm(uncorrected), "over all rows of the table"


def test_the_file_names_what_the_table_was_made_of(evaluated: tuple[Path, SeveralEvaluation, int]) -> None:
    folder, result, _ = evaluated
    written = json.loads((folder / "metrics-test.json").read_text())
    assert written == json.loads(json.dumps(result.to_json()))
    assert [run["seed"] for run in written["runs"]] == list(SEEDS[:2])
    assert [run["id"] for run in written["runs"]] == [Run.load(run["folder"]).manifest.id for run in written["runs"]]
    assert written["fingerprints"].keys() == {"interactions", "catalogue", "split"}
    assert (written["cases"], written["items"], written["split"]) == (USERS, ITEMS, "test")
    assert written["protocol"].endswith(f"seeds {SEEDS[0]}, {SEEDS[1]}")
    assert written["notes"][0] == NOTICE
    assert any(note.startswith("ensemble: ") for note in written["notes"])


def test_groups_are_of_values_averaged_over_the_runs(evaluated: tuple[Path, SeveralEvaluation, int]) -> None:
    folder, result, _ = evaluated
    frames = [pd.read_parquet(folder / f"seed-{seed}" / "per-user-test.parquet") for seed in SEEDS[:2]]
    linked = frames[0]["target"] != f"i{ITEMS - 1:02d}"
    (group,) = (group for group in result.groups if group.group == "with triples")
    assert group.cases == linked.sum()
    assert list(group.rows) == [row.name for row in result.rows]
    means = {
        name: np.mean([gains(frame[f"rank: {name}"][linked]) for frame in frames], axis=0)
        for name in list(group.rows)[:-1]
    }
    for name, mean in means.items():
        assert group.rows[name].value == pytest.approx(mean.mean())
        if name != "kp4sr":
            assert group.rows[name].lead == pytest.approx((means["kp4sr"] - mean).mean())
    assert json.loads((folder / "metrics-test.json").read_text())["groups"] == [
        part.to_json() for part in result.groups
    ]


def test_each_run_keeps_results_of_its_own(evaluated: tuple[Path, SeveralEvaluation, int], tmp_path: Path) -> None:
    folder, result, _ = evaluated
    own = [json.loads((folder / f"seed-{seed}" / "metrics-test.json").read_text()) for seed in SEEDS[:2]]
    for number, single in enumerate(own):
        assert [row["name"] for row in single["rows"]] == [row.name for row in result.rows[:-1]]
        assert single["rows"][0]["metrics"] == result.rows[0].by_run[number]
    again = pipeline.evaluate(
        Run.load(shutil.copytree(folder / f"seed-{SEED}", tmp_path / "run")),
        controls=["no-knowledge"],
        baselines=["EASE"],
    )
    assert json.loads(json.dumps(again.to_json()))["rows"] == own[0]["rows"], "as one run evaluated alone"


def test_output_goes_where_it_is_wanted(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write \S*table\.json: there is no folder"):
        evaluate_runs(runs, split="valid", output=tmp_path / "new" / "table.json")
    (tmp_path / "new").mkdir()
    result = evaluate_runs(runs, split="valid", output=tmp_path / "new" / "table.json")
    assert json.loads((tmp_path / "new" / "table.json").read_text()) == json.loads(json.dumps(result.to_json()))
    assert not (runs[0].folder.parent / "metrics-valid.json").exists()


def with_data(run: Run, **changes: Any) -> Run:
    run.config = run.config.model_copy(update={"data": run.config.data.model_copy(update=changes)})
    return run


def with_interactions(run: Run) -> Run:
    run.manifest.fingerprints["interactions"] = "others"
    return run


def with_catalogue(run: Run) -> Run:
    ids = run.catalogue.item_ids.copy()
    ids[-1] = "new"
    object.__setattr__(run.catalogue, "item_ids", ids)
    return run


def with_backend(run: Run) -> Run:
    run.config = run.config.model_copy(update={"model": run.config.model.model_copy(update={"backend": "sequence"})})
    return run


def with_split(run: Run) -> Run:
    test = run.split.test
    run.split = replace(run.split, test=test.take(slice(1, len(test))))
    return run


MIXTURES: Mapping[str, tuple[Callable[[Run], Run], str]] = {
    "interactions": (with_interactions, "other interactions than"),
    "catalogue": (with_catalogue, "another catalogue than"),
    "times": (with_split, r"another split \(other times of events\)"),
    "split": (lambda run: with_data(run, split="temporal"), r"another split \(data\.split\)"),
    "users": (lambda run: with_data(run, min_events=4), r"another split \(data\.min_events\)"),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_runs_of_other_data_are_refused(name: str, runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    change, says = MIXTURES[name]
    monkeypatch.setattr(pipeline, "rank_cases", pytest.fail)
    mixed = [runs[0], change(runs[1])]
    for refused in (evaluate_runs, Ensemble):
        with pytest.raises(RunError, match=says) as caught:
            refused(mixed)
        assert str(runs[1].folder) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["uri", "username", "database", "cache"])
def test_where_the_graph_is_makes_no_difference(key: str, runs: list[Run]) -> None:
    assert key in GraphConfig.model_fields
    runs[1].manifest.settings["graph"][key] = "elsewhere"
    assert difference_beyond_seed(runs[:2]) is None


def test_runs_of_other_backends_and_other_settings(runs: list[Run]) -> None:
    runs[2].manifest.settings["training"]["epochs"] = 77
    assert difference_beyond_seed(runs) == "training.epochs"
    runs[1].manifest.fingerprints["neighbourhoods"] = "others"
    assert difference_beyond_seed(runs[:2]) == "the knowledge of the graph"
    with pytest.raises(RunError, match="has the backend 'sequence'"):
        evaluate_runs([runs[0], with_backend(runs[1])])


# -- ensembles ----------------------------------------------------------------------------------------------------


def test_an_ensemble_of_one_run_ranks_as_the_run(runs: list[Run]) -> None:
    run, both = runs[0], Ensemble(runs[:1])
    cases = run.split.test
    ranks = [evaluate(score, cases, ITEMS).ranks for score in (run.score, both.score)]
    assert ranks[0].tolist() == ranks[1].tolist()
    assert both.recommend("u01", k=5)["item_id"].tolist() == run.recommend("u01", k=5)["item_id"].tolist()


def test_an_ensemble_scores_by_the_mean_of_standardized_scores(runs: list[Run], tmp_path: Path) -> None:
    both, cases = Ensemble(runs), runs[0].split.test
    parts = [run.score(cases).astype(float) for run in runs]
    expected = sum((p - p.mean(axis=1, keepdims=True)) / p.std(axis=1, keepdims=True) for p in parts) / len(runs)
    np.testing.assert_allclose(both.score(cases), expected, atol=1e-6)
    frame = both.recommend("u01", k=3)
    assert frame.columns.tolist() == runs[0].recommend("u01", k=3).columns.tolist()
    assert both.recommend_all(tmp_path / "all.parquet", k=2) == USERS
    assert pq.read_table(tmp_path / "all.parquet").column_names == ["user_id", "rank", "item_id", "title", "score"]
    newer = both.with_interactions(Interactions.of(["eve"] * 3, ["i01", "i02", "i03"]))
    assert newer.recommend("eve", k=3)["item_id"].tolist() == (
        both.recommend(items=["i01", "i02", "i03"], k=3)["item_id"].tolist()
    )


def test_what_an_ensemble_cannot_do(runs: list[Run]) -> None:
    with pytest.raises(InputError, match="no single model"):
        Ensemble(runs).recommend("u01", beam=True)
    with pytest.raises(InputError, match="at least one run"):
        Ensemble([])
