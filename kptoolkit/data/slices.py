"""Whole histories as padded rows, for models that predict the next item at every position in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories

NOTHING = -100
"""Label of a place where nothing is to be predicted."""


def padded(histories: Histories, length: int) -> NDArray[np.int64]:
    """The latest ``length`` items of each history, ``(N, L)``, oldest first, filled up with -1 on the right.

    ``L`` is the longest of them, at least 1.
    """
    latest = histories.latest(length)
    sizes = latest.lengths
    rows = np.full((len(latest), max(1, int(sizes.max(initial=0)))), -1, dtype=np.int64)
    rows[np.arange(rows.shape[1]) < sizes[:, None]] = latest.items
    return rows


@dataclass(frozen=True)
class Slices:
    """Training histories cut into slices, so that an epoch predicts every event but each history's first.

    Attributes:
        histories: Training histories, by user.
        length: Most items a slice reads.
        seed: Seed of the cuts.
        user: ``(N,)`` user of each slice.
        number: ``(N,)`` number of the slice in its history, the latest is 0.
    """

    histories: Histories
    length: int
    seed: int
    user: NDArray[np.int64]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Histories, *, length: int, seed: int) -> Slices:
        """Slices of every history with something to predict."""
        count = -(-np.maximum(histories.lengths - 1, 0) // length)
        user = np.repeat(np.arange(len(histories)), count)
        number = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
        return cls(histories, length, seed, user, number)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def positions(self) -> int:
        """Events of the histories that have one before them."""
        return int(np.maximum(self.histories.lengths - 1, 0).sum())

    def draw(self, epoch: int) -> NDArray[np.int64]:
        """The place behind the last event of each slice at an epoch, ``(N,)``.

        The latest slice of a history ends with it; the others are shifted back together by a number drawn anew each
        epoch, at most to where the first begins with the history, so that no event is always read without context.
        """
        sizes = self.histories.lengths
        count = -(-np.maximum(sizes - 1, 0) // self.length)
        spare = np.maximum(count * self.length - (sizes - 1), 0)  # places by which slices may overlap
        shift = np.floor(np.random.default_rng([self.seed, epoch]).random(len(sizes)) * (spare + 1)).astype(np.int64)
        ends = sizes[self.user] - self.number * self.length + np.where(self.number > 0, shift[self.user], 0)
        last: NDArray[np.int64] = np.maximum(ends, 2)
        return last

    def lengths(self, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """``(N,)`` items that each slice reads."""
        sizes: NDArray[np.int64] = np.minimum(ends - 1, self.length)
        return sizes

    def batch(self, slices: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Items read and items that follow them.

        Args:
            slices: ``(B,)`` numbers of slices.
            ends: ``(N,)`` as :meth:`draw` gives them.

        Returns:
            ``(B, L)`` items, -1 on the right where a row is shorter, and ``(B, L)`` labels, there ``NOTHING``.
        """
        history = self.histories.before(ends[slices], self.user[slices])
        rows = padded(history, self.length + 1)
        items, follow = rows[:, :-1], rows[:, 1:]
        return np.where(follow >= 0, items, -1), np.where(follow >= 0, follow, NOTHING)
