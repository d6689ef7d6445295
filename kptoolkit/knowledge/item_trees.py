"""The triplet prompts below every item of a catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.ragged import Ragged

_ARRAYS = ("indptr", "prompt", "parent", "hop", "dfs")
_FEWEST_TO_EXCHANGE = 20
"""Triplets of one size among which prompts are exchanged; with fewer, other sizes take part."""


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

    def with_below(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return chosen triplets together with all triplets below them, ``(S,)``.

        Args:
            chosen: ``(S,)`` chosen triplets.
        """
        above = np.where(self.parent < 0, -1, self.indptr[self.rows] + self.parent)
        return with_descendants(chosen, self.hop, above)

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

    def with_random_prompts(self, sizes: NDArray[np.integer[Any]], seed: int) -> ItemTrees:
        """Give every triplet the prompt of a random other one of the same hop and size; the shape of each tree stays.

        So an item has as many prompts of the same sizes as before, each prompt occurs as often as before, and none says
        more about its item than about any other. Where fewer than 20 triplets have one hop and size, those of the next
        sizes take part, so that their prompts do not stay where they are.

        Args:
            sizes: ``(P,)`` size of each distinct prompt, such as its number of words.
            seed: Seed of the exchange.
        """
        drawn = np.random.default_rng(seed).permutation(len(self.prompt))
        size, prompt = np.asarray(sizes)[self.prompt], self.prompt.copy()
        for hop in np.unique(self.hop):
            level = drawn[self.hop[drawn] == hop]
            level = level[np.argsort(size[level], kind="stable")]  # by size, then random
            for part in _parts(size[level]):
                prompt[level[part]] = self.prompt[np.roll(level[part], 1)]
        return replace(self, prompt=prompt)


def with_descendants(
    chosen: NDArray[np.bool_], hop: NDArray[np.integer[Any]], parent: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Return chosen triplets together with all their descendants.

    Args:
        chosen: ``(..., T)`` chosen triplets.
        hop: ``(T,)`` hops from the item, from 1.
        parent: ``(T,)`` index of the parent among the T triplets; -1 for none.

    Returns:
        ``(..., T)``.
    """
    found = chosen.copy()
    for each in range(2, int(hop.max(initial=1)) + 1):
        level = np.flatnonzero((hop == each) & (parent >= 0))
        found[..., level] |= found[..., parent[level]]
    return found


def _parts(sizes: NDArray[Any]) -> Iterator[slice]:
    """Stretches of sorted sizes: one per size, or several sizes where one has few values."""
    first, count = 0, len(sizes)
    for end in [*(np.flatnonzero(np.diff(sizes)) + 1).tolist(), count]:
        if end == count or min(end - first, count - end) >= _FEWEST_TO_EXCHANGE:
            yield slice(first, end)
            first = end
