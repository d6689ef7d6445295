"""The inverse of a dense symmetric matrix, computed in its own memory."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

MAX_SIZE: Final = 15_000
"""Largest side of a dense matrix that is inverted; its 900 MB are needed about three times."""
_BLOCK = 1024


def inverse_of(gram: NDArray[np.float32], regularization: float) -> NDArray[np.float32]:
    """Compute the inverse of a symmetric matrix plus a multiple of the identity.

    Args:
        gram: ``(m, m)``, positive semi-definite; its memory is overwritten.
        regularization: Added to the diagonal.

    Raises:
        LinAlgError: The matrix is singular.
    """
    if not len(gram):
        return gram
    gram[np.diag_indices_from(gram)] += np.float32(regularization)
    factor, not_factored = lapack.spotrf(gram.T, lower=True, overwrite_a=True)
    inverse, not_inverted = lapack.spotri(factor, lower=True, overwrite_c=True)
    if not_factored or not_inverted:
        raise np.linalg.LinAlgError(f"the matrix is singular at regularization {regularization}")
    for first in range(0, len(inverse), _BLOCK):
        rows = slice(first, first + _BLOCK)
        inverse[:first, rows] = inverse[rows, :first].T
        inverse[rows, rows] = np.tril(inverse[rows, rows]) + np.tril(inverse[rows, rows], -1).T
    result: NDArray[np.float32] = inverse
    return result
