"""Assembles the trees of items as batches of tokens: subtrees of a prompt's tree (KP4SR, knowledge tree).

The item is the root of its own tree. The tokens of node 0 are its name; its triplet prompts follow depth first. Below
the item, nodes are as in :mod:`kptoolkit.tree.linearization`: under the mask, a token sees the same tokens as in a
prompt, except the MPP and the other items of the history.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import PromptTooLongError
from kptoolkit.knowledge.batches.batch import Batch
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.names import quantity
from kptoolkit.storage.ragged import offsets
from kptoolkit.tree.visibility import ROOT, ROOT_PARENT


class TreeAssembler:
    """Assembles the trees of items as batches.

    Args:
        knowledge: Compiled item trees.
        names: Tokens of every item's name, by catalogue row; none is empty.
        max_tokens: Budget of one tree; triplets beyond it are left out, the last ones in breadth-first order.
        pad_id: Padding token.
        own: ``(n,)`` token of each item. In the item's own tree ``stand_in`` replaces it, so that an item that was
            never trained is read like the others; ``None`` if items have no tokens of their own in prompts.
        stand_in: Token for "this item".

    Attributes:
        n_items: Number of trees.
        fitting: ``(n,)`` number of triplets of each item that fit.

    Raises:
        PromptTooLongError: An item's name alone exceeds the budget.
    """

    def __init__(
        self,
        knowledge: CompiledKnowledge,
        names: TokenPool,
        *,
        max_tokens: int,
        pad_id: int,
        own: NDArray[np.int32] | None = None,
        stand_in: int = 0,
    ) -> None:
        longest = int(names.lengths.max(initial=0))
        if longest > max_tokens:
            raise PromptTooLongError(
                f"an item's name takes {quantity(longest, 'tokens')}, tree.max_tokens allows {max_tokens}; raise it"
            )
        self.trees, self.pad_id = knowledge.trees, pad_id
        self._own, self._stand_in = own, stand_in
        self._pool = TokenPool.concat([names, knowledge.pool])
        self._n = self.n_items = len(names)
        self.fitting = self._count_fitting(names, max_tokens)

    def _count_fitting(self, names: TokenPool, max_tokens: int) -> NDArray[np.int64]:
        """``(n,)`` number of triplets of each item that fit."""
        trees = self.trees
        running = np.concatenate([[0], np.cumsum(self._pool.lengths[self._n + trees.prompt])])
        owner = trees.rows
        used = running[1:] - running[trees.indptr[owner]] + names.lengths[owner]
        return np.bincount(owner[used <= max_tokens], minlength=self._n).astype(np.int64)

    @property
    def left_out(self) -> int:
        """Number of triplets that the budget leaves out, over the whole catalogue."""
        return int(len(self.trees.prompt) - self.fitting.sum())

    def assemble(self, items: NDArray[np.int64]) -> Batch:
        """Assemble the trees of B items, ``(B, L)``."""
        trees, sizes = self.trees, self.fitting[items]
        owner = np.repeat(np.arange(len(items)), sizes)
        row = np.repeat(trees.indptr[items], sizes) + offsets(sizes)
        linear = np.lexsort((trees.dfs[row], owner))
        rank = np.empty(len(row), dtype=np.int64)  # node number of each triplet, from 1, depth first
        rank[linear] = offsets(sizes) + 1
        first = np.cumsum(sizes) - sizes
        above = trees.parent[row]
        parent = np.where(above < 0, ROOT, rank[first[owner] + np.maximum(above, 0)] if len(row) else 0)
        everyone = np.arange(len(items))
        order = np.lexsort((np.concatenate([np.zeros(len(items), np.int64), rank]), np.concatenate([everyone, owner])))
        text = np.concatenate([items, self._n + trees.prompt[row]])[order]
        node = np.concatenate([np.full(len(items), ROOT), rank])[order]
        parents = np.concatenate([np.full(len(items), ROOT_PARENT), parent])[order]
        owners = np.concatenate([everyone, owner])[order]
        batch = Batch.of_texts(self._pool, owners, text, node, parents, count=len(items), pad_id=self.pad_id)
        if self._own is not None:
            batch.input_ids[batch.input_ids == self._own[items][:, None]] = self._stand_in
        return batch
