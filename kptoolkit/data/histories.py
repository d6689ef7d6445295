"""Histories of items, and the cases that ask what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.ragged import indptr_of


@dataclass(frozen=True)
class Histories:
    """Lists of items, oldest first, one after the other.

    Attributes:
        indptr: ``(N+1,)``: history i is ``items[indptr[i]:indptr[i+1]]``.
        items: ``(T,)`` item numbers.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def of(cls, histories: Iterable[Sequence[int]]) -> Histories:
        """Histories from lists of item numbers."""
        lists = [np.asarray(history, dtype=np.int32) for history in histories]
        lengths = np.array([len(entry) for entry in lists], dtype=np.int64)
        flat = np.concatenate(lists) if lists else np.zeros(0, dtype=np.int32)
        return cls(indptr_of(lengths), flat)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self.items[self.indptr[row] : self.indptr[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` number of items of each history."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> NDArray[np.int64]:
        """``(T,)`` which history each item belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ages(self) -> NDArray[np.int64]:
        """``(T,)`` how many items of the same history are later: 0 for the latest."""
        ages: NDArray[np.int64] = np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(len(self.items))
        return ages

    def take(self, rows: NDArray[Any]) -> Histories:
        """The histories with these numbers, in this order."""
        return self._cut(self.indptr[:-1][rows], self.indptr[1:][rows])

    def latest(self, count: int) -> Histories:
        """The last ``count`` items of each history."""
        return self._cut(np.maximum(self.indptr[:-1], self.indptr[1:] - count), self.indptr[1:])

    def before(self, ends: NDArray[np.int64], rows: NDArray[Any]) -> Histories:
        """The first ``ends[i]`` items of history ``rows[i]``; both ``(M,)``."""
        starts = self.indptr[:-1][rows]
        return self._cut(starts, np.minimum(starts + ends, self.indptr[1:][rows]))

    def _cut(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Histories:
        lengths = ends - starts
        indptr = indptr_of(lengths)
        index = np.repeat(starts - indptr[:-1], lengths) + np.arange(int(indptr[-1]))
        return Histories(indptr, self.items[index])


@dataclass(frozen=True)
class Cases:
    """What is asked: given a user's history, which item comes next?

    Attributes:
        user: ``(N,)`` user numbers; -1 for somebody who is not in the data.
        indptr: ``(N+1,)`` of the histories.
        items: ``(T,)`` of the histories, oldest first.
        targets: ``(N,)`` item that came next; -1 when nobody knows.
    """

    user: NDArray[np.int32]
    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    targets: NDArray[np.int32]

    @classmethod
    def of(
        cls, histories: Histories, targets: NDArray[np.int32] | None = None, user: NDArray[np.int32] | None = None
    ) -> Cases:
        """Cases from histories; unknown users and unknown targets are -1."""
        unknown = np.full(len(histories), -1, dtype=np.int32)
        targets = unknown if targets is None else targets.astype(np.int32)
        user = unknown if user is None else user.astype(np.int32)
        return cls(user, histories.indptr, histories.items, targets)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def histories(self) -> Histories:
        """The histories."""
        return Histories(self.indptr, self.items)

    def take(self, rows: NDArray[Any] | slice) -> Cases:
        """The cases with these numbers, in this order."""
        chosen = np.arange(len(self))[rows]
        return Cases.of(self.histories.take(chosen), self.targets[chosen], self.user[chosen])
