"""Histories of items, and the cases that ask which item comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.ragged import Ragged, indptr_of


@dataclass(frozen=True, eq=False)
class Histories(Ragged):
    """Lists of items, oldest first; one row per history.

    Attributes:
        items: ``(T,)`` item numbers.
    """

    columns = ("items",)
    items: NDArray[np.int32]

    @classmethod
    def of(cls, histories: Iterable[Sequence[int] | NDArray[np.integer[Any]]]) -> Histories:
        """Create histories from lists of item numbers."""
        lists = [np.asarray(history, dtype=np.int32) for history in histories]
        items = np.concatenate([np.zeros(0, dtype=np.int32), *lists])
        return cls(indptr_of([len(history) for history in lists]), items)

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self.items[self.span(row)]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))

    @property
    def ages(self) -> NDArray[np.int64]:
        """``(T,)`` number of later items in the same history: 0 for the latest."""
        ages: NDArray[np.int64] = np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(len(self.items))
        return ages

    def latest(self, count: int) -> Histories:
        """Return the last ``count`` items of each history."""
        lengths = np.minimum(self.lengths, count)
        return self.slices(self.indptr[1:] - lengths, lengths)

    def before(self, ends: NDArray[np.int64], rows: NDArray[Any]) -> Histories:
        """Return the first ``ends[i]`` items of history ``rows[i]``; both ``(M,)``."""
        return self.slices(self.indptr[:-1][rows], np.minimum(ends, self.lengths[rows]))

    def after(self, starts: NDArray[np.int64], rows: NDArray[Any], count: int) -> Histories:
        """Return at most ``count`` items from place ``starts[i]`` of history ``rows[i]`` on; both ``(M,)``."""
        return self.slices(self.indptr[:-1][rows] + starts, np.clip(self.lengths[rows] - starts, 0, count))


@dataclass(frozen=True, eq=False)
class Cases(Ragged):
    """Questions to a recommender: given a user's history, which item comes next? One row per case.

    Attributes:
        items: ``(T,)`` items of the histories, oldest first.
        user: ``(N,)`` user numbers; -1 for a user who is not in the data.
        targets: ``(N,)`` item that came next; -1 if unknown.
    """

    columns = ("items",)
    row_columns = ("user", "targets")
    items: NDArray[np.int32]
    user: NDArray[np.int32]
    targets: NDArray[np.int32]

    @classmethod
    def of(
        cls, histories: Histories, targets: NDArray[np.int32] | None = None, user: NDArray[np.int32] | None = None
    ) -> Cases:
        """Create cases from histories; missing users and targets are -1."""
        unknown = np.full(len(histories), -1, dtype=np.int32)
        targets = unknown if targets is None else targets.astype(np.int32)
        user = unknown if user is None else user.astype(np.int32)
        return cls(histories.indptr, histories.items, user, targets)

    @property
    def histories(self) -> Histories:
        """The histories, N of them."""
        return Histories(self.indptr, self.items)

    def sample(self, count: int, seed: int) -> Cases:
        """Return ``count`` random cases in their order, or all if there are no more."""
        if len(self) <= count:
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False)))
