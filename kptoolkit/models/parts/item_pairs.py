"""Weighted counts of item pairs in histories, and histories as sparse rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories

PAIRS_AT_ONCE: Final = 20_000_000
"""Pairs of events that are counted together."""
MAX_PAIRS: Final = 50_000_000
"""Most pairs of items whose counts a baseline stores."""


def profiles(cases: Cases, n_items: int, decay: float, latest: int) -> Any:
    """Arrange histories as sparse rows: CSR ``(N, n_items)`` of ``decay ** age``.

    Args:
        cases: N cases.
        n_items: Catalogue size.
        decay: Weight of an item relative to the next later one.
        latest: Latest items of a history that count.
    """
    histories = cases.histories.latest(latest)
    weights = np.float32(decay) ** histories.ages.astype(np.float32)
    return sp.csr_matrix((weights, histories.items, histories.indptr), shape=(len(cases), n_items))


def event_counts(histories: Histories, n_items: int) -> Any:
    """Count the events of each item in each of N histories: CSR ``(N, n_items)``."""
    ones = np.ones(len(histories.items), dtype=np.float32)
    return sp.csr_matrix((ones, histories.items, histories.indptr), shape=(len(histories), n_items))


def user_weights(train: Histories, damped: bool) -> NDArray[np.float32]:
    """Return ``(U,)`` weights of users: 1, or ``1 / log(1 + events)`` where long histories count less."""
    if not damped:
        return np.ones(len(train), dtype=np.float32)
    return (1.0 / np.log1p(np.maximum(train.lengths, 1))).astype(np.float32)


def count_pairs(
    train: Histories,
    n_items: int,
    window: int,
    exponent: float = 0.0,
    weights: NDArray[np.float32] | None = None,
    *,
    nearest: int = 1,
    most: int = MAX_PAIRS,
) -> Any:
    """Count how often item j came after item i in the same history: CSR ``(n_items, n_items)``, no diagonal.

    Items are counted block by block, so that memory does not grow with the number of events.

    Args:
        train: Training histories.
        n_items: Catalogue size.
        window: Largest distance, in events; 1 is the next event.
        exponent: A pair at distance d counts ``d ** -exponent``.
        weights: ``(U,)`` weights of the users; ``None``: 1.
        nearest: Smallest distance.
        most: Most pairs to store: the largest ``most // n_items`` of each item.
    """
    ages, rows = train.ages, train.rows
    longest = min(window, int(ages.max(initial=0)))
    parts = []
    for first, last in _blocks(np.bincount(train.items, np.minimum(ages, window), n_items)):
        events = np.flatnonzero((train.items >= first) & (train.items < last) & (ages > 0))
        befores, afters = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
        counts = [np.zeros(0, dtype=np.float32)]
        for distance in range(nearest, longest + 1):
            events = events[ages[events] >= distance]
            befores.append(train.items[events] - np.int32(first))
            afters.append(train.items[events + distance])
            value = np.float32(distance**-exponent)
            counts.append(np.full(len(events), value) if weights is None else value * weights[rows[events]])
        ends = (np.concatenate(befores), np.concatenate(afters))
        pairs = sp.csr_matrix((np.concatenate(counts), ends), shape=(last - first, n_items), dtype=np.float32)
        parts.append(largest(pairs, per_item(n_items, most)))
    return without_diagonal(sp.vstack(parts, format="csr"))


def count_shared(train: Histories, n_items: int, weights: NDArray[np.float32], *, most: int = MAX_PAIRS) -> Any:
    """Count the users, by weight, with events of both items: CSR ``(n_items, n_items)``, no diagonal.

    Args:
        train: Training histories.
        n_items: Catalogue size.
        weights: ``(U,)`` weights of the users.
        most: As in :func:`count_pairs`.
    """
    met = event_counts(train, n_items)
    weighted = (sp.diags(weights) @ met).T.tocsr()
    load = np.bincount(train.items, train.lengths[train.rows], n_items)
    limit = per_item(n_items, most)
    parts = [largest((weighted[first:last] @ met).tocsr(), limit) for first, last in _blocks(load)]
    return without_diagonal(sp.vstack(parts, format="csr"))


def _blocks(load: NDArray[Any]) -> list[tuple[int, int]]:
    """Ranges of items with about :data:`PAIRS_AT_ONCE` pairs each, from the ``(n_items,)`` pairs per item."""
    block = (np.cumsum(load) // PAIRS_AT_ONCE).astype(np.int64)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(load)], strict=True))


def per_item(n_items: int, most: int) -> int:
    """Most pairs to store per item, ``most`` in all."""
    return max(1, most // max(1, n_items))


def without_diagonal(matrix: Any) -> Any:
    """Return a square CSR matrix without its diagonal."""
    found = matrix.tocoo()
    apart = found.row != found.col
    return sp.csr_matrix((found.data[apart], (found.row[apart], found.col[apart])), shape=matrix.shape)


def largest(matrix: Any, count: int) -> Any:
    """Return a CSR matrix with the ``count`` largest values of each row; of equal values the lower column stays."""
    lengths = np.diff(matrix.indptr)
    if int(lengths.max(initial=0)) <= count:
        return matrix
    matrix.sort_indices()
    chosen = np.ones(matrix.nnz, dtype=np.bool_)
    for row in np.flatnonzero(lengths > count):
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        chosen[span][np.argsort(-matrix.data[span], kind="stable")[count:]] = False
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, count))])
    return sp.csr_matrix((matrix.data[chosen], matrix.indices[chosen], indptr), shape=matrix.shape)


def dense(matrix: Any) -> NDArray[np.float32]:
    """Return a sparse matrix as a dense array."""
    return np.asarray(matrix.toarray(), dtype=np.float32)
