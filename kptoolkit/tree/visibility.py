"""Which token sees which, from two integers per token: its tree node and that node's parent.

The definition is :meth:`kptoolkit.tree.KnowledgeTree.visibility`, computed from the tree; a property test checks that
both are equal. :mod:`kptoolkit.models.tree_mask` computes the same on a device, once per batch.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ROOT = 0
"""Node of the MPP's own words, the mask token and the end-of-sequence token."""
ROOT_PARENT = -1
"""Parent of the root: no node."""
PAD_NODE = -2
"""Node of padding."""
PAD_PARENT = -3
"""Parent of padding: padding sees only padding, and no other token sees padding."""
MaskKind = Literal["tree", "linked", "branch", "upward", "off"]
"""``tree`` is the paper's mask: own node, parent, children, siblings. ``linked``: the same, and a token that is an
entity sees that entity's tokens in all nodes. ``branch``: everything below the same child of the root, and the root,
which sees all; in a prompt a branch is an item of the history with its triplets. ``upward``: own node and children
only, so that what is known of a node passes to its parent and nothing comes back. ``off``: every token sees all
tokens."""


def visible(
    node_q: NDArray[np.integer[Any]],
    parent_q: NDArray[np.integer[Any]],
    node_k: NDArray[np.integer[Any]],
    parent_k: NDArray[np.integer[Any]],
) -> NDArray[np.bool_]:
    """Return whether query tokens see key tokens: own node, parent, children, siblings (KP4SR, tree mask).

    Args:
        node_q: Nodes of the queries; the four arrays broadcast against each other.
        parent_q: Parents of those nodes.
        node_k: Nodes of the keys.
        parent_k: Parents of those nodes.

    Returns:
        Bool, of the broadcast shape.
    """
    same, sibling = node_q == node_k, parent_q == parent_k
    result: NDArray[np.bool_] = same | sibling | (parent_q == node_k) | (parent_k == node_q)
    return result


def matrix(node: NDArray[np.integer[Any]], parent: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return the visibility matrix of each sequence.

    Args:
        node: ``(..., L)`` node of each token.
        parent: ``(..., L)`` parent of that node.

    Returns:
        ``(..., L, L)``, symmetric, True on the diagonal.
    """
    return visible(node[..., :, None], parent[..., :, None], node[..., None, :], parent[..., None, :])
