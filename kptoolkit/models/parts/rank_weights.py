"""Weights of score parts, fitted to the ranks of targets after a fit to their probabilities.

Cross entropy asks for good probabilities of all items. A ranking is judged by its first places, so the weights of
parts are fitted a second time to a smooth NDCG without a cut: a candidate counts as ranked before the target by a
sigmoid of the difference of their scores (Qin, Liu and Li 2010, *A general approximation framework for direct
optimization of information retrieval measures*).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logsumexp

from kptoolkit.models.parts.part_weights import (
    Examples,
    PartWeights,
    candidate_scores,
    slope_by_weights,
    with_sums_as_scores,
)

WIDTH: Final = 0.25
"""Width of the sigmoid, in logarithms of odds, which is the unit of scores after the fit by cross entropy."""
_PULL: Final = 3.0  # strength, times the number of cases, with which weights are held at their start
_ITERATIONS: Final = 60
_FACTORS: Final = (-4.0, 4.0)  # bounds of the logarithm of the factor of all scores


def ndcg(examples: Examples, weights: PartWeights) -> NDArray[np.float64]:
    """NDCG of each target, ``(N,)``, without a cut; a candidate counts as many items as it represents, ties by half."""
    scores, _, _ = candidate_scores(examples, weights)
    own = scores[np.arange(len(examples)), examples.target][:, None]
    ranks = 1 + (((scores > own) + 0.5 * (scores == own)) * _others(examples)).sum(axis=1)
    found: NDArray[np.float64] = 1 / np.log2(1 + ranks)
    return found


def fit_rank_weights(examples: Examples, start: PartWeights) -> PartWeights:
    """Find the weights of parts and of other scores with the best smooth NDCG, near those of a fit by cross entropy.

    Kinds and ages inside a part stay as they are. The new scores are no longer logarithms of odds; :func:`calibrated`
    makes them so again.

    Args:
        examples: Cases.
        start: Weights of the fit by cross entropy. One that is 0 stays 0. The fewer cases there are, the nearer the
            others stay, each relative to its own size.
    """
    whole, begin = with_sums_as_scores(examples, start)
    free = begin.scores != 0
    if not free.any():
        return start

    def weights_at(factors: NDArray[np.float64]) -> PartWeights:
        scores = begin.scores.copy()
        scores[free] *= factors
        return replace(begin, scores=scores)

    def loss_and_slope(factors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = smooth_ndcg(whole, weights_at(factors))
        away, hold = factors - 1, _PULL / len(examples)
        return hold / 2 * float(away @ away) - value, hold * away - (slope.scores * begin.scores)[free]

    bounds = [(0.0, np.inf)] * int(free.sum())
    options = {"maxiter": _ITERATIONS}
    found = minimize(loss_and_slope, np.ones(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return start.with_outer(weights_at(found.x).scores)


def smooth_ndcg(examples: Examples, weights: PartWeights) -> tuple[float, PartWeights]:
    """Mean smooth NDCG of the targets, and its slope by all weights."""
    scores, sums, logs = candidate_scores(examples, weights)
    cases = np.arange(len(examples))
    before = expit((scores - scores[cases, examples.target][:, None]) / WIDTH)
    others = _others(examples)
    ranks = 1 + (before * others).sum(axis=1)
    discount = np.log2(1 + ranks)
    by_rank = -1 / (np.log(2) * (1 + ranks) * discount**2 * len(examples))
    slope = by_rank[:, None] * before * (1 - before) * others / WIDTH
    slope[cases, examples.target] -= slope.sum(axis=1)
    return float((1 / discount).mean()), slope_by_weights(slope, sums, logs, examples, weights)


def calibrated(examples: Examples, weights: PartWeights) -> PartWeights:
    """Multiply all scores by the number with the smallest cross entropy, which changes no rank."""
    scores, _, _ = candidate_scores(examples, weights)
    own = scores[np.arange(len(examples)), examples.target]

    def loss(log: float) -> float:
        every = logsumexp(scores * np.exp(log) + examples.offset, axis=1)
        return float((every - own * np.exp(log)).mean())

    factor = np.exp(minimize_scalar(loss, bounds=_FACTORS).x)
    return replace(weights, scales=weights.scales * factor, scores=weights.scores * factor)


def _others(examples: Examples) -> NDArray[np.float64]:
    """Number of items that each candidate represents, ``(N, C)``; none for targets."""
    others: NDArray[np.float64] = np.exp(examples.offset)
    others[np.arange(len(examples)), examples.target] = 0.0
    return others
