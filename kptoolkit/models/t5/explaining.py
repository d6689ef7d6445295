"""What both T5 backends share when they list triplets and score variants without them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.models.backend import Triplets

SCORES_AT_ONCE = 2**24
"""Scores of variants that are in memory at once."""


def listed_triplets(
    knowledge: CompiledKnowledge, item: NDArray[np.int64], row: NDArray[np.int64], known_by: NDArray[np.int64]
) -> Triplets:
    """List triplets by item and row of the item trees, with their parents among each other.

    Args:
        knowledge: Item trees and their sentences.
        item: ``(T,)`` catalogue rows.
        row: ``(T,)`` rows in the item trees.
        known_by: ``(T,)`` numbers by which the backend finds them again.
    """
    trees = knowledge.trees
    order = np.lexsort((row, item))
    item, row, known_by = item[order], row[order], known_by[order]
    above = np.asarray(trees.parent)[row]
    place = np.searchsorted(row, trees.indptr[item] + np.maximum(above, 0))
    there = (above >= 0) & (place < len(row))
    there[there] = row[place[there]] == (trees.indptr[item] + above)[there]
    hop = np.asarray(trees.hop)[row].astype(np.int64)
    prompts = knowledge.prompts.take(trees.prompt[row])
    return Triplets(item, known_by, np.where(there, place, -1), hop, prompts)


def parts(count: int, items: int) -> Iterator[NDArray[np.int64]]:
    """Numbers below ``count`` in parts of at most :data:`SCORES_AT_ONCE` scores of ``items`` items each."""
    size = max(1, SCORES_AT_ONCE // items)
    return (np.arange(first, min(first + size, count)) for first in range(0, count, size))
