"""Baselines without knowledge: popularity, and item-kNN with recency.

An item-kNN that gives all items of a history the same weight is too weak for a fair comparison. Here the latest items
count most, and two items are neighbours if users had events with them *near each other*. The settings are chosen on the
validation cases, never on the test cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.splits import Split
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent

_PAIRS_AT_ONCE = 20_000_000


class Popularity:
    """Scores every item by its number of training events, the same for all users."""

    name: ClassVar[str] = "popularity"

    def __init__(self) -> None:
        self.counts: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def fit(self, train: Histories, n_items: int) -> Self:
        """Count the training events of every item.

        Args:
            train: Training histories.
            n_items: Catalogue size.
        """
        self.counts = np.bincount(train.items, minlength=n_items).astype(np.float32)
        return self

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """``(N, n_items)`` counts, the same in every row."""
        return np.broadcast_to(self.counts, (len(cases), len(self.counts)))


@dataclass(frozen=True)
class KNNSettings:
    """Settings of :class:`ItemKNN`.

    Attributes:
        k: Neighbours per item.
        shrink: Added to the denominator of the cosine; lowers similarities that few users support.
        decay: Weight of a history item relative to the next later one.
        window: Latest items of a history that count.
        span: Maximum number of events between two items of a user that count as neighbours; ``None``: no limit.
    """

    k: int = 1000
    shrink: float = 5.0
    decay: float = 0.7
    window: int = 30
    span: int | None = 20


class ItemKNN:
    """Cosine item-kNN with recency: the score of an item is ``sum over the history of decay^age * similarity``.

    Args:
        settings: Settings; :meth:`tuned` chooses them.
    """

    name: ClassVar[str] = "item-kNN"
    #: Settings that :meth:`tuned` tries.
    GRID: ClassVar[dict[str, Sequence[Any]]] = {
        "span": (None, 20, 50),
        "shrink": (0.0, 5.0, 20.0),
        "decay": (0.9, 0.8, 0.7, 0.6),
    }

    def __init__(self, settings: KNNSettings | None = None) -> None:
        self.settings = settings or KNNSettings()
        self.similarity = sp.csr_matrix((0, 0), dtype=np.float32)

    @classmethod
    def tuned(
        cls, split: Split, n_items: int, *, progress: ProgressCallback = silent, metric: str = "NDCG@10"
    ) -> ItemKNN:
        """Fit on the training histories with the settings of :attr:`GRID` that are best on the validation cases.

        Args:
            split: Training histories and validation cases.
            n_items: Catalogue size.
            progress: Progress callback.
            metric: Metric to maximize.
        """
        best, best_value = cls(), -1.0
        tried, total = 0, len(list(product(*cls.GRID.values())))
        for span in cls.GRID["span"]:
            pairs = count_pairs(split.train, n_items, span)
            for shrink in cls.GRID["shrink"]:
                base = KNNSettings(shrink=shrink, span=span)
                similarity = cosine(pairs, split.train, n_items, base)
                for decay in cls.GRID["decay"]:
                    found = cls(KNNSettings(shrink=shrink, span=span, decay=decay))
                    found.similarity = similarity
                    value = float(evaluate(found.score, split.valid, n_items).values(metric).mean())
                    tried += 1
                    progress(ProgressEvent("tune item-kNN", tried, total, "settings"))
                    if value > best_value:
                        best, best_value = found, value
        return best

    def fit(self, train: Histories, n_items: int) -> Self:
        """Compute the similarities of items.

        Args:
            train: Training histories.
            n_items: Catalogue size.
        """
        pairs = count_pairs(train, n_items, self.settings.span)
        self.similarity = cosine(pairs, train, n_items, self.settings)
        return self

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``; 0 for all items if a history is empty or unknown."""
        histories = cases.histories.latest(self.settings.window)
        weights = np.float32(self.settings.decay) ** histories.ages.astype(np.float32)
        shape = (len(cases), self.similarity.shape[0])
        found = sp.csr_matrix((weights, (histories.rows, histories.items)), shape=shape) @ self.similarity
        return np.asarray(found.toarray(), dtype=np.float32)


def count_pairs(train: Histories, n_items: int, span: int | None) -> Any:
    """Count how often users had events with two items at most ``span`` events apart: symmetric CSR ``(n, n)``."""
    if span is None:
        shape = (len(train), n_items)
        met = sp.csr_matrix((np.ones(len(train.items), dtype=np.float32), (train.rows, train.items)), shape=shape)
        return (met.T @ met).tocsr()
    rows, items = train.rows, train.items
    pairs = sp.csr_matrix((n_items, n_items), dtype=np.float32)
    firsts: list[NDArray[np.int32]] = []
    seconds: list[NDArray[np.int32]] = []
    longest = min(span, int(train.lengths.max(initial=1)) - 1)
    for distance in range(1, longest + 1):
        same = rows[distance:] == rows[:-distance]
        firsts.append(items[:-distance][same])
        seconds.append(items[distance:][same])
        if sum(map(len, firsts)) > _PAIRS_AT_ONCE or distance == longest:
            first, second = np.concatenate(firsts), np.concatenate(seconds)
            ones = np.ones(len(first), dtype=np.float32)
            pairs = pairs + sp.coo_matrix((ones, (first, second)), shape=(n_items, n_items)).tocsr()
            firsts, seconds = [], []
    return (pairs + pairs.T).tocsr()


def cosine(pairs: Any, train: Histories, n_items: int, settings: KNNSettings) -> Any:
    """Compute the shrunk cosine of each item and its ``k`` most similar items: CSR ``(n, n)``, no diagonal."""
    counts = np.bincount(train.items, minlength=n_items).astype(np.float32)
    found = pairs.tocoo()
    apart = found.row != found.col
    row, col, data = found.row[apart], found.col[apart], found.data[apart]
    data = data / (np.sqrt(counts[row] * counts[col]) + np.float32(settings.shrink))
    order = np.lexsort((col, -data, row))
    row, col, data = row[order], col[order], data[order]
    begins = np.searchsorted(row, np.arange(n_items))
    kept = np.arange(len(row)) - begins[row] < settings.k
    return sp.csr_matrix((data[kept], (row[kept], col[kept])), shape=(n_items, n_items), dtype=np.float32)
