"""The weights of score parts, fitted by cross entropy over the candidates of cases.

The score of a candidate is ``sum_e c_e d_e + sum_p s_p log(1 + sum_k sum_a w_pk g_pa F_pka)``: other scores ``d``, and
for each part p the sums ``F`` of its kinds of pairs k at ages a. ``s`` and all ``c`` but the last are not negative,
``w`` and ``g`` are positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from kptoolkit.models.parts.pair_features import AGES

_SMALLEST, _LARGEST = -9.0, 6.0  # bounds of logarithms of weights
_MEAN_AGES: Final = np.array([*(np.array(AGES[:-1]) + np.array(AGES[1:]) - 1), 240]) / 2


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

    def pair_weights(self, part: int) -> NDArray[np.float64]:
        """``(K * A,)`` weights of the features of a part."""
        weights: NDArray[np.float64] = np.exp(self.kinds[part][:, None] + self.ages[part]).ravel()
        return weights


def cross_entropy(examples: Examples, weights: PartWeights) -> float:
    """Mean of ``-log`` of the probability of the target."""
    return _loss_and_slope(weights.flat, examples, weights)[0]


def fit_weights(
    examples: Examples, start: PartWeights, *, strength: float, free: str = "all", iterations: int = 100
) -> PartWeights:
    """Find the weights with the smallest cross entropy by L-BFGS.

    Args:
        examples: Cases.
        start: Where the search starts.
        strength: The loss grows by half of this times the squared distance of each weight from ``start``.
        free: Which weights change: ``"all"``, ``"scales"`` (those of parts and of other scores) or ``"scores"``.
        iterations: Most iterations.
    """
    begin = start.flat
    parts, scores = len(start.scales), len(start.scores)
    changes = {"all": len(begin), "scales": parts + scores, "scores": parts + scores}[free]
    bounds = [(0.0, np.inf)] * (parts + scores) + [(_SMALLEST, _LARGEST)] * (len(begin) - parts - scores)
    if scores:
        bounds[parts + scores - 1] = (-np.inf, np.inf)
    fixed = [number >= changes or (free == "scores" and number < parts) for number in range(len(begin))]
    bounds = [(value, value) if stays else bound for stays, bound, value in zip(fixed, bounds, begin, strict=True)]

    def loss_and_slope(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, slope = _loss_and_slope(flat, examples, start)
        away = flat - begin
        return loss + strength / 2 * float(away @ away), slope + strength * away

    found = minimize(loss_and_slope, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": iterations})
    return start.like(found.x)


def folded(examples: Examples, start: PartWeights, folds: int, seed: int, **fitting: Any) -> float:
    """Cross entropy of cases under weights fitted on the others, by cross-validation.

    Args:
        examples: Cases.
        start: As in :func:`fit_weights`.
        folds: Number of parts into which the cases are divided.
        seed: Seed of the division.
        fitting: Further arguments of :func:`fit_weights`.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    total = 0.0
    for fold in range(folds):
        held_out = order[fold::folds]
        weights = fit_weights(examples.take(np.setdiff1d(order, held_out)), start, **fitting)
        total += cross_entropy(examples.take(held_out), weights) * len(held_out)
    return total / len(examples)


def without_parts(weights: PartWeights) -> PartWeights:
    """The same weights with those of all parts made of pairs set to 0."""
    return replace(weights, scales=np.zeros_like(weights.scales))


def _loss_and_slope(
    flat: NDArray[np.float64], examples: Examples, like: PartWeights
) -> tuple[float, NDArray[np.float64]]:
    weights, shape = like.like(flat), examples.offset.shape
    scores = examples.scores @ weights.scores + examples.offset
    sums = [
        (features @ weights.pair_weights(part).astype(features.dtype)).reshape(shape).astype(np.float64)
        for part, features in enumerate(examples.pairs.values())
    ]
    for scale, summed in zip(weights.scales, sums, strict=True):
        scores += scale * np.log1p(summed)
    every, cases = logsumexp(scores, axis=1), np.arange(shape[0])
    loss = float((every - scores[cases, examples.target]).mean())
    slope = np.exp(scores - every[:, None])  # of the loss by the scores
    slope[cases, examples.target] -= 1
    slope /= shape[0]
    scales, kinds, ages = np.zeros_like(weights.scales), [], np.zeros_like(weights.ages)
    for part, (features, summed) in enumerate(zip(examples.pairs.values(), sums, strict=True)):
        scales[part] = (slope * np.log1p(summed)).sum()
        by_sum = (slope * weights.scales[part] / (1 + summed)).ravel().astype(features.dtype)
        by_weight = (features.T @ by_sum * weights.pair_weights(part)).reshape(-1, len(AGES))
        kinds.append(by_weight.sum(axis=1))
        ages[part] = by_weight.sum(axis=0)
    by_score = np.einsum("nc,nce->e", slope, examples.scores)
    return loss, PartWeights(scales, tuple(kinds), ages, by_score).flat
