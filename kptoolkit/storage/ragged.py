"""Numpy over runs: groups of rows that lie together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def pointers(sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """``(n + 1,)`` starts of groups of the given sizes, and the end."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def within(sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """``0 .. size - 1`` for each group, concatenated."""
    starts = np.cumsum(sizes) - sizes
    result: NDArray[np.int64] = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
    return result


def changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """``(n,)`` whether a row differs from the one before it in any column; the first one does."""
    changed = np.ones(len(columns[0]), dtype=np.bool_)
    changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changed


def since_change(*columns: NDArray[Any]) -> Ints:
    """``(n,)`` how many rows before this one are equal to it without a break."""
    return within(np.diff(np.append(np.flatnonzero(changes(*columns)), len(columns[0]))))


def groups(columns: NDArray[np.int64]) -> Ints:
    """``(n,)`` numbers, equal where all of ``(c, n)`` columns are."""
    order = np.lexsort(columns)
    group = np.empty(columns.shape[1], dtype=np.int64)
    group[order] = np.cumsum(changes(*columns[:, order])) - 1
    return group


def ranks(order: Ints) -> Ints:
    """The inverse of a permutation."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank
