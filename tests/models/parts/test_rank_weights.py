"""Weights of score parts by the ranks of targets: the measure, its slope, the fit and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.examples import examples
from worlds.pair_worlds import random_examples, random_weights

from kptoolkit.models.parts.part_weights import Examples, PartWeights, candidate_scores, cross_entropy, fit_weights
from kptoolkit.models.parts.rank_weights import calibrated, fit_rank_weights, ndcg, smooth_ndcg


def scored(values: np.ndarray) -> Examples:
    """Cases whose candidates have these scores ``(N, C, E)``; the target is the first."""
    return Examples({}, values, np.zeros(values.shape[:2]), np.zeros(len(values), dtype=np.int64))


def hard_and_easy(cases: int) -> Examples:
    """Cases for which probabilities and ranks want different weights of two scores.

    In every fourth case the first score puts the target far behind all others; in the others it puts it before them.
    The second score is noise that favours targets a little.
    """
    draw = np.random.default_rng(5)
    values = np.zeros((cases, 20, 2))
    values[:, 0, 0] = 1.0
    values[::4, 0, 0] = -2.0
    values[:, :, 1] = draw.normal(0, 1, (cases, 20))
    values[:, 0, 1] += 0.5
    return scored(values)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**16))
def test_the_measure_is_its_definition(seed: int) -> None:
    """Case by case; a candidate that represents 5 items counts as 5, and one that represents none as none."""
    of, weights = random_examples(seed), random_weights((3, 1), 2, seed)
    scores, _, _ = candidate_scores(of, weights)
    total = 0.0
    for case, target in enumerate(of.target):
        others = [
            np.exp(of.offset[case, place]) * (0.5 if scores[case, place] == scores[case, target] else 1.0)
            for place in range(6)
            if place != target and scores[case, place] >= scores[case, target]
        ]
        total += 1 / np.log2(2 + sum(others))
    assert ndcg(of, weights).mean() == pytest.approx(total / len(of))


@settings(max_examples=examples(20))
@given(st.integers(0, 2**16))
def test_the_slope_is_that_of_the_smooth_measure(seed: int) -> None:
    """Finite differences of every weight: scales, other scores, ages and kinds."""
    of, weights = random_examples(seed), random_weights((3, 1), 2, seed)
    flat, step = weights.flat, 1e-5
    _, slope = smooth_ndcg(of, weights)
    for number in range(len(flat)):
        away = step * (np.arange(len(flat)) == number)
        up, down = (smooth_ndcg(of, weights.like(flat + sign * away))[0] for sign in (1, -1))
        assert slope.flat[number] == pytest.approx((up - down) / (2 * step), abs=1e-6)


@settings(max_examples=examples(10))
@given(st.integers(0, 2**16))
def test_with_distant_scores_the_smooth_measure_is_the_measure(seed: int) -> None:
    of, weights = random_examples(seed), random_weights((3, 1), 2, seed)
    distant = replace(weights, scales=weights.scales * 1e5, scores=weights.scores * 1e5)
    assert smooth_ndcg(of, distant)[0] == pytest.approx(ndcg(of, weights).mean(), abs=1e-3)


@settings(max_examples=examples(15))
@given(st.integers(0, 2**16))
def test_a_fit_keeps_to_its_limits(seed: int) -> None:
    """Kinds and ages stay; a weight of 0 stays 0; no weight changes its sign; all are finite."""
    of, start = random_examples(seed), random_weights((3, 1), 2, seed)
    start = replace(start, scales=np.array([0.0, 0.7]), scores=np.array([0.4, -0.3]))
    found = fit_rank_weights(of, start)
    np.testing.assert_array_equal(found.ages, start.ages)
    np.testing.assert_array_equal(np.concatenate(found.kinds), np.concatenate(start.kinds))
    assert found.scales[0] == 0
    assert found.scales[1] >= 0
    assert found.scores[0] >= 0 >= found.scores[1]
    assert np.isfinite(found.flat).all()


def test_ranks_want_less_of_a_score_that_only_helps_lost_cases() -> None:
    of = hard_and_easy(800)
    by_probability = fit_weights(of, PartWeights.start([], [1.0, 1.0]), strength=1e-4)
    by_rank = fit_rank_weights(of, by_probability)
    assert smooth_ndcg(of, by_rank)[0] > smooth_ndcg(of, by_probability)[0] + 0.005
    assert ndcg(of, by_rank).mean() >= ndcg(of, by_probability).mean()
    noise = [found.scores[1] / found.scores[0] for found in (by_probability, by_rank)]
    assert noise[1] < 0.7 * noise[0]


def test_calibrated_weights_have_the_size_with_the_smallest_cross_entropy() -> None:
    of = hard_and_easy(40)
    found = calibrated(of, PartWeights.start([], [9.0, 4.5]))
    best = cross_entropy(of, found)
    assert found.scores[0] == pytest.approx(2 * found.scores[1])
    for factor in (0.8, 1.25):
        other = replace(found, scales=found.scales * factor, scores=found.scores * factor)
        assert cross_entropy(of, other) > best
        assert ndcg(of, other) == pytest.approx(ndcg(of, found))


def test_few_cases_change_the_weights_less_than_many() -> None:
    start = PartWeights.start([], [2.0, 0.5])
    few, many = (fit_rank_weights(hard_and_easy(cases), start) for cases in (8, 800))
    noise = [found.scores[1] / found.scores[0] for found in (few, many)]
    assert noise[1] < 0.7 * noise[0] < 0.7 * 0.3


def test_equal_scores_get_their_mean_rank() -> None:
    of = scored(np.zeros((4, 20, 2)))
    assert ndcg(of, PartWeights.start([], [1.0, 1.0])) == pytest.approx(1 / np.log2(1 + 1 + 19 / 2))


def test_weights_that_are_all_0_stay() -> None:
    of, none = hard_and_easy(20), PartWeights.start([], [0.0, 0.0])
    assert fit_rank_weights(of, none).scores.tolist() == [0.0, 0.0]
