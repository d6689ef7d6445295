"""Hierarchical codes of items by who read them: a spectral embedding, split repeatedly by k-means.

References:
    Spectral co-clustering of a bipartite graph: Dhillon, KDD 2001.
    Subspace iteration: Finding structure with randomness, arXiv 0909.4061.
    Collaborative indexing of items: How to Index Item IDs for Recommendation Foundation Models, arXiv 2305.06569.
"""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from kptoolkit.data.histories import Histories

BRANCHING = 16
"""Codes per level, at most."""
_RANK, _SPARE, _ITERATIONS = 32, 8, 10
_CLUSTERED_LEVELS = 6
"""Below this level groups are split evenly by item number, so that codes stay short."""


def hierarchical_codes(histories: Histories, n_items: int, seed: int) -> list[tuple[int, ...]]:
    """Compute a code for each item; items of the same histories share first numbers. No code is a prefix of another.

    Args:
        histories: Lists of item numbers.
        n_items: Number of items; those in no history get codes too.
        seed: Seed of the k-means.
    """
    generator = np.random.default_rng(seed)
    points = spectral_embedding(histories, n_items, generator)
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


def spectral_embedding(histories: Histories, n_items: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Compute a point for each item, near those of items in the same histories, ``(n_items, at most 32)``.

    The points are the rows of the normalized co-occurrence of items in its strongest directions, scaled to length 1.
    The co-occurrence matrix is not formed: its eigenvectors are the singular vectors of histories by items, divided by
    the square roots of row and column sums. An item in no history is all zeros.
    """
    if not len(histories.items):
        return np.zeros((n_items, 1))
    shape = (len(histories), n_items)
    seen = scipy.sparse.csr_matrix((np.ones(len(histories.items)), histories.items, histories.indptr), shape=shape)
    seen.sum_duplicates()
    seen.data[:] = 1.0
    rows, columns = (np.asarray(seen.sum(axis=axis)).ravel() for axis in (1, 0))
    left, right = (scipy.sparse.diags(1 / np.sqrt(np.maximum(sums, 1))) for sums in (rows, columns))
    strength, vectors = _strongest((left @ seen @ right).tocsr(), generator)
    points = np.where(columns[:, None] > 0, vectors * strength**2, 0.0)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    found: NDArray[np.float64] = np.round(points / np.where(lengths > 1e-9, lengths, 1.0), 6)
    return found


def _strongest(
    matrix: scipy.sparse.csr_matrix, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest singular values, ``(r,)``, and their right vectors, ``(n, r)``, by subspace iteration."""
    drawn = generator.standard_normal((matrix.shape[1], min(matrix.shape[1], _RANK + _SPARE)))
    for _ in range(_ITERATIONS):
        drawn = np.linalg.qr(matrix.T @ (matrix @ drawn))[0]
    _, values, turned = np.linalg.svd(matrix @ drawn, full_matrices=False)
    return values[:_RANK], drawn @ turned[:_RANK].T


def _clusters(points: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Labels 0, 1, … of two to :data:`BRANCHING` clusters."""
    chosen = [int(generator.integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    for _ in range(BRANCHING - 1):  # k-means++: the next centre is probably far from the others
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        if not nearest.any():
            break
        chosen.append(int(generator.choice(len(points), p=nearest / nearest.sum())))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster is empty
        _, labels = kmeans2(points, points[chosen], iter=20, minit="matrix")
    used, dense = np.unique(labels, return_inverse=True)
    return _evenly(len(points)) if len(used) < 2 else dense.astype(np.int64)


def _evenly(count: int) -> NDArray[np.int64]:
    return np.arange(count) * BRANCHING // count
