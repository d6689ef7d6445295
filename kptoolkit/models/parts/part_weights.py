"""The weights of score parts, fitted by cross entropy over the candidates of cases.

The score of a candidate is ``sum_e c_e d_e + sum_p s_p log(1 + sum_k sum_a w_pk g_pa F_pka)``: other scores ``d``, and
for each part p the sums ``F`` of its kinds of pairs k at ages a. ``s`` and all ``c`` but the last are not negative,
``w`` and ``g`` are positive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from kptoolkit.models.parts.pair_features import AGES

_SMALLEST, _LARGEST = -9.0, 6.0  # bounds of logarithms of weights
_MEMORY: Final = 30  # steps that L-BFGS remembers: with 10 it needs a third more of them
_MEAN_AGES: Final = np.array([*(np.array(AGES[:-1]) + np.array(AGES[1:]) - 1), 240]) / 2


Sums = list[NDArray[np.float64]]
"""One array ``(N, C)`` for each part that is made of pairs."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Cases with candidates, one of them the target.

    Attributes:
        pairs: Features of each part that is made of pairs, CSR ``(N * C, K * A)``.
        scores: ``(N, C, E)`` other scores.
        offset: ``(N, C)`` logarithm of the number of items that a candidate represents; -inf for none.
        target: ``(N,)`` place of the target among the candidates.
    """

    pairs: Mapping[str, Any]
    scores: NDArray[np.float64]
    offset: NDArray[np.float64]
    target: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, cases: NDArray[np.int64]) -> Examples:
        """Return some of the cases."""
        width = self.offset.shape[1]
        rows = (cases[:, None] * width + np.arange(width)).ravel()
        pairs = {name: features[rows] for name, features in self.pairs.items()}
        return Examples(pairs, self.scores[cases], self.offset[cases], self.target[cases])


@dataclass(frozen=True, eq=False)
class PartWeights:
    """Weights of all parts.

    Attributes:
        scales: ``(P,)`` weight of each part that is made of pairs.
        kinds: Logarithm of the weight of each of its kinds, ``(K,)`` per part.
        ages: ``(P, A)`` logarithm of the weight of each age group.
        scores: ``(E,)`` weights of the other scores.
    """

    scales: NDArray[np.float64]
    kinds: tuple[NDArray[np.float64], ...]
    ages: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def start(cls, kinds: Sequence[int], scores: Sequence[float], decay: float = 0.85) -> PartWeights:
        """Create the weights that a fit starts from: equal kinds, and ages by a constant decay.

        Args:
            kinds: Number of kinds of each part.
            scores: Weights of the other scores.
            decay: Weight of an item read relative to the next later one.
        """
        ages = np.maximum(np.log(decay) * _MEAN_AGES, -8.0)
        logs = tuple(np.full(count, -np.log(count)) for count in kinds)
        return cls(np.ones(len(kinds)), logs, np.tile(ages, (len(kinds), 1)), np.array(scores, dtype=np.float64))

    @property
    def flat(self) -> NDArray[np.float64]:
        """All weights one after the other."""
        return np.concatenate([self.scales, self.scores, self.ages.ravel(), *self.kinds])

    def like(self, flat: NDArray[np.float64]) -> PartWeights:
        """The same parts with the weights of :attr:`flat`."""
        ends = np.cumsum([len(self.scales), len(self.scores), self.ages.size, *(len(kinds) for kinds in self.kinds)])
        scales, scores, ages, *kinds = np.split(flat, ends[:-1])
        return PartWeights(scales, tuple(kinds), ages.reshape(self.ages.shape), scores)

    def with_outer(self, values: NDArray[np.float64]) -> PartWeights:
        """The same weights inside the parts, with other weights of parts and of other scores, one after the other."""
        scales, scores = np.split(values, [len(self.scales)])
        return replace(self, scales=scales, scores=scores)

    def pair_weights(self, part: int) -> NDArray[np.float64]:
        """``(K * A,)`` weights of the features of a part."""
        weights: NDArray[np.float64] = np.exp(self.kinds[part][:, None] + self.ages[part]).ravel()
        return weights


def cross_entropy(examples: Examples, weights: PartWeights) -> float:
    """Mean of ``-log`` of the probability of the target."""
    return _loss_and_slope(weights.flat, examples, weights)[0]


def candidate_scores(examples: Examples, weights: PartWeights) -> tuple[NDArray[np.float64], Sums, Sums]:
    """Score the candidates; return ``(N, C)`` scores, the sum of each part, and the logarithm of one more than it."""
    sums = [
        (features @ weights.pair_weights(part).astype(features.dtype)).reshape(examples.offset.shape).astype(np.float64)
        for part, features in enumerate(examples.pairs.values())
    ]
    logs = [np.log1p(summed) for summed in sums]
    scores: NDArray[np.float64] = examples.scores @ weights.scores
    for scale, log in zip(weights.scales, logs, strict=True):
        scores += scale * log
    return scores, sums, logs


def slope_by_weights(
    slope: NDArray[np.float64], sums: Sums, logs: Sums, examples: Examples, weights: PartWeights
) -> PartWeights:
    """Turn the slope of a loss by the scores of the candidates, ``(N, C)``, into its slope by all weights."""
    scales, kinds, ages = np.zeros_like(weights.scales), [], np.zeros_like(weights.ages)
    for part, (features, summed, log) in enumerate(zip(examples.pairs.values(), sums, logs, strict=True)):
        scales[part] = np.vdot(slope, log)
        by_sum = (slope * weights.scales[part] / (1 + summed)).ravel().astype(features.dtype)
        by_weight = (features.T @ by_sum * weights.pair_weights(part)).reshape(-1, len(AGES))
        kinds.append(by_weight.sum(axis=1))
        ages[part] = by_weight.sum(axis=0)
    return PartWeights(scales, tuple(kinds), ages, slope.ravel() @ examples.scores.reshape(slope.size, -1))


def fit_weights(
    examples: Examples, start: PartWeights, *, strength: float, free: str = "all", iterations: int = 75
) -> PartWeights:
    """Find the weights with the smallest cross entropy by L-BFGS.

    Args:
        examples: Cases.
        start: Where the search starts.
        strength: The loss grows by half of this times the squared distance of each weight from ``start``.
        free: Which weights change: ``"all"``, ``"scales"`` (those of parts and of other scores) or ``"scores"``.
        iterations: Most iterations.
    """
    parts, count = len(start.scales), len(start.scales) + len(start.scores)
    examples, begin = (examples, start) if free == "all" else with_sums_as_scores(examples, start)
    flat = begin.flat
    bounds = [(0.0, np.inf)] * count + [(_SMALLEST, _LARGEST)] * (len(flat) - count)
    if len(start.scores):
        bounds[count - 1] = (-np.inf, np.inf)
    if free == "scores":
        bounds[:parts] = [(scale, scale) for scale in start.scales]

    def loss_and_slope(moved: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, slope = _loss_and_slope(moved, examples, begin)
        away = moved - flat
        return loss + strength / 2 * float(away @ away), slope + strength * away

    options = {"maxiter": iterations, "maxcor": _MEMORY}
    found = minimize(loss_and_slope, flat, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return start.like(found.x) if free == "all" else start.with_outer(found.x)


def with_sums_as_scores(examples: Examples, weights: PartWeights) -> tuple[Examples, PartWeights]:
    """The same examples and weights with each part as a score, for a fit that changes no weight inside a part."""
    _, _, logs = candidate_scores(examples, weights)
    scores = np.concatenate([log[..., None] for log in logs] + [examples.scores], axis=-1)
    whole = PartWeights(np.zeros(0), (), np.zeros((0, len(AGES))), np.concatenate([weights.scales, weights.scores]))
    return replace(examples, pairs={}, scores=scores), whole


@dataclass(frozen=True, eq=False)
class Folds:
    """Weights for cross-validation.

    Attributes:
        examples: All cases.
        held_out: Cases of each fold.
        weights: Weights fitted on the cases outside each fold.
    """

    examples: Examples
    held_out: Sequence[NDArray[np.int64]]
    weights: Sequence[PartWeights]

    @classmethod
    def fitted(cls, examples: Examples, start: PartWeights, folds: int, seed: int, **fitting: Any) -> Folds:
        """Divide cases into folds, and fit weights outside each.

        Args:
            examples: Cases.
            start: As in :func:`fit_weights`.
            folds: Number of folds.
            seed: Seed of the division.
            fitting: Further arguments of :func:`fit_weights`.
        """
        order = np.random.default_rng(seed).permutation(len(examples))
        held_out = [order[fold::folds] for fold in range(folds)]
        return cls(examples, held_out, [start] * folds).then(
            lambda others, begin: fit_weights(others, begin, **fitting)
        )

    def then(self, again: Callable[[Examples, PartWeights], PartWeights]) -> Folds:
        """Fit once more outside each fold, from its weights."""
        every = np.arange(len(self.examples))
        weights = [
            again(self.examples.take(np.setdiff1d(every, fold)), begin)
            for fold, begin in zip(self.held_out, self.weights, strict=True)
        ]
        return replace(self, weights=weights)

    def each(self, measure: Callable[[Examples, PartWeights], float | NDArray[np.float64]]) -> NDArray[np.float64]:
        """Measure each case under the weights of its fold, ``(N,)``; a mean over cases counts for all of a fold."""
        found = np.zeros(len(self.examples))
        for fold, weights in zip(self.held_out, self.weights, strict=True):
            found[fold] = measure(self.examples.take(fold), weights)
        return found


def without_parts(weights: PartWeights) -> PartWeights:
    """The same weights with those of all parts made of pairs set to 0."""
    return replace(weights, scales=np.zeros_like(weights.scales))


def _loss_and_slope(
    flat: NDArray[np.float64], examples: Examples, like: PartWeights
) -> tuple[float, NDArray[np.float64]]:
    weights, count = like.like(flat), len(examples)
    scores, sums, logs = candidate_scores(examples, weights)
    scores += examples.offset
    every, cases = logsumexp(scores, axis=1), np.arange(count)
    loss = float((every - scores[cases, examples.target]).mean())
    slope = np.exp(scores - every[:, None])  # of the loss by the scores
    slope[cases, examples.target] -= 1
    return loss, slope_by_weights(slope / count, sums, logs, examples, weights).flat
