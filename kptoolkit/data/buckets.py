"""Batches of prompts of similar length, so that little of a batch is padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POOL = 50
"""Batches that are sorted by length together. More make batches more alike and the order less random."""


def bucketed(lengths: NDArray[np.int64], together: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """An order of all samples in which every ``together`` successive ones are of similar length.

    The samples are shuffled and sorted by length in pools of :data:`POOL` batches; then the batches are shuffled. Those
    that fill no batch stand at the end and are a random draw of all, so that no length is seen less than another.

    Args:
        lengths: ``(N,)`` length of each sample.
        together: Samples of one step, of all processes.
        generator: Source of the draws.

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
