"""Significance of differences: bootstrap intervals over users, paired sign-flip tests, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from kptoolkit.errors import InputError
from kptoolkit.evaluation.ranking import Ranking

_NUMBERS_AT_ONCE = 4_000_000
RESAMPLES = 2000
SEED = 2308
LEVEL = 0.05
"""A difference is called significant if its corrected p-value is at most this."""
_POWER = 0.8
"""Probability with which a true difference of the smallest size is found."""


@dataclass(frozen=True)
class Interval:
    """A mean and its percentile interval.

    Attributes:
        mean: Mean over the users; 0 for none.
        low: Lower end.
        high: Upper end.
        level: Share of the resamples between the ends.
    """

    mean: float
    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class PairedTest:
    """Result of a paired sign-flip test.

    Attributes:
        difference: Mean of the first minus mean of the second.
        p_value: Two-sided; never 0. Not corrected for the number of tests.
        cases: Number of pairs.
        deviation: Standard deviation of the differences; 0 for fewer than two pairs.
    """

    difference: float
    p_value: float
    cases: int
    deviation: float = 0.0

    def detectable(self, tests: int = 1) -> float | None:
        """Smallest true difference that such a test finds at 5 % with a power of 80 %.

        Args:
            tests: Number of tests that are corrected together; the first step of :func:`holm` divides 5 % by it.

        Returns:
            The difference, from normal quantiles; ``None`` if the differences of the pairs do not differ.
        """
        if not self.deviation:
            return None
        quantiles = float(ndtri(1 - LEVEL / tests / 2) + ndtri(_POWER))
        return quantiles * self.deviation / math.sqrt(self.cases)


@dataclass(frozen=True)
class Comparison:
    """One row of a comparison table.

    Attributes:
        name: Name of the model.
        metric: Name of the metric, e.g. ``"NDCG@10"``.
        value: Mean with interval.
        against: Reference minus this model, with its test; ``None`` for the reference itself.
        corrected: p-value of the test, corrected by :func:`holm` over all rows of the table.
        detectable: :meth:`PairedTest.detectable` for that number of tests.
    """

    name: str
    metric: str
    value: Interval
    against: PairedTest | None = None
    corrected: float | None = None
    detectable: float | None = None


def bootstrap_interval(
    values: NDArray[np.float64], *, resamples: int = RESAMPLES, level: float = 0.95, seed: int = SEED
) -> Interval:
    """Percentile interval of a mean over users resampled with replacement.

    Args:
        values: A metric per user, ``(N,)``.
        resamples: Number of resamples.
        level: Share of the resamples inside the interval.
        seed: Random seed.
    """
    values = np.asarray(values, dtype=np.float64)
    count = len(values)
    if not count:
        return Interval(0.0, 0.0, 0.0, level)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _NUMBERS_AT_ONCE // count)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        means[start : start + size] = values[generator.integers(0, count, (size, count))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), level)


def paired_test(
    first: NDArray[np.float64], second: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = SEED
) -> PairedTest:
    """Test whether two metrics have the same mean, two-sided, by random sign flips of the differences per user.

    Args:
        first: A metric per user, ``(N,)``.
        second: The metric of the same users under the other model, ``(N,)``.
        resamples: Number of sign flips; ``p = (1 + flips at least as extreme) / (1 + resamples)``.
        seed: Random seed.

    Raises:
        ValueError: The shapes differ.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"a paired test needs two equally long lists, given {first.shape} and {second.shape}")
    if not len(first):
        return PairedTest(0.0, 1.0, 0)
    differences = first - second
    moved = differences[differences != 0]
    observed = abs(moved.sum()) * (1 - 1e-12)
    generator = np.random.default_rng(seed)
    extreme, step = 0, max(1, _NUMBERS_AT_ONCE // max(len(moved), 1))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        signs = 2.0 * generator.integers(0, 2, (size, len(moved)), dtype=np.int8) - 1.0
        extreme += int((np.abs(signs @ moved) >= observed).sum())
    deviation = float(differences.std(ddof=1)) if len(first) > 1 else 0.0
    return PairedTest(float(differences.mean()), (1 + extreme) / (1 + resamples), len(first), deviation)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for the number of tests by Holm's step-down method.

    The smallest of m p-values is multiplied by m, the next by m - 1, and so on; none becomes smaller than that of a
    smaller p-value, or larger than 1.

    Args:
        p_values: One per test.

    Returns:
        The corrected p-values, in the same order.
    """
    corrected, least = [0.0] * len(p_values), 0.0
    for place, test in enumerate(sorted(range(len(p_values)), key=lambda test: p_values[test])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[test]))
        corrected[test] = least
    return corrected


def compare(
    name: str,
    reference: Ranking,
    others: Mapping[str, Ranking],
    *,
    metric: str = "NDCG@10",
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Comparison]:
    """Compare rankings of the same cases: the reference first, then the others with the lead of the reference.

    Args:
        name: Name of the reference.
        reference: Its ranking.
        others: Name to ranking.
        metric: A metric of :meth:`Ranking.values`.
        resamples: Bootstrap resamples and sign flips.
        seed: Random seed.

    Raises:
        InputError: A ranking is of different cases.
    """
    for other, ranking in others.items():
        if not ranking.same_cases(reference):
            raise InputError(f"{name} and {other} ranked different cases; evaluate both on the same data and split")
    values = {other: ranking.values(metric) for other, ranking in {name: reference, **others}.items()}
    return compare_values(values, metric=metric, resamples=resamples, seed=seed)


def compare_values(
    values: Mapping[str, NDArray[np.float64]], *, metric: str, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Comparison]:
    """Compare values of a metric for the same cases: the first is the reference, the others get its lead.

    Args:
        values: Name to the metric per case, ``(N,)`` each.
        metric: Name of the metric.
        resamples: Bootstrap resamples and sign flips.
        seed: Random seed.
    """
    reference = next(iter(values.values()))
    intervals = {name: bootstrap_interval(own, resamples=resamples, seed=seed) for name, own in values.items()}
    tests = [paired_test(reference, own, resamples=resamples, seed=seed) for own in list(values.values())[1:]]
    corrected = holm([test.p_value for test in tests])
    first, *rows = [Comparison(name, metric, interval) for name, interval in intervals.items()]
    return [
        first,
        *(
            replace(row, against=test, corrected=p_value, detectable=test.detectable(len(tests)))
            for row, test, p_value in zip(rows, tests, corrected, strict=True)
        ),
    ]
