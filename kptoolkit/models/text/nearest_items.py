"""Items whose vectors are nearest: whitening, and a search over the whole catalogue in chunks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

NEAREST: Final = 50
"""Nearest items of each item."""
POWER: Final = 4
"""Exponent of the cosine: it widens the lead of the nearest items."""
_LEAST_SHRINKAGE: Final = 0.9
_CHUNK: Final = 2**24  # cosines at a time


def whitened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the mean, scale directions towards equal variance, and scale every vector to length 1.

    The covariance is shrunk towards a multiple of the identity, by 0.9, and more for few vectors: the strongest
    directions are reduced, and those with almost no variance, which are noise, hardly gain.

    Args:
        vectors: ``(n, D)``; vectors of zeros stay zero and do not count.
    """
    there = vectors.any(axis=1)
    count, width = int(there.sum()), vectors.shape[1]
    white = np.zeros(vectors.shape, dtype=np.float32)
    if count < 2:
        return white
    centred = vectors[there].astype(np.float64)
    centred -= centred.mean(axis=0)
    covariance = centred.T @ centred / count
    variance = float(np.trace(covariance)) / width
    if variance <= 0:
        return white
    shrinkage = max(_LEAST_SHRINKAGE, width / (width + count))
    values, directions = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * variance * np.eye(width))
    white[there] = centred @ (directions / np.sqrt(values)) @ directions.T  # turned back: few more items change little
    return with_length_one(white)


def with_length_one(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors ``(n, D)`` to length 1; vectors of zeros stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.zeros(vectors.shape, dtype=np.float32)
    np.divide(vectors, lengths, out=scaled, where=lengths > 1e-9)
    return scaled


def nearest_items(vectors: NDArray[np.float32], nearest: int = NEAREST, power: int = POWER) -> Any:
    """Cosine, to a power, of each item with its nearest other items: CSR ``(n, n)``; cosines up to 0 are left out.

    Args:
        vectors: ``(n, D)`` of length 1 or 0.
        nearest: Most items of each row.
        power: Exponent.
    """
    n = len(vectors)
    most, size = min(nearest, n - 1), max(1, _CHUNK // max(1, n))
    found = [sp.csr_matrix((0, n), dtype=np.float32)]
    for first in range(0, n if most > 0 else 0, size):
        cosines = vectors[first : first + size] @ vectors.T
        rows = np.arange(len(cosines))[:, None]
        cosines[rows, first + rows] = -1.0
        columns = np.sort(np.argpartition(cosines, n - most, axis=1)[:, n - most :], axis=1)
        values = np.maximum(cosines[rows, columns], 0.0) ** power
        indptr = np.arange(len(cosines) + 1) * most
        chunk = sp.csr_matrix((values.ravel(), columns.ravel(), indptr), shape=(len(cosines), n), dtype=np.float32)
        chunk.eliminate_zeros()
        found.append(chunk)
    return sp.vstack(found, format="csr") if len(found) > 1 else sp.csr_matrix((n, n), dtype=np.float32)
