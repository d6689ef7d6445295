"""A batch of prompts as padded arrays.

Two integers per token, its node and that node's parent, encode the visibility matrix (KP4SR, section on knowledge tree
masks); the matrix itself is computed on the device.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT


@dataclass(frozen=True)
class Batch:
    """The prompts of one batch, padded on the right.

    Attributes:
        input_ids: ``(B, L)`` token ids.
        node: ``(B, L)`` tree node of each token.
        parent: ``(B, L)`` parent of that node.
        whole_word: ``(B, L)`` number of the word a token belongs to, from 1; 0 for padding.
        left_out: Number of triplets that the budget leaves out, summed over the samples.
        dropped_items: Number of history items that the budget leaves out, summed over the samples.
        triplets: ``(3, S)`` sample, node and index in the item trees of every triplet prompt in the batch.
    """

    input_ids: NDArray[np.int32]
    node: NDArray[np.int16]
    parent: NDArray[np.int16]
    whole_word: NDArray[np.int16]
    left_out: int = 0
    dropped_items: int = 0
    triplets: NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, 0), dtype=np.int64))

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """The prompts in these rows, in this order; nothing is counted."""
        return Batch(self.input_ids[rows], self.node[rows], self.parent[rows], self.whole_word[rows])

    def without(self, removed: NDArray[np.bool_], pad_id: int) -> Batch:
        """Return variants of the first prompt, each assembled without some of its nodes.

        Args:
            removed: ``(V, N)`` whether a variant lacks a node, for nodes 0 to N - 1.
            pad_id: Padding token.

        Returns:
            V prompts; later tokens move up, and words are numbered again.
        """
        node, starts = self.node[0], np.diff(self.whole_word[0], prepend=0)
        remains = (node != PAD_NODE) & ~removed[:, np.maximum(node, 0)]  # (V, L)
        order = np.argsort(~remains, axis=1, kind="stable")
        lengths = remains.sum(axis=1)
        there = np.arange(int(lengths.max(initial=0))) < lengths[:, None]  # (V, L')
        order = order[:, : there.shape[1]]
        words = np.where(there, np.cumsum(np.where(there, starts[order], 0), axis=1), 0)
        return Batch(
            np.where(there, self.input_ids[0][order], pad_id),
            np.where(there, node[order], PAD_NODE).astype(np.int16),
            np.where(there, self.parent[0][order], PAD_PARENT).astype(np.int16),
            words.astype(np.int16),
        )

    @classmethod
    def of_texts(
        cls,
        pool: TokenPool,
        owner: NDArray[np.int64],
        text: NDArray[np.int64],
        node: NDArray[np.int64],
        parent: NDArray[np.int64],
        *,
        count: int,
        pad_id: int,
    ) -> Batch:
        """Concatenate texts inside each row.

        Args:
            pool: Tokens of every text.
            owner: ``(P,)`` row that each text belongs to, ascending.
            text: ``(P,)`` numbers in ``pool``.
            node: ``(P,)`` tree node of each text.
            parent: ``(P,)`` parent of that node.
            count: Number of rows, B.
            pad_id: Padding token.
        """
        lengths = pool.lengths[text]
        totals = np.bincount(owner, weights=lengths, minlength=count).astype(np.int64)
        piece = np.repeat(np.arange(len(text)), lengths)  # (T,) index in ``text``
        source = (pool.indptr[text] - np.cumsum(lengths) + lengths)[piece] + np.arange(len(piece))
        running = np.cumsum(pool.starts[source])  # (T,) words up to each token, over all rows
        before = np.concatenate([[0], running])[np.cumsum(totals) - totals]  # (B,) words of all earlier rows
        there = np.arange(int(totals.max(initial=0))) < totals[:, None]  # (B, L)
        ids = np.full(there.shape, pad_id, dtype=np.int32)
        nodes = np.full(there.shape, PAD_NODE, dtype=np.int16)
        parents = np.full(there.shape, PAD_PARENT, dtype=np.int16)
        words = np.zeros(there.shape, dtype=np.int16)
        ids[there] = pool.ids[source]
        nodes[there] = node.astype(np.int16)[piece]
        parents[there] = parent.astype(np.int16)[piece]
        words[there] = running - before[owner][piece]
        return cls(ids, nodes, parents, words)
