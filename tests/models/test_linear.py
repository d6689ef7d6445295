"""The backend `linear`: conformance suite, the regression without one user, what it reads of the graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.extended import extended

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import DataError, RunError
from kptoolkit.evaluation import Popularity
from kptoolkit.evaluation.controls import without_knowledge
from kptoolkit.models.linear import window_ridge
from kptoolkit.models.linear.dense_inverse import inverse_of
from kptoolkit.models.linear.linear_backend import LinearBackend, LinearOptions
from kptoolkit.models.linear.linear_state import GRAPH
from kptoolkit.models.linear.window_ridge import RidgeFit, RidgeSettings
from kptoolkit.testing.backend_suite import BackendSuite
from kptoolkit.testing.small_worlds import ITEMS, chain_task

N = 7
HISTORIES = st.lists(st.lists(st.integers(0, N - 1), max_size=12), min_size=2, max_size=6)
SETTINGS = RidgeSettings(window=4, decay=0.7, regularization=2.0, damped=False, max_items=100)


class TestLinear(BackendSuite):
    backend = LinearBackend
    options: ClassVar[dict[str, Any]] = {"ridge": 1.0}


# -- the regression -----------------------------------------------------------------------------------------------


def window_of(history: list[int], settings: RidgeSettings) -> np.ndarray:
    row = np.zeros(N + 1)
    row[N] = 1
    for age, item in enumerate(reversed(history[-settings.window :])):
        row[item] += settings.decay**age
    return row


def slow_scores(train: list[list[int]], asked: list[list[int]], settings: RidgeSettings) -> np.ndarray:
    """Scores of the regression, written out from its definition."""
    gram, cross = settings.regularization * np.eye(N + 1), np.zeros((N + 1, N))
    for history in train:
        weight = 1 / np.log(1 + len(history)) if settings.damped and history else 1.0
        for place in range(1, len(history)):
            row = window_of(history[:place], settings)
            gram += weight * np.outer(row, row)
            cross[:, history[place]] += weight * row
    features = np.stack([window_of(history, settings) for history in asked])
    return np.asarray(features @ np.linalg.solve(gram, cross))


@given(HISTORIES, HISTORIES, st.booleans(), st.integers(1, 30), st.sampled_from([0.0, 2.0]))
def test_the_regression_is_its_formula(
    train: list[list[int]], asked: list[list[int]], damped: bool, at_once: int, sparse: float
) -> None:
    settings = replace(SETTINGS, damped=damped)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_ridge, "SAMPLES_AT_ONCE", at_once)
        patch.setattr(window_ridge, "SPARSE", sparse)
        found = RidgeFit.of(Histories.of(train), N, settings).ridge.score(Cases.of(Histories.of(asked)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_scores(train, asked, settings), rtol=1e-3, atol=1e-5)


@given(HISTORIES, st.integers(0, 5), st.booleans())
def test_estimates_without_the_own_user_are_those_of_a_regression_without_it(
    train: list[list[int]], user: int, damped: bool
) -> None:
    """Also for a user who alone has an item, and for every place of the history."""
    user, settings = user % len(train), replace(SETTINGS, damped=damped)
    history = train[user]
    if len(history) < 2:
        return
    beginnings = [history[:place] for place in range(1, len(history))]
    cases = Cases.of(
        Histories.of(beginnings), np.array(history[1:], np.int32), np.full(len(beginnings), user, np.int32)
    )
    others = [[] if number == user else events for number, events in enumerate(train)]
    found = RidgeFit.of(Histories.of(train), N, settings).without_own(cases)
    np.testing.assert_allclose(found, slow_scores(others, beginnings, settings), rtol=1e-3, atol=1e-5)


def test_only_the_most_frequent_items_are_in_the_regression() -> None:
    train = Histories.of([[0, 1, 2], [1, 2], [2, 1], [3, 1]])
    fit = RidgeFit.of(train, 5, replace(SETTINGS, max_items=2))
    assert fit.ridge.items.tolist() == [1, 2]
    scores = fit.ridge.score(Cases.of(Histories.of([[1], [0], [4]])))
    assert not scores[:, [0, 3, 4]].any()
    assert scores[0, 2] > scores[1, 2]
    np.testing.assert_array_equal(scores[1], scores[2])
    own = fit.without_own(Cases.of(Histories.of([[0, 1]]), np.array([2], np.int32), np.array([0], np.int32)))
    without = RidgeFit.of(Histories.of([[], [1, 2], [2, 1], [3, 1]]), 5, replace(SETTINGS, max_items=2))
    np.testing.assert_allclose(own, without.ridge.score(Cases.of(Histories.of([[0, 1]]))), rtol=1e-4, atol=1e-6)


def test_the_inverse_of_a_singular_matrix_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        inverse_of(np.ones((3, 3), dtype=np.float32), 0.0)


# -- the backend --------------------------------------------------------------------------------------------------


def fitted(folder: Path, **options: Any) -> tuple[LinearBackend, Any]:
    task = chain_task(folder)
    backend = LinearBackend(LinearOptions(**options))
    backend.fit(task)
    return backend, task


def test_it_beats_popularity_where_the_next_item_follows(tmp_path: Path) -> None:
    backend, task = fitted(tmp_path, ridge=1.0)
    popular = Popularity().fit(task.split.train, ITEMS)
    assert task.validate(backend.score)["NDCG@10"] > 0.9
    assert task.validate(popular.score)["NDCG@10"] < 0.5


def test_fitting_reads_training_histories_alone(tmp_path: Path) -> None:
    """Other validation and test cases change no score."""
    task = chain_task(tmp_path)
    valid, test = (
        replace(cases, targets=((cases.targets + 5) % ITEMS).astype(np.int32))
        for cases in (task.split.valid, task.split.test)
    )
    backend, again = LinearBackend(LinearOptions()), LinearBackend(LinearOptions())
    backend.fit(task)
    again.fit(replace(task, split=replace(task.split, valid=valid, test=test)))
    np.testing.assert_array_equal(again.score(task.split.test), backend.score(task.split.test))


def test_a_changed_triple_changes_a_score(tmp_path: Path) -> None:
    backend, task = fitted(tmp_path)
    before = backend.score(task.split.test)
    trees = backend.fitted.knowledge.trees
    lost = np.arange(*trees.indptr[:2])  # the triples of item 0

    def without_item_0(all_trees: Any) -> Any:
        return all_trees.where(~np.isin(np.arange(len(all_trees.prompt)), lost))

    backend.use_trees(without_item_0)
    after = backend.score(task.split.test)
    changed = np.flatnonzero(np.abs(after - before).max(axis=0) > 1e-6)
    assert 0 in changed
    backend.use_trees(lambda _: trees)
    np.testing.assert_allclose(backend.score(task.split.test), before, rtol=1e-5)


def test_without_knowledge_only_the_regression_is_left(tmp_path: Path) -> None:
    backend, task = fitted(tmp_path)
    assert backend.fitted.terms.pairs[GRAPH].scale > 0
    backend.use_trees(without_knowledge)
    reliance = backend.score(task.split.test)
    control = LinearBackend(LinearOptions())
    control.fit(replace(task, knowledge_change=without_knowledge))
    assert GRAPH not in control.fitted.terms.pairs
    weight = backend.fitted.terms.backend / control.fitted.terms.backend
    np.testing.assert_allclose(reliance, weight * control.score(task.split.test), rtol=1e-4)


def test_a_new_item_is_scored_by_the_graph(tmp_path: Path) -> None:
    """Its facts are those of item 12: the author, and the next item of the series."""
    backend, task = fitted(tmp_path)
    asked = Cases.of(Histories.of([[8, 13], [1, 2]]))
    old = backend.score(asked)
    backend.extend(*extended(task, 12))
    scores = backend.score(asked)
    assert scores.shape == (2, ITEMS + 1)
    assert scores[0, ITEMS] > scores[1, ITEMS]
    assert scores[0, ITEMS] > np.median(scores[0])
    assert np.corrcoef(scores[0, :ITEMS], old[0])[0, 1] > 0.9, "the others keep their places"
    (tmp_path / "saved").mkdir()
    backend.save(tmp_path / "saved")
    np.testing.assert_array_equal(LinearBackend.load(tmp_path / "saved", LinearOptions()).score(asked), scores)


def test_a_loaded_backend_can_change_its_knowledge(tmp_path: Path) -> None:
    backend, task = fitted(tmp_path)
    (tmp_path / "saved").mkdir()
    backend.save(tmp_path / "saved")
    loaded = LinearBackend.load(tmp_path / "saved", LinearOptions())
    np.testing.assert_array_equal(loaded.score(task.split.test), backend.score(task.split.test))
    for each in (backend, loaded):
        each.use_trees(lambda trees: trees.shuffled(1))
    np.testing.assert_array_equal(loaded.score(task.split.test), backend.score(task.split.test))
    (tmp_path / "saved" / "ridge" / "matrix.npy").write_bytes(b"no matrix")
    with pytest.raises(RunError, match="holds no linear run"):
        LinearBackend.load(tmp_path / "saved", LinearOptions())


def test_scores_without_a_triplet_are_those_of_trees_without_it(tmp_path: Path) -> None:
    backend, task = fitted(tmp_path)
    case, candidates = task.split.test.take(np.array([3])), np.array([2, 9, ITEMS - 1])
    found = backend.triplets(case, candidates)
    trees = backend.fitted.knowledge.trees
    removed = np.eye(len(found), dtype=bool)
    scores = backend.score_without(case, candidates, found, removed)
    assert len(found) > 5
    for variant, row in enumerate(found.row):
        backend._fitted = backend.fitted.with_trees(trees.where(np.arange(len(trees.prompt)) != row))
        np.testing.assert_allclose(scores[variant], backend.score(case)[0, candidates], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_fitted_or_read() -> None:
    backend = LinearBackend(LinearOptions())
    with pytest.raises(RunError, match="not fitted"):
        backend.score(Cases.of(Histories.of([[0]])))


def test_users_with_one_event_are_refused(tmp_path: Path) -> None:
    task = chain_task(tmp_path)
    short = replace(task, split=replace(task.split, train=task.split.train.latest(1)))
    with pytest.raises(DataError, match="no user has 2 training events"):
        LinearBackend(LinearOptions()).fit(short)
