"""Hierarchical codes of items that the same people read: a spectral embedding, split again and again by k-means.

References:
    Spectral co-clustering of a bipartite graph: Dhillon, KDD 2001.
    Collaborative indexing of items: How to Index Item IDs for Recommendation Foundation Models, arXiv 2305.06569.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse.linalg import svds

from kptoolkit.data.splits import Histories

BRANCHING = 16
"""Most codes at a level."""
_RANK = 32
_CLUSTERED_LEVELS = 6
"""Below this level groups are split by number, so that a code cannot grow long."""


def hierarchical_codes(histories: Histories, n_items: int, seed: int) -> list[tuple[int, ...]]:
    """A code of each item; items of the same histories share its first numbers. No code begins another.

    Args:
        histories: Lists of item numbers.
        n_items: Number of items; those of no history get codes too.
        seed: Of the k-means.
    """
    points = spectral_embedding(histories, n_items)
    generator = np.random.default_rng(seed)
    codes: list[tuple[int, ...]] = [()] * n_items
    groups = [np.arange(n_items)]
    while groups:
        group = groups.pop()
        if len(group) <= BRANCHING:
            labels = np.arange(len(group))
        elif len(codes[group[0]]) >= _CLUSTERED_LEVELS:
            labels = _evenly(len(group))
        else:
            labels = _clusters(points[group], generator)
        for item, label in zip(group, labels, strict=True):
            codes[item] = (*codes[item], int(label))
        if len(group) > BRANCHING:
            groups += [group[labels == label] for label in np.unique(labels)]
    return codes


def spectral_embedding(histories: Histories, n_items: int) -> NDArray[np.float64]:
    """Items as points of length 1, near where the same histories hold them, ``(n_items, at most 32)``.

    They are the singular vectors of the histories-by-items matrix, scaled by the square roots of its row and column
    sums: those of the normalised co-occurrence of items, which is never made. An item of no history is all zeros.
    """
    values = np.ones(len(histories.items))
    shape = (len(histories), n_items)
    seen = scipy.sparse.csr_matrix((values, histories.items, histories.indptr), shape=shape)
    seen.sum_duplicates()
    seen.data[:] = 1.0
    rows, columns = (np.asarray(seen.sum(axis=axis)).ravel() for axis in (1, 0))
    left, right = (scipy.sparse.diags(1 / np.sqrt(np.maximum(sums, 1))) for sums in (rows, columns))
    scaled = (left @ seen @ right).tocsr()
    if min(shape) > 2 * _RANK:
        _, _, vectors = svds(scaled, k=_RANK, v0=np.ones(min(shape)))
    else:
        _, _, vectors = np.linalg.svd(scaled.toarray(), full_matrices=False)
        vectors = vectors[:_RANK]
    points = np.where(columns[:, None] > 0, vectors.T, 0.0)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    found: NDArray[np.float64] = points / np.where(lengths > 1e-9, lengths, 1.0)
    return found


def _clusters(points: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Labels 0, 1, … of at most :data:`BRANCHING` clusters, at least two."""
    start = points[generator.choice(len(points), BRANCHING, replace=False)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a cluster is empty
        _, labels = kmeans2(points, start, iter=20, minit="matrix")
    used, dense = np.unique(labels, return_inverse=True)
    return _evenly(len(points)) if len(used) < 2 else dense.astype(np.int64)


def _evenly(count: int) -> NDArray[np.int64]:
    return np.arange(count) * BRANCHING // count
