"""Weights of score parts: the slope of the loss, the fit and its limits, and cross-validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.examples import examples
from worlds.pair_worlds import random_examples, random_weights

from kptoolkit.models.parts.pair_features import AGES
from kptoolkit.models.parts.part_weights import (
    Examples,
    Folds,
    PartWeights,
    _loss_and_slope,
    cross_entropy,
    fit_weights,
    with_sums_as_scores,
    without_parts,
)


def folded(of: Examples, start: PartWeights, folds: int, seed: int, strength: float) -> float:
    """Cross entropy in cross-validation."""
    return float(Folds.fitted(of, start, folds, seed, strength=strength).each(cross_entropy).mean())


def plain_cross_entropy(of: Examples, weights: PartWeights) -> float:
    """By the definition, case by case."""
    cases, width = of.offset.shape
    total = 0.0
    for case in range(cases):
        likely = np.zeros(width)
        for candidate in range(width):
            score = float(of.scores[case, candidate] @ weights.scores)
            for part, features in enumerate(of.pairs.values()):
                sums = features.toarray()[case * width + candidate].reshape(-1, len(AGES))
                factors = np.exp(weights.kinds[part])[:, None] * np.exp(weights.ages[part])
                score += weights.scales[part] * np.log(1 + (sums * factors).sum())
            likely[candidate] = np.exp(score + of.offset[case, candidate])
        total -= np.log(likely[of.target[case]] / likely.sum())
    return float(total / cases)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**16))
def test_the_loss_is_its_definition(seed: int) -> None:
    of, weights = random_examples(seed), random_weights((3, 1), 2, seed)
    assert cross_entropy(of, weights) == pytest.approx(plain_cross_entropy(of, weights), rel=1e-6)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**16))
def test_the_slope_is_that_of_the_loss(seed: int) -> None:
    """Finite differences of every weight: scales, other scores, ages and kinds."""
    of, weights = random_examples(seed), random_weights((3, 1), 2, seed)
    flat, step = weights.flat, 1e-5
    _, slope = _loss_and_slope(flat, of, weights)
    assert len(slope) == len(flat) == 2 + 2 + 2 * len(AGES) + 4
    for number in range(len(flat)):
        away = step * (np.arange(len(flat)) == number)
        up, down = (cross_entropy(of, weights.like(flat + sign * away)) for sign in (1, -1))
        assert slope[number] == pytest.approx((up - down) / (2 * step), abs=1e-6)


@settings(max_examples=examples(20))
@given(st.integers(0, 2**16))
def test_parts_can_be_scores_where_no_weight_inside_them_changes(seed: int) -> None:
    of, weights = random_examples(seed), random_weights((3, 1), 2, seed)
    whole, same = with_sums_as_scores(of, weights)
    assert cross_entropy(whole, same) == pytest.approx(cross_entropy(of, weights), rel=1e-9)
    slope, by_score = _loss_and_slope(weights.flat, of, weights)[1], _loss_and_slope(same.flat, whole, same)[1]
    np.testing.assert_allclose(by_score, slope[: len(by_score)], rtol=1e-6, atol=1e-9)


@given(st.integers(0, 2**16))
def test_weights_are_the_same_after_they_were_made_flat(seed: int) -> None:
    weights = random_weights((3, 1, 2), 2, seed)
    again = weights.like(weights.flat)
    for name in ("scales", "ages", "scores"):
        np.testing.assert_array_equal(getattr(again, name), getattr(weights, name))
    assert [kinds.tolist() for kinds in again.kinds] == [kinds.tolist() for kinds in weights.kinds]


def test_a_fit_starts_from_equal_kinds_and_falling_ages() -> None:
    start = PartWeights.start([4, 1], [1.0, 0.0])
    np.testing.assert_allclose(np.exp(start.kinds[0]), 0.25)
    assert start.kinds[1].tolist() == [0.0]
    assert (np.diff(start.ages, axis=1) <= 0).all()
    assert start.ages[0, 0] == 0
    assert start.scales.tolist() == [1, 1]
    assert start.scores.tolist() == [1, 0]


@settings(max_examples=examples(15))
@given(st.integers(0, 2**16), st.sampled_from(["all", "scales", "scores"]))
def test_a_fit_lowers_the_loss_and_keeps_to_its_limits(seed: int, free: str) -> None:
    """Weights of parts and of all scores but the last stay at least 0; logarithms stay finite."""
    of, start = random_examples(seed), random_weights((3, 1), 2, seed)
    found = fit_weights(of, start, strength=1e-4, free=free)
    assert cross_entropy(of, found) < cross_entropy(of, start)
    assert (found.scales >= 0).all()
    assert found.scores[0] >= 0
    assert np.isfinite(found.flat).all()


@settings(max_examples=examples(15))
@given(st.integers(0, 2**16))
def test_only_what_is_free_changes(seed: int) -> None:
    of, start = random_examples(seed), random_weights((3, 1), 2, seed)
    by_scores, by_scales, by_all = (
        fit_weights(of, start, strength=1e-4, free=free) for free in ("scores", "scales", "all")
    )
    for found in (by_scores, by_scales):
        np.testing.assert_array_equal(found.ages, start.ages)
        np.testing.assert_array_equal(np.concatenate(found.kinds), np.concatenate(start.kinds))
    np.testing.assert_array_equal(by_scores.scales, start.scales)
    assert (by_scores.scores != start.scores).any()
    assert (by_scales.scales != start.scales).any()
    assert (by_all.ages != start.ages).any()
    assert (np.concatenate(by_all.kinds) != np.concatenate(start.kinds)).any()


def test_a_score_against_the_targets_gets_no_weight_except_the_last() -> None:
    """A part and a score that are high for everything but the target, and the last score likewise."""
    others = (np.arange(5) > 0).astype(float)
    features = np.zeros((50, len(AGES)))
    features[:, 0] = np.tile(others, 10)
    pairs = {"part": sp.csr_matrix(features, dtype=np.float32)}
    scores = np.tile(others[None, :, None], (10, 1, 2))
    of = Examples(pairs, scores, np.zeros((10, 5)), np.zeros(10, dtype=np.int64))
    found = fit_weights(of, PartWeights.start([1], [1.0, 0.0]), strength=1e-3)
    assert found.scales.tolist() == [0]
    assert found.scores[0] == 0
    assert found.scores[1] < -1


def test_a_strong_pull_keeps_the_weights() -> None:
    of, start = random_examples(1), random_weights((3, 1), 2, 1)
    weak, strong = (fit_weights(of, start, strength=strength) for strength in (1e-4, 1e4))
    assert np.abs(strong.flat - start.flat).max() < 1e-3 < np.abs(weak.flat - start.flat).max()


def test_more_iterations_lower_the_loss() -> None:
    of, start = random_examples(3), random_weights((3, 1), 2, 3)
    one, many = (cross_entropy(of, fit_weights(of, start, strength=0, iterations=count)) for count in (1, 50))
    assert many < one < cross_entropy(of, start)


def test_the_planted_kind_and_age_get_the_weight() -> None:
    """The target has kind 1 at age group 2; all candidates have the other kind, at other ages, at random."""
    draw, cases, width = np.random.default_rng(0), 200, 5
    values = draw.poisson(0.5, (cases, width, 2, len(AGES))).astype(float)
    values[:, :, 1, 2] = draw.random((cases, width)) < 0.1
    values[:, 0, 1, 2] = 1
    pairs = {"part": sp.csr_matrix(values.reshape(cases * width, -1), dtype=np.float32)}
    of = Examples(pairs, np.zeros((cases, width, 1)), np.zeros((cases, width)), np.zeros(cases, dtype=np.int64))
    start = PartWeights.start([2], [0.0])
    found = fit_weights(of, start, strength=1e-4)
    assert found.pair_weights(0).argmax() == 1 * len(AGES) + 2
    assert cross_entropy(of, found) < 0.5 * cross_entropy(of, start)


def test_folds_measure_no_case_that_they_fit() -> None:
    """Every case has a score of its own that gives its target away, and says nothing about other cases."""
    cases, width = 23, 4
    scores = np.zeros((cases, width, cases + 1))
    scores[np.arange(cases), 0, np.arange(cases)] = 1.0
    of = Examples({}, scores, np.zeros((cases, width)), np.zeros(cases, dtype=np.int64))
    start = PartWeights.start([], [0.0] * (cases + 1))
    assert cross_entropy(of, fit_weights(of, start, strength=1e-6)) < 0.05
    assert folded(of, start, 5, 3, strength=1e-6) == pytest.approx(np.log(width), rel=1e-9)
    assert folded(of, start, cases, 3, strength=1e-6) == pytest.approx(np.log(width), rel=1e-9)


def test_folds_count_every_case_once() -> None:
    """Without iterations of any effect, the folded loss is the loss of all cases; fold sizes may differ."""
    of, start = random_examples(4, cases=13), random_weights((3, 1), 2, 4)
    assert folded(of, start, 5, 0, strength=1e9) == pytest.approx(cross_entropy(of, start), rel=1e-5)
    fitted = cross_entropy(of, fit_weights(of, start, strength=1e-4))
    assert folded(of, start, 5, 0, strength=1e-4) > fitted
    assert folded(of, start, 5, 0, strength=1e-4) == folded(of, start, 5, 0, strength=1e-4)
    assert folded(of, start, 5, 0, strength=1e-4) != folded(of, start, 5, 1, strength=1e-4)


@given(st.lists(st.integers(0, 11), min_size=1, max_size=12))
def test_some_cases_of_examples_keep_their_features(chosen: list[int]) -> None:
    of, weights = random_examples(7), random_weights((3, 1), 2, 7)
    each = [cross_entropy(of.take(np.array([case])), weights) for case in range(len(of))]
    some = of.take(np.array(chosen))
    assert len(some) == len(chosen)
    assert cross_entropy(some, weights) == pytest.approx(np.mean([each[case] for case in chosen]))


def test_without_parts_only_other_scores_count() -> None:
    of, weights = random_examples(8), random_weights((3, 1), 2, 8)
    bare = without_parts(weights)
    np.testing.assert_array_equal(bare.scores, weights.scores)
    nothing = replace(of, pairs={name: features * 0 for name, features in of.pairs.items()})
    assert cross_entropy(of, bare) == pytest.approx(cross_entropy(nothing, weights))
    assert cross_entropy(of, bare) != pytest.approx(cross_entropy(of, weights))
