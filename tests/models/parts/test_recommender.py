"""A backend together with score parts."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.pair_worlds import N, counted_kinds, histories_of

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.backend import Backend
from kptoolkit.models.parts.pair_features import AGES
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.parts.score_parts import BACKEND, POPULARITY, PairPart, ScoreParts


class FixedScores:
    """Scores every history with the same random numbers; -inf for the items of the history."""

    def __init__(self, seed: int) -> None:
        self.values = np.random.default_rng(seed).normal(0, 3, N).astype(np.float32)
        self.asked = 0

    def score(self, cases: Cases) -> np.ndarray:
        self.asked += 1
        scores = np.tile(self.values, (len(cases), 1))
        scores[cases.rows, cases.items] = -np.inf
        return scores


def parts_of(lists: list[list[int]], backend: float) -> ScoreParts:
    """A part of all counted kinds, and popularity."""
    train = Histories.of(lists)
    events, kinds = np.bincount(train.items, minlength=N).astype(np.float32), counted_kinds(train)
    part = PairPart.of(0.7, kinds, np.full(len(kinds), 0.1), 0.8 ** np.arange(len(AGES)), events)
    return ScoreParts(backend, 0.2, events, {"counted": part})


@given(histories_of(), histories_of(), st.floats(0.01, 3), st.integers(0, 99))
def test_a_score_is_the_sum_of_its_parts(
    lists: list[list[int]], asked: list[list[int]], weight: float, seed: int
) -> None:
    backend = FixedScores(seed)
    recommender = Recommender(cast(Backend, backend), parts_of(lists, weight))
    cases = Cases.of(Histories.of(asked))
    each, scores = recommender.by_part(cases), recommender.score(cases)
    assert list(each) == [BACKEND, "counted", POPULARITY]
    assert scores.shape == (len(cases), N)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, sum(each.values()), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(each[BACKEND], np.float32(weight) * backend.score(cases), rtol=1e-6)
    outside = np.isfinite(scores)
    added = (scores[outside] - each[BACKEND][outside], recommender.parts.added(cases)[outside])
    np.testing.assert_allclose(*added, rtol=1e-5, atol=1e-5)
    assert not np.isnan(scores).any()


@given(histories_of(), st.integers(0, 99))
def test_without_parts_the_score_is_that_of_the_backend(asked: list[list[int]], seed: int) -> None:
    backend, cases = FixedScores(seed), Cases.of(Histories.of(asked))
    recommender = Recommender(cast(Backend, backend), ScoreParts.none(N))
    np.testing.assert_array_equal(recommender.score(cases), backend.score(cases))
    assert list(recommender.by_part(cases)) == [BACKEND]


def test_a_backend_without_weight_is_not_asked() -> None:
    """So that its infinite scores do not become NaN."""
    backend, cases = FixedScores(0), Cases.of(Histories.of([[0, 1], [2]]))
    parts = parts_of([[0, 1, 2], [2, 3, 4]], 0.0)
    scores = Recommender(cast(Backend, backend), parts).score(cases)
    np.testing.assert_allclose(scores, parts.added(cases), rtol=1e-6)
    assert backend.asked == 0
    assert Recommender(cast(Backend, backend), replace(parts, backend=1.0)).score(cases)[0, 0] == -np.inf


@pytest.mark.parametrize("count", [0, 1, 5])
def test_any_number_of_cases_is_scored(count: int) -> None:
    recommender = Recommender(cast(Backend, FixedScores(1)), parts_of([[0, 1, 2], [2, 3, 4]], 1.0))
    asked = [[0, 1], [2], [], [5, 5, 5], [8]][:count]
    scores = recommender.score(Cases.of(Histories.of(asked)))
    assert scores.shape == (count, N)
    for row, history in enumerate(asked):
        alone = recommender.score(Cases.of(Histories.of([history])))[0]
        np.testing.assert_allclose(scores[row], alone, rtol=1e-6)
