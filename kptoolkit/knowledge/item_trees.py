"""The triplet prompts below every item of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TREE = ("indptr", "prompt", "parent", "hop", "dfs")


@dataclass(frozen=True)
class ItemTrees:
    """The triplet prompts below every item, CSR by catalogue row, breadth first inside an item.

    Attributes:
        indptr: ``(n_items + 1,)``; the triplets of item i are rows ``[indptr[i], indptr[i + 1])``.
        prompt: ``(S,)`` number of the distinct prompt.
        parent: ``(S,)`` index inside the item of the triplet it hangs under, -1 below the item itself.
        hop: ``(S,)`` hops from the item, from 1.
        dfs: ``(S,)`` rank inside the item in depth-first order.
    """

    indptr: NDArray[np.int64]
    prompt: NDArray[np.int32]
    parent: NDArray[np.int32]
    hop: NDArray[np.int8]
    dfs: NDArray[np.int32]

    @classmethod
    def none(cls) -> ItemTrees:
        """No item at all."""
        whole, small = np.zeros(0, np.int32), np.zeros(0, np.int8)
        return cls(np.zeros(1, np.int64), whole, whole, small, whole)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The attributes, as they are kept on disk."""
        return {f"tree_{name}": getattr(self, name) for name in _TREE}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ItemTrees:
        """What :attr:`arrays` gave."""
        return cls(*(arrays[f"tree_{name}"] for name in _TREE))

    @property
    def n_items(self) -> int:
        """Catalogue size."""
        return len(self.indptr) - 1

    def permuted(self, order: NDArray[np.int64]) -> ItemTrees:
        """The trees with item i given those of item ``order[i]``; -1 gives none."""
        sizes = np.where(order >= 0, np.diff(self.indptr)[order], 0)
        indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.repeat(self.indptr[order] - indptr[:-1], sizes) + np.arange(indptr[-1])
        return ItemTrees(indptr, self.prompt[rows], self.parent[rows], self.hop[rows], self.dfs[rows])

    def cut(self, items: NDArray[np.int64], gone: Sequence[NDArray[np.int64]]) -> ItemTrees:
        """The trees of some items, each without some of its triplets; no other takes their place.

        Args:
            items: ``(E,)`` catalogue rows; one may come several times.
            gone: For each, the rows of this object to leave out, with all that hang under them.

        Returns:
            E trees, in this order.
        """
        sizes = np.diff(self.indptr)[items]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.repeat(self.indptr[items] - first[:-1], sizes) + np.arange(first[-1])
        kept = np.ones(len(rows), dtype=bool)
        for number, (item, left_out) in enumerate(zip(items, gone, strict=True)):
            kept[first[number] + left_out - self.indptr[item]] = False
        before = np.concatenate([[0], np.cumsum(kept)])  # how many are kept before each
        owner = np.repeat(np.arange(len(items)), sizes)[kept]
        rows, indptr = rows[kept], before[first].astype(np.int64)
        above = self.parent[rows]
        parent = np.where(above < 0, -1, before[first[owner] + np.maximum(above, 0)] - indptr[owner])
        return ItemTrees(indptr, self.prompt[rows], parent.astype(np.int32), self.hop[rows], self.dfs[rows])

    def without_knowledge(self) -> ItemTrees:
        """The same catalogue with no triplet under any item."""
        return self.permuted(np.full(self.n_items, -1, dtype=np.int64))

    def shuffled(self, seed: int) -> ItemTrees:
        """Every item that has triplets gets those of another such item, by one fixed derangement.

        A catalogue with fewer than two such items is returned as it is.
        """
        having = np.flatnonzero(np.diff(self.indptr))
        order = np.arange(self.n_items, dtype=np.int64)
        if len(having) > 1:
            cycle = np.random.default_rng(seed).permutation(having)
            order[cycle] = np.roll(cycle, 1)
        return self.permuted(order)
