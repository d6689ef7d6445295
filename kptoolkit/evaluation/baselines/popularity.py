"""Popularity: the simplest baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories


@dataclass(frozen=True)
class PopularitySettings:
    """Settings of :class:`Popularity`: there are none."""


class Popularity:
    """Scores every item by its number of training events, the same for all users."""

    name: ClassVar[str] = "popularity"

    def __init__(self) -> None:
        self.settings = PopularitySettings()
        self.tuning: None = None
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
