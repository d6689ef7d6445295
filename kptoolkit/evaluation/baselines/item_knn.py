"""Item-kNN with recency.

An item-kNN that gives all items of a history the same weight is too weak for a fair comparison. Here the latest items
count most, and two items are neighbours if users had events with them *near each other*.
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
from kptoolkit.models.parts.item_pairs import count_pairs, count_shared, dense, largest, profiles, user_weights


@dataclass(frozen=True)
class KNNSettings:
    """Settings of :class:`ItemKNN`.

    Attributes:
        k: Neighbours per item.
        shrink: A similarity that c users support is multiplied by ``c / (c + shrink)``.
        decay: Weight of a history item relative to the next later one.
        latest: Latest items of a history that count.
        span: Most events between two items of a user that count as neighbours; ``None``: no limit.
        damped: Whether a user counts ``1 / log(1 + events)``, so that long histories count less per pair.
    """

    k: int = 1000
    shrink: float = 3.0
    decay: float = 0.8
    latest: int = 200
    span: int | None = 20
    damped: bool = False


class ItemKNN:
    """Cosine item-kNN with recency: the score of an item is ``sum over the history of decay^age * similarity``.

    Args:
        settings: Settings; :meth:`tuned` chooses them.
    """

    name: ClassVar[str] = "item-kNN"
    #: Settings that :meth:`tuned` tries.
    GRID: ClassVar[dict[str, Sequence[Any]]] = {
        "damped": (False, True),
        "span": (None, 20, 50),
        "decay": (0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
        "latest": (30, 200),
        "shrink": (0.0, 1.0, 3.0, 10.0, 30.0),
        "k": (100, 300, 1000),
    }

    def __init__(self, settings: KNNSettings | None = None) -> None:
        self.settings = settings or KNNSettings()
        self.similarity = sp.csr_matrix((0, 0), dtype=np.float32)
        self.tuning: Tuned[KNNSettings] | None = None

    @classmethod
    def tuned(cls, task: TuningTask) -> ItemKNN:
        """Fit with the settings of :attr:`GRID` that a coordinate search finds best on the validation cases.

        Args:
            task: What to learn from.
        """

        @lru_cache(maxsize=1)
        def pairs(span: int | None, damped: bool) -> Any:
            return near_pairs(task.train, task.n_items, span, damped)

        def fitted(settings: KNNSettings) -> ItemKNN:
            found = cls(settings)
            counted = pairs(settings.span, settings.damped)
            found.similarity = cosine(counted, task.train, task.n_items, settings)
            return found

        return tune(task, cls.name, KNNSettings(), cls.GRID, fitted)

    def fit(self, train: Histories, n_items: int) -> Self:
        """Compute the similarities of items.

        Args:
            train: Training histories.
            n_items: Catalogue size.
        """
        pairs = near_pairs(train, n_items, self.settings.span, self.settings.damped)
        self.similarity = cosine(pairs, train, n_items, self.settings)
        return self

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``; 0 for all items if a history is empty or unknown."""
        n_items = self.similarity.shape[0]
        return dense(profiles(cases, n_items, self.settings.decay, self.settings.latest) @ self.similarity)


def near_pairs(train: Histories, n_items: int, span: int | None, damped: bool) -> Any:
    """Count the users, by weight, with events of two items at most ``span`` events apart: symmetric CSR ``(n, n)``."""
    weights = user_weights(train, damped)
    if span is None:
        return count_shared(train, n_items, weights)
    pairs = count_pairs(train, n_items, span, weights=weights)
    return (pairs + pairs.T).tocsr()


def cosine(pairs: Any, train: Histories, n_items: int, settings: KNNSettings) -> Any:
    """Compute the shrunk cosine of each item and its ``k`` most similar items: CSR ``(n, n)``, no diagonal."""
    weights = user_weights(train, settings.damped)
    counts = np.bincount(train.items, weights[train.rows], n_items).astype(np.float32)
    found = pairs.tocoo()
    data = found.data / np.sqrt(counts[found.row] * counts[found.col])
    data *= found.data / (found.data + np.float32(settings.shrink))
    similarity = sp.csr_matrix((data, (found.row, found.col)), shape=(n_items, n_items), dtype=np.float32)
    return largest(similarity, settings.k)
