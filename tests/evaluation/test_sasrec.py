"""SASRec as a baseline: what goes to the other environment and comes back, and what is said where there is none.

The tests marked `slow` need an environment with RecTools: ``make bench-env`` makes one in ``.venv-rectools``, or
``KPTOOL_TEST_RECTOOLS`` names its Python.
"""

from __future__ import annotations

import io
import json
import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit import metrics
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import InputError, TrainingError
from kptoolkit.evaluation import rank_of
from kptoolkit.evaluation.baselines import BASELINES, TuningTask, tuned_baselines
from kptoolkit.evaluation.baselines.sasrec import sasrec_baseline
from kptoolkit.evaluation.baselines.sasrec.rectools_process import RecToolsProcess
from kptoolkit.evaluation.baselines.sasrec.sasrec_baseline import (
    SASRec,
    SASRecSettings,
    SASRecWithFacts,
    frequent_facts,
)
from kptoolkit.evaluation.baselines.sasrec.sasrec_runner import (
    RowHistories,
    Runner,
    padded_sessions,
    quality_of,
    serve,
    slices_of,
)
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.testing.small_worlds import ITEMS, chain_interactions, chain_task

CHECKOUT = Path(__file__).parents[2]
RECTOOLS = Path(os.environ.get("KPTOOL_TEST_RECTOOLS", CHECKOUT / ".venv-rectools" / "bin" / "python"))
real_environment = pytest.mark.skipif(
    not RECTOOLS.is_file(), reason="NO ENVIRONMENT WITH RECTOOLS: nothing is known about SASRec; run `make bench-env`"
)
LISTS = st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=5)


def written(path: Path, histories: list[list[int]], targets: list[int] | None = None) -> RowHistories:
    """Histories in a file, and read from it as the other environment does."""
    made = Histories.of(histories)
    if targets is None:
        np.savez(path, indptr=made.indptr, items=made.items)
    else:
        np.savez(path, indptr=made.indptr, items=made.items, targets=np.array(targets, dtype=np.int32))
    return RowHistories(path)


# -- the program of the other environment -------------------------------------------------------------------------


@given(histories=LISTS, length=st.integers(1, 4))
def test_slices_predict_every_event_but_the_first(
    tmp_path_factory: pytest.TempPathFactory, histories: list[list[int]], length: int
) -> None:
    read = written(tmp_path_factory.mktemp("slices") / "train.npz", histories)
    user, item, place = slices_of(read, length)
    assert (np.bincount(user, minlength=1) <= length + 1).all()
    steps = [(a, b) for a, b, after in zip(item[:-1], item[1:], place[1:], strict=True) if after > 0]
    expected = [pair for history in histories for pair in pairwise(history)]
    assert sorted(map(tuple, np.array(steps).reshape(-1, 2).tolist())) == sorted(expected)


def test_sessions_are_the_latest_known_items(tmp_path: Path) -> None:
    read = written(tmp_path / "cases.npz", [[4, 1, 2, 0], [], [3], [1]])
    numbers = np.array([5, 6, 7, 0, 8])  # item 3 is unknown
    assert padded_sessions(read, numbers, 3).tolist() == [[6, 7, 5], [0, 0, 0], [0, 0, 0], [0, 0, 6]]


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=12, max_size=12), min_size=1, max_size=4),
    st.lists(st.tuples(st.lists(st.integers(0, 5), max_size=4), st.integers(6, 11)), min_size=4, max_size=4),
)
def test_its_metrics_are_those_of_the_evaluation(
    tmp_path_factory: pytest.TempPathFactory, scored: list[list[int]], asked: list[tuple[list[int], int]]
) -> None:
    asked, scores = asked[: len(scored)], np.array(scored, dtype=np.float32)
    histories, targets = [history for history, _ in asked], [target for _, target in asked]
    read = written(tmp_path_factory.mktemp("quality") / "valid.npz", histories, targets)
    expected = metrics.summary(rank_of(scores, np.array(targets), Histories.of(histories)))
    found = quality_of(scores, read)
    assert found == {name: pytest.approx(expected[name]) for name in ("MRR", "NDCG@10")}


def test_every_request_is_answered(tmp_path: Path) -> None:
    written(tmp_path / "train.npz", [[0, 1, 2]])
    written(tmp_path / "valid.npz", [[0, 1, 2]], [3])
    np.savez(tmp_path / "facts.npz", item=np.array([0, 1]), fact=np.array([7, 7]))
    runner, answers = Runner(tmp_path), io.StringIO()
    assert {name: array.tolist() for name, array in runner.facts.items()} == {"item": [0, 1], "fact": [7, 7]}
    requests = [{"do": "encode", "histories": "a", "to": "b"}, {"do": "dance"}]
    serve(runner, io.StringIO("\n".join(map(json.dumps, requests)) + "\nno json\n"), answers)
    first, second, third = map(json.loads, answers.getvalue().splitlines())
    assert first == second == {"error": "ValueError: nothing is trained; send a request to fit first"}
    assert third["error"].startswith("JSONDecodeError")


# -- facts --------------------------------------------------------------------------------------------------------


