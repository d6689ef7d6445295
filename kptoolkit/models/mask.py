"""The visibility matrix on the device, made once a batch from two integers a token."""

from __future__ import annotations

import torch


def visible(node: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
    """The tree mask of a batch (KP4SR, knowledge tree mask).

    A token sees its own node, its node's parent, children and siblings.

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node, the root's -1, padding's -3.

    Returns:
        ``(B, L, L)`` bool, symmetric, True on the diagonal.
    """
    node_q, node_k = node.unsqueeze(-1), node.unsqueeze(-2)  # (B, L, 1), (B, 1, L)
    parent_q, parent_k = parent.unsqueeze(-1), parent.unsqueeze(-2)
    same, above, below = node_q == node_k, parent_q == node_k, node_q == parent_k
    return same | above | below | (parent_q == parent_k)


def additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A float mask to add to attention scores: 0 where ``mask`` is True, half the least number elsewhere.

    T5's eager attention *adds* whatever mask it is given, so that a boolean one lets every token through; a float mask
    means the same to every implementation. Half the least number, because a relative position bias is added to it.

    Args:
        mask: ``(B, L, L)`` bool.
        dtype: Type of the attention scores.

    Returns:
        ``(B, 1, L, L)`` of ``dtype``.
    """
    blocked = torch.finfo(dtype).min / 2
    return torch.where(mask, 0.0, blocked).to(dtype).unsqueeze(1)
