"""The best blend of two baselines: a weighted sum of their scores, brought to one scale for each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.baselines.tuning import METRIC, Baseline, Tuned, TuningTask
from kptoolkit.evaluation.ranking import Ranking, rank_of
from kptoolkit.progress import ProgressEvent

WEIGHTS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of the first baseline that are tried; the second gets the rest."""
SCALES: Final = ("log", "z")
"""How scores are brought to one scale, see :func:`scaled`."""
_BATCH = 256


@dataclass(frozen=True)
class BlendSettings:
    """Settings of :class:`Blend`.

    Attributes:
        first: Name of the first baseline.
        second: Name of the second baseline.
        scale: One of :data:`SCALES`.
        weight: Weight of the first baseline.
    """

    first: str
    second: str
    scale: str
    weight: float


class Blend:
    """Scores by ``weight * scaled(first) + (1 - weight) * scaled(second)``.

    Args:
        settings: Settings; :meth:`tuned` chooses them.
        first: The first baseline.
        second: The second baseline.
    """

    name: ClassVar[str] = "blend"

    def __init__(self, settings: BlendSettings, first: Baseline, second: Baseline) -> None:
        self.settings, self.first, self.second = settings, first, second
        self.tuning: Tuned[BlendSettings] | None = None

    @classmethod
    def tuned(cls, task: TuningTask, baselines: Sequence[Baseline]) -> Blend:
        """Find the pair, scale and weight that are best on the validation cases.

        All pairs, scales and weights are ranked.

        Args:
            task: The cases to rank.
            baselines: Two or more tuned baselines.

        Raises:
            ValueError: There are fewer than two baselines.
        """
        if len(baselines) < 2:
            raise ValueError(f"a blend needs two baselines, there are {len(baselines)}")
        by_name = {baseline.name: baseline for baseline in baselines}
        choices = [
            BlendSettings(first, second, scale, weight)
            for first, second in combinations(by_name, 2)
            for scale in SCALES
            for weight in WEIGHTS
        ]
        ranks = np.empty((len(choices), len(task.cases)))
        for start in range(0, len(task.cases), _BATCH):
            cases = task.cases.take(slice(start, start + _BATCH))
            ranks[:, start : start + len(cases)] = _ranks(cases, by_name, choices)
            task.progress(ProgressEvent("tune blend", start + len(cases), len(task.cases), "cases"))
        values = [_value(task.cases, row) for row in ranks]
        best = int(np.argmax(values))
        chosen = choices[best]
        found = cls(chosen, by_name[chosen.first], by_name[chosen.second])
        found.tuning = Tuned(chosen, values[best], len(choices))
        return found

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``."""
        settings = self.settings
        first, second = (scaled(part.score(cases), settings.scale) for part in (self.first, self.second))
        return _mixed(first, second, settings.weight)


def scaled(scores: NDArray[np.float32], scale: str) -> NDArray[np.float32]:
    """Bring the scores of each case to a scale on which different baselines can be added.

    Args:
        scores: ``(N, n_items)``.
        scale: ``"log"`` is ``log(1 + score / mean)``, with negative scores as 0 and the mean over positive scores;
            ``"z"`` is ``(score - mean) / standard deviation``.
    """
    if scale == "z":
        spread = scores.std(axis=1, keepdims=True)
        centred: NDArray[np.float32] = scores - scores.mean(axis=1, keepdims=True)
        np.divide(centred, spread, out=centred, where=spread > 0)
        return centred
    positive = np.maximum(scores, 0)
    counts = np.maximum(np.count_nonzero(positive, axis=1, keepdims=True), 1)
    mean = positive.sum(axis=1, keepdims=True) / counts
    logs: NDArray[np.float32] = np.log1p(positive / np.where(mean > 0, mean, np.float32(1)))
    return logs


def _mixed(first: NDArray[np.float32], second: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    return np.float32(weight) * first + np.float32(1 - weight) * second


def _ranks(cases: Cases, baselines: Mapping[str, Baseline], choices: Sequence[BlendSettings]) -> NDArray[np.float64]:
    """``(choices, N)`` ranks of the targets of N cases."""
    scores = {name: baseline.score(cases) for name, baseline in baselines.items()}
    parts = {(name, scale): scaled(found, scale) for name, found in scores.items() for scale in SCALES}
    ranks = np.empty((len(choices), len(cases)))
    for number, choice in enumerate(choices):
        first, second = parts[choice.first, choice.scale], parts[choice.second, choice.scale]
        ranks[number] = rank_of(_mixed(first, second, choice.weight), cases.targets, cases.histories)
    return ranks


def _value(cases: Cases, ranks: NDArray[np.float64]) -> float:
    return float(Ranking(cases.user, cases.targets, ranks, cases.histories.lengths).values(METRIC).mean())