def test_facts_of_few_items_are_no_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items 0 to 3 have author a, items 0 and 1 also author b; item 4 is not linked."""
    rows = [(f"e{item}", "author", "a", True) for item in range(4)]
    rows += [(f"e{item}", "author", "b", True) for item in range(2)]
    nodes = {name: (name, 1) for name in ("a", "b", *(f"e{item}" for item in range(4)))}
    around = Neighbourhoods.of_rows([*(f"e{item}" for item in range(4)), ""], nodes, rows, hops=1)
    item, fact = frequent_facts(around)
    assert item.tolist() == [0, 1, 2, 3]
    assert len(set(fact.tolist())) == 1
    monkeypatch.setattr(sasrec_baseline, "FEWEST_ITEMS", 2)
    assert sorted(frequent_facts(around)[0].tolist()) == [0, 0, 1, 1, 2, 3]
    monkeypatch.setattr(sasrec_baseline, "MOST_FACTS", 1)
    assert frequent_facts(around)[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="neighbourhoods"):
        frequent_facts(None)


# -- without the environment --------------------------------------------------------------------------------------


def task_with(folder: Path, python: Path | None, minutes: float = 30.0) -> TuningTask:
    world = chain_task(folder)
    return TuningTask.of(world.split, ITEMS, world.knowledge.neighbourhoods, rectools=python, minutes=minutes)


def test_without_an_environment_one_note_says_how_to_get_it(tmp_path: Path) -> None:
    found, notes = tuned_baselines(task_with(tmp_path, None), BASELINES)
    assert [each.name for each in found] == ["popularity", "item-kNN", "sequential rules", "EASE", "content", "blend"]
    (note,) = (note for note in notes if "SASRec" in note)
    for part in ("SASRec and SASRec + KG are left out", "evaluation.rectools is not set", "pip install 'rectools"):
        assert part in note
    missing = tmp_path / "no" / "python"
    (note,) = tuned_baselines(task_with(tmp_path, missing), ["SASRec", "SASRec + KG"])[1][1:]
    assert f"there is no {missing}" in note


@pytest.mark.process
def test_an_environment_without_rectools_is_named(tmp_path: Path) -> None:
    """This environment has none: the process starts, and its answer names the missing module."""
    with pytest.raises(InputError, match=r"SASRec is left out: SASRec failed: ModuleNotFoundError"):
        SASRec.tuned(task_with(tmp_path, Path(sys.executable)))


@pytest.mark.process
def test_what_is_no_python(tmp_path: Path) -> None:
    plain, ends = tmp_path / "plain", tmp_path / "ends"
    plain.write_text("no program", encoding="utf-8")
    ends.write_text("#!/bin/sh\necho wrong place >&2\nexit 3\n", encoding="utf-8")
    ends.chmod(0o700)
    with pytest.raises(InputError, match=r"SASRec is left out: .*plain cannot be started: Permission denied"):
        SASRec.tuned(task_with(tmp_path, plain))
    with pytest.raises(InputError, match=r"SASRec is left out: the process of SASRec ended: wrong place"):
        SASRec.tuned(task_with(tmp_path, ends))


# -- with it ------------------------------------------------------------------------------------------------------


@real_environment
@pytest.mark.slow
def test_sasrec_learns_the_ring_and_facts_change_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sasrec_baseline, "EPOCHS", 15)
    monkeypatch.setattr(SASRec, "STARTS", (SASRecSettings(factors=16), SASRecSettings(factors=16, blocks=2)))
    monkeypatch.setattr(SASRec, "CHANGES", ({"dropout": 0.1},))
    task, found = task_with(tmp_path, RECTOOLS), {}
    test = chain_task(tmp_path).split.test
    for kind in (SASRec, SASRecWithFacts):
        baseline = kind.tuned(task)
        assert baseline.tuning is not None
        assert (baseline.tuning.tried, baseline.tuning.budget) == (3, "3 trainings, 30 minutes")
        assert baseline.tuning.value == pytest.approx(task.value(baseline.score))
        assert baseline.tuning.value > 0.4, "the next item follows from the latest"
        scores = found[kind.name] = baseline.score(test)
        assert scores.shape == (len(test), ITEMS)
        assert np.isfinite(scores).all()
        alone = baseline.score(test.take(np.array([3])))
        np.testing.assert_allclose(alone[0], scores[3], rtol=1e-4, atol=1e-5)
        baseline.process.close()
    assert not np.allclose(found["SASRec"], found["SASRec + KG"])


@real_environment
@pytest.mark.slow
def test_the_budget_of_minutes_ends_the_search(tmp_path: Path) -> None:
    """One training begins, and ends after its first epoch; an item without events gets the lowest score."""
    baseline = SASRec.tuned(task_with(tmp_path, RECTOOLS, minutes=1e-6))
    assert baseline.tuning is not None
    assert baseline.tuning.tried == 1
    baseline.process.close()
    split = chain_task(tmp_path).split
    wider = RecToolsProcess(RECTOOLS, split.train, split.valid, ITEMS + 2)
    with pytest.raises(TrainingError, match="nothing is trained"):
        wider.score(split.test)
    settings = {"model": SASRecSettings(factors=16).arguments, "seed": 1, "epochs": 3, "patience": 3}
    answer = wider.fit(settings | {"metric": "NDCG@10", "max_seconds": 60, "device": "cpu"})
    assert [row["epoch"] for row in answer["curve"]] == [1, 2, 3]
    assert answer["value"] == max(row["NDCG@10"] for row in answer["curve"])
    scores = wider.score(Cases.of(Histories.of([[1, 2], []])))
    assert scores.shape == (2, ITEMS + 2)
    lowest = scores[:, : len(chain_interactions().item_ids)].min(axis=1)
    np.testing.assert_array_equal(scores[:, ITEMS:], np.stack([lowest, lowest], axis=1))
    wider.close()
