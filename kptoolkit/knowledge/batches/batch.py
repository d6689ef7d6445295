"""A batch of prompts as arrays.

Two integers a token, its node and its node's parent, stand for the visibility matrix (KP4SR, section on knowledge tree
masks); the matrix itself is made on the device.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT


@dataclass(frozen=True)
class Batch:
    """Prompts of one batch, padded on the right.

    Attributes:
        input_ids: ``(B, L)`` token ids.
        node: ``(B, L)`` tree node of each token.
        parent: ``(B, L)`` parent of that node.
        whole_word: ``(B, L)`` number of the word a token belongs to, from 1; 0 for padding.
        left_out: Triplets the budget left out, all samples together.
        dropped_items: History items the budget left out, all samples together.
        triplets: ``(3, S)`` sample, node and row in the item trees of every triplet prompt that stands in it.
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

    def without(self, gone: NDArray[np.bool_], pad_id: int) -> Batch:
        """Variants of the first prompt, each as it would be had it never held some of its nodes.

        Args:
            gone: ``(V, N)`` whether a variant lacks a node, for all its nodes from 0.
            pad_id: Padding token.

        Returns:
            V prompts: the tokens behind a gap move up, and words are counted anew.
        """
        node, starts = self.node[0], np.diff(self.whole_word[0], prepend=0)
        kept = (node != PAD_NODE) & ~gone[:, np.maximum(node, 0)]  # (V, L)
        order = np.argsort(~kept, axis=1, kind="stable")
        lengths = kept.sum(axis=1)
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
        """Texts laid out one behind the other, each in the row that owns it.

        Args:
            pool: Tokens of every text.
            owner: ``(P,)`` row of each text, ascending.
            text: ``(P,)`` numbers in ``pool``.
            node: ``(P,)`` tree node of each text.
            parent: ``(P,)`` parent of that node.
            count: Number of rows, B.
            pad_id: Token behind the shorter rows.
        """
        lengths = pool.lengths[text]
        totals = np.bincount(owner, weights=lengths, minlength=count).astype(np.int64)
        piece = np.repeat(np.arange(len(text)), lengths)  # (T,) which text
        source = (pool.indptr[text] - np.cumsum(lengths) + lengths)[piece] + np.arange(len(piece))
        running = np.cumsum(pool.starts[source])  # words, of all rows together
        before = np.concatenate([[0], running])[np.cumsum(totals) - totals]  # (B,) of the rows above
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
