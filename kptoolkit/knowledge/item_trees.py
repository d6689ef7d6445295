"""The triplet prompts below every item of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.ragged import Ragged

_ARRAYS = ("indptr", "prompt", "parent", "hop", "dfs")


@dataclass(frozen=True, eq=False)
class ItemTrees(Ragged):
    """The triplet prompts below every item; one row per item of the catalogue, breadth first inside an item.

    Attributes:
        prompt: ``(S,)`` number of the distinct prompt.
        parent: ``(S,)`` index inside the item of the parent triplet, -1 if the parent is the item.
        hop: ``(S,)`` hops from the item, from 1.
        dfs: ``(S,)`` rank inside the item in depth-first order.
    """

    columns = ("prompt", "parent", "hop", "dfs")
    prompt: NDArray[np.int32]
    parent: NDArray[np.int32]
    hop: NDArray[np.int8]
    dfs: NDArray[np.int32]

    @classmethod
    def empty(cls) -> ItemTrees:
        """Create the trees of a catalogue without items."""
        whole, small = np.zeros(0, np.int32), np.zeros(0, np.int8)
        return cls(np.zeros(1, np.int64), whole, whole, small, whole)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by their names on disk."""
        return {f"tree_{name}": getattr(self, name) for name in _ARRAYS}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ItemTrees:
        """Create trees from the arrays of :attr:`arrays`."""
        return cls(*(arrays[f"tree_{name}"] for name in _ARRAYS))

    def permuted(self, order: NDArray[np.int64]) -> ItemTrees:
        """Give item i the tree of item ``order[i]``; -1 gives it no triplets."""
        return self.slices(self.indptr[order], np.where(order >= 0, self.lengths[order], 0))

    def cut(self, items: NDArray[np.int64], removed: Sequence[NDArray[np.int64]]) -> ItemTrees:
        """Return the trees of some items without some of their triplets; nothing takes their place.

        Args:
            items: ``(E,)`` catalogue rows, which may repeat.
            removed: For each of them, the numbers (in the S of this object) of the triplets to remove, together with
                all triplets below them.

        Returns:
            E trees, in this order.
        """
        trees = self.take(items)
        remains = np.ones(len(trees.prompt), dtype=bool)
        for number, (item, triplets) in enumerate(zip(items, removed, strict=True)):
            remains[trees.indptr[number] + triplets - self.indptr[item]] = False
        before = np.concatenate([[0], np.cumsum(remains)])  # remaining triplets before each
        first, rows = trees.indptr[trees.rows], np.maximum(trees.parent, 0)
        parent = np.where(trees.parent < 0, -1, before[first + rows] - before[first]).astype(np.int32)
        return ItemTrees(trees.indptr, trees.prompt, parent, trees.hop, trees.dfs).where(remains)

    def without_knowledge(self) -> ItemTrees:
        """Return the same catalogue without any triplet."""
        return self.keep(0)

    def shuffled(self, seed: int) -> ItemTrees:
        """Give every item that has triplets the tree of another such item, by one fixed derangement.

        A catalogue with fewer than two such items stays the same.

        Args:
            seed: Seed of the derangement.
        """
        nonempty = np.flatnonzero(self.lengths)
        order = np.arange(len(self), dtype=np.int64)
        if len(nonempty) > 1:
            cycle = np.random.default_rng(seed).permutation(nonempty)
            order[cycle] = np.roll(cycle, 1)
        return self.permuted(order)
