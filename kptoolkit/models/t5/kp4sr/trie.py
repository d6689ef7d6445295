"""The catalogue's token strings as a trie in CSR arrays, and the constraint that keeps beams inside it.

References:
    Constrained decoding over a trie of names: Autoregressive Entity Retrieval, arXiv 2010.00904.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessor

from kptoolkit.data.histories import Histories
from kptoolkit.storage.ragged import indptr_of

OFF = -1
"""Node of a beam outside the trie."""


@dataclass(frozen=True)
class Trie:
    """Strings of tokens that all end with the same end token, so that none is a prefix of another.

    Nodes are numbered depth first, children by token; node 0 is the root. The leaves are the strings, and the leaves
    below a node are neighbours in ``order``.

    Attributes:
        end: The last token of every string.
        token: ``(M,)`` token on the edge to a node; -1 for the root.
        parent: ``(M,)`` its parent; -1 for the root.
        depth: ``(M,)`` number of tokens from the root.
        children: ``(M + 1,)``: the edges of node v are ``[children[v], children[v + 1])``.
        target: ``(M - 1,)`` node at the end of an edge, sorted by parent and token.
        first: ``(M,)`` place in ``order`` of the first leaf below a node.
        leaves: ``(M,)`` number of leaves below a node, itself included.
        order: ``(n,)`` items, one per leaf, depth first.
        leaf: ``(n,)`` leaf of each item.
    """

    end: int
    token: NDArray[np.int64]
    parent: NDArray[np.int64]
    depth: NDArray[np.int64]
    children: NDArray[np.int64]
    target: NDArray[np.int64]
    first: NDArray[np.int64]
    leaves: NDArray[np.int64]
    order: NDArray[np.int64]
    leaf: NDArray[np.int64]

    @classmethod
    def of(cls, ids: NDArray[np.int32], indptr: NDArray[np.int64], end: int) -> Self:
        """Create the trie of n strings; string i is ``ids[indptr[i]:indptr[i + 1]]``.

        Raises:
            ValueError: There is no string, two are equal, or one contains ``end``.
        """
        lengths = np.diff(indptr)
        if len(lengths) == 0 or bool((ids == end).any()):
            raise ValueError("a trie needs strings that do not contain their own end")
        padded = np.full((len(lengths), int(lengths.max()) + 1), -1, dtype=np.int64)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = ids
        padded[np.arange(len(lengths)), lengths] = end
        order = np.lexsort(padded.T[::-1]).astype(np.int64)
        padded = padded[order]  # (n, T)
        begins = np.ones_like(padded, dtype=bool)
        begins[1:] = padded[1:] != padded[:-1]
        begins = np.logical_or.accumulate(begins, axis=1) & (padded >= 0)
        own = np.where(begins, np.cumsum(begins).reshape(begins.shape), 0)
        node = np.maximum.accumulate(own, axis=0)  # (n, T) node of each prefix
        row, column = np.nonzero(begins)
        leaf = own[np.arange(len(order)), lengths[order]]
        if bool((leaf == 0).any()):
            raise ValueError(f"item {order[np.argmin(leaf)]} has the string of another item")
        above = np.where(column > 0, node[row, np.maximum(column - 1, 0)], 0)
        size = 1 + len(row)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = leaf
        return cls(
            end,
            np.concatenate([[-1], padded[row, column]]),
            np.concatenate([[-1], above]),
            np.concatenate([[0], column + 1]),
            indptr_of(np.bincount(above, minlength=size)),
            1 + np.argsort(above, kind="stable"),
            np.concatenate([[0], row]),
            np.concatenate([[len(order)], np.bincount(node[padded >= 0], minlength=size)[1:]]),
            order,
            place,
        )

    def __len__(self) -> int:
        return len(self.token)

    @property
    def n_items(self) -> int:
        """Number of strings."""
        return len(self.order)

    @cached_property
    def item(self) -> NDArray[np.int64]:
        """``(M,)`` item of each leaf; -1 for other nodes."""
        items = np.full(len(self), -1, dtype=np.int64)
        items[self.leaf] = np.arange(self.n_items)
        return items

    def excluded_before(self, excluded: Histories) -> NDArray[np.int32]:
        """Number of leaves before each place in ``order`` whose items are excluded, ``(B, n + 1)`` for B cases."""
        place = np.empty(self.n_items, dtype=np.int64)
        place[self.order] = np.arange(self.n_items)
        flags = np.zeros((len(excluded), self.n_items + 1), dtype=np.int32)
        flags[excluded.rows, 1 + place[excluded.items]] = 1
        counts: NDArray[np.int32] = np.cumsum(flags, axis=1, dtype=np.int32)
        return counts


class TrieConstraint(LogitsProcessor):  # type: ignore[misc]
    """Restricts beams to items outside a history: a token that does not lead to such an item gets ``-inf``.

    A beam whose string is complete, or that is outside the trie, continues with padding only. No node without an
    allowed item below it is entered, so that every beam ends in an item, and different beams in different items.

    Args:
        trie: The catalogue.
        excluded: Items of each case that must not be found.
        pad: The padding token.
        prefix: Number of tokens before the string in every beam.
        device: Device of the beams.
    """

    def __init__(self, trie: Trie, excluded: Histories, pad: int, prefix: int, device: torch.device) -> None:
        self.pad, self.prefix, self.cases = pad, prefix, len(excluded)
        self.children, self.target, self.token, self.first, self.leaves, self.item = (
            torch.from_numpy(array).to(device)
            for array in (trie.children, trie.target, trie.token, trie.first, trie.leaves, trie.item)
        )
        self.excluded_before = torch.from_numpy(trie.excluded_before(excluded)).to(device)
        self.stride = 2 + int(trie.token.max())
        parents = torch.from_numpy(trie.parent[trie.target]).to(device)
        self.keys = parents * self.stride + self.token[self.target]  # (M - 1,) increasing

    def nodes(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Node of each beam, ``(R,)``: -1 outside the trie; a leaf whatever tokens follow it."""
        at = torch.zeros(len(input_ids), dtype=torch.long, device=input_ids.device)
        for token in input_ids[:, self.prefix :].unbind(1):
            key = at * self.stride + token.clamp(max=self.stride - 1)
            edge = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
            follows = (at >= 0) & (self.keys[edge] == key)
            at = torch.where(self.items(at) >= 0, at, torch.where(follows, self.target[edge], OFF))
        return at

    def items(self, nodes: torch.Tensor) -> torch.Tensor:
        """Item whose string ends at each node; -1 for none."""
        return torch.where(nodes >= 0, self.item[nodes.clamp(min=0)], -1)

    def allowed(self, nodes: torch.Tensor, case: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of ``nodes`` ``(R,)`` and the tokens that may follow them in their cases, both ``(E,)``."""
        safe = nodes.clamp(min=0)
        begin = self.children[safe]
        counts = torch.where(nodes >= 0, self.children[safe + 1] - begin, 0)
        row = torch.repeat_interleave(counts)  # (E,)
        before = counts.cumsum(0) - counts
        edge = torch.arange(len(row), device=nodes.device) - before[row] + begin[row]
        child = self.target[edge]
        first, last = self.first[child], self.first[child] + self.leaves[child]
        excluded = self.excluded_before[case[row], last] - self.excluded_before[case[row], first]
        allowed = self.leaves[child] > excluded
        return row[allowed], self.token[child[allowed]]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Set scores ``(R, V)`` of tokens that are not allowed to ``-inf``; each of B cases has R / B beams."""
        case = torch.arange(len(input_ids), device=scores.device) // (len(input_ids) // self.cases)
        row, token = self.allowed(self.nodes(input_ids), case)
        constrained = torch.full_like(scores, -torch.inf)
        constrained[row, token] = scores[row, token]
        complete = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
        complete[row] = False
        constrained[complete, self.pad] = scores[complete, self.pad]
        return constrained
