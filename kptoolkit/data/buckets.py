"""Orders samples so that a batch contains samples of similar length, which saves padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POOL = 50
"""Batches that are sorted by length together. With more, lengths in a batch are closer and the order is less random."""


def bucketed(lengths: NDArray[np.int64], together: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return an order of all samples in which each ``together`` successive ones have similar lengths.

    The samples are shuffled and sorted by length in pools of :data:`POOL` batches; then the batches are shuffled. The
    samples that do not fill a batch come last; they are drawn at random from all samples, so that no length is rarer.

    Args:
        lengths: ``(N,)`` length of each sample.
        together: Samples per step, over all processes.
        generator: Random generator.

    Returns:
        A permutation of ``0 .. N-1``.
    """
    shuffled = generator.permutation(len(lengths))
    whole = len(shuffled) - len(shuffled) % together
    full, rest = shuffled[:whole], shuffled[whole:]
    pool = np.arange(whole) // (POOL * together)
    batches = full[np.lexsort((lengths[full], pool))].reshape(-1, together)
    ordered: NDArray[np.int64] = np.concatenate([generator.permutation(batches).reshape(-1), rest])
    return ordered
