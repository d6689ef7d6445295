"""Sequential rules: readers of item i went on to item j.

A rule ``i -> j`` counts how often j came within some events after i, near events counting more. Its weight divides this
by powers of how often i and j occur, and a history's score of j is the sum of its items' rules, the latest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.evaluation.baselines.tuning import Tuned, TuningTask, tune
from kptoolkit.models.parts.item_pairs import count_pairs, dense, profiles


@dataclass(frozen=True)
class RulesSettings:
    """Settings of :class:`SequentialRules`.

    Attributes:
        window: Largest distance of two events that make a rule.
        distance: Exponent: a pair at distance d counts ``d ** -distance``.
        backward: Weight of pairs in which j came before i.
        confidence: Exponent of the number of events of i, by which a rule is divided.
        target: Exponent of the number of events of j, by which a rule is divided.
        shrink: Added to the number of events of i.
        decay: Weight of a history item relative to the next later one.
        latest: Latest items of a history that count.
    """

    window: int = 20
    distance: float = 0.5
    backward: float = 0.3
    confidence: float = 0.85
    target: float = 0.2
    shrink: float = 10.0
    decay: float = 0.8
    latest: int = 20


class SequentialRules:
    """Scores an item by ``sum over the history of decay^age * weight of the rule``.

    Args:
        settings: Settings; :meth:`tuned` chooses them.
    """

    name: ClassVar[str] = "sequential rules"
    #: Settings that :meth:`tuned` tries.
    GRID: ClassVar[dict[str, Sequence[Any]]] = {
        "decay": (0.6, 0.7, 0.8, 0.9, 0.95),
        "window": (5, 10, 20, 50),
        "distance": (0.0, 0.5, 1.0),
        "backward": (0.0, 0.3, 0.6, 1.0),
        "confidence": (0.5, 0.7, 0.85, 1.0),
        "target": (0.0, 0.2, 0.35, 0.5),
        "shrink": (1.0, 3.0, 10.0, 30.0),
        "latest": (10, 20, 50, 100),
    }

    def __init__(self, settings: RulesSettings | None = None) -> None:
        self.settings = settings or RulesSettings()
        self.rules = sp.csr_matrix((0, 0), dtype=np.float32)
        self.tuning: Tuned[RulesSettings] | None = None

    @classmethod
    def tuned(cls, task: TuningTask) -> SequentialRules:
        """Fit with the settings of :attr:`GRID` that a coordinate search finds best on the validation cases.

        Args:
            task: What to learn from.
        """
        popularity = np.bincount(task.train.items, minlength=task.n_items)

        @lru_cache(maxsize=1)
        def pairs(window: int, distance: float) -> Any:
            return count_pairs(task.train, task.n_items, window, distance)

        def fitted(settings: RulesSettings) -> SequentialRules:
            found = cls(settings)
            found.rules = weighted(pairs(settings.window, settings.distance), popularity, settings)
            return found

        return tune(task, cls.name, RulesSettings(), cls.GRID, fitted)

    def fit(self, train: Histories, n_items: int) -> Self:
        """Count the rules.

        Args:
            train: Training histories.
            n_items: Catalogue size.
        """
        pairs = count_pairs(train, n_items, self.settings.window, self.settings.distance)
        self.rules = weighted(pairs, np.bincount(train.items, minlength=n_items), self.settings)
        return self

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``; 0 for all items if a history is empty or unknown."""
        return dense(profiles(cases, self.rules.shape[0], self.settings.decay, self.settings.latest) @ self.rules)


def weighted(pairs: Any, popularity: NDArray[np.int64], settings: RulesSettings) -> Any:
    """Compute the weights of rules from the counts of pairs: CSR ``(n, n)``.

    Args:
        pairs: ``(n, n)`` counts of j after i.
        popularity: ``(n,)`` training events of each item.
        settings: Exponents, shrinkage and weight of backward pairs.
    """
    counts = (pairs + settings.backward * pairs.T).tocsr() if settings.backward else pairs
    seen = np.maximum(popularity, 1).astype(np.float32)
    before = sp.diags((seen + np.float32(settings.shrink)) ** np.float32(-settings.confidence))
    after = sp.diags(seen ** np.float32(-settings.target))
    return (before @ counts @ after).tocsr().astype(np.float32)
