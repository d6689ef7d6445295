"""Pads histories into rows, for models that predict the next item at every position in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories

NOTHING = -100
"""Label of a position where nothing is predicted."""


def padded(histories: Histories, length: int) -> NDArray[np.int64]:
    """Return the latest ``length`` items of each history, ``(N, L)``, oldest first, padded with -1 on the right.

    ``L`` is the longest length after the cut, at least 1.
    """
    latest = histories.latest(length)
    sizes = latest.lengths
    rows = np.full((len(latest), max(1, int(sizes.max(initial=0)))), -1, dtype=np.int64)
    rows[np.arange(rows.shape[1]) < sizes[:, None]] = latest.items
    return rows


@dataclass(frozen=True)
class Slices:
    """Training histories cut into slices; an epoch predicts every event except the first one of each history.

    Attributes:
        histories: Training histories, by user.
        length: Maximum number of items that a slice reads.
        seed: Seed of the cuts.
        user: ``(N,)`` user of each slice.
        number: ``(N,)`` number of the slice in its history; 0 is the latest.
    """

    histories: Histories
    length: int
    seed: int
    user: NDArray[np.int64]
    number: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Histories, *, length: int, seed: int) -> Slices:
        """Cut every history that has at least two events."""
        count = -(-np.maximum(histories.lengths - 1, 0) // length)
        user = np.repeat(np.arange(len(histories)), count)
        number = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
        return cls(histories, length, seed, user, number)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def positions(self) -> int:
        """Number of events that have an earlier event in their history."""
        return int(np.maximum(self.histories.lengths - 1, 0).sum())

    def draw(self, epoch: int) -> NDArray[np.int64]:
        """Return the end of each slice at an epoch, ``(N,)``, exclusive.

        The latest slice ends at the end of the history. The others are shifted by one random offset per epoch, at
        most until the first slice starts with the history, so that no event is always without context.
        """
        sizes = self.histories.lengths
        count = -(-np.maximum(sizes - 1, 0) // self.length)
        spare = np.maximum(count * self.length - (sizes - 1), 0)  # positions by which slices may overlap
        shift = np.floor(np.random.default_rng([self.seed, epoch]).random(len(sizes)) * (spare + 1)).astype(np.int64)
        ends = sizes[self.user] - self.number * self.length + np.where(self.number > 0, shift[self.user], 0)
        last: NDArray[np.int64] = np.maximum(ends, 2)
        return last

    def lengths(self, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of items that each slice reads, ``(N,)``."""
        sizes: NDArray[np.int64] = np.minimum(ends - 1, self.length)
        return sizes

    def batch(self, slices: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the items of some slices and the items that follow them.

        Args:
            slices: ``(B,)`` numbers of slices.
            ends: ``(N,)`` ends from :meth:`draw`.

        Returns:
            ``(B, L)`` items, padded with -1 on the right, and ``(B, L)`` labels, padded with ``NOTHING``.
        """
        history = self.histories.before(ends[slices], self.user[slices])
        rows = padded(history, self.length + 1)
        items, follow = rows[:, :-1], rows[:, 1:]
        return np.where(follow >= 0, items, -1), np.where(follow >= 0, follow, NOTHING)
