"""The visibility matrix on the device, computed once per batch from two integers per token."""

from __future__ import annotations

import torch

from kptoolkit.tree.visibility import ROOT, ROOT_PARENT


def visible(node: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
    """Compute the tree mask of a batch (KP4SR, knowledge tree mask).

    A token sees its own node, its node's parent, children and siblings.

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node, the root's -1, padding's -3.

    Returns:
        ``(B, L, L)`` bool, symmetric, True on the diagonal.
    """
    if node.device.type == "cpu":
        return _looked_up(node.long(), parent)
    return _compared(node, parent)


def one_node(node: torch.Tensor, parent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put all tokens except padding into the root, so that the tree mask hides nothing of a prompt.

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node.
    """
    return node.clamp(max=ROOT), torch.where(node < ROOT, parent, torch.full_like(parent, ROOT_PARENT))


def _compared(node: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
    """Compare every token with every other."""
    node_q, node_k = node.unsqueeze(-1), node.unsqueeze(-2)  # (B, L, 1), (B, 1, L)
    parent_q, parent_k = parent.unsqueeze(-1), parent.unsqueeze(-2)
    same, above, below = node_q == node_k, parent_q == node_k, node_q == parent_k
    return same | above | below | (parent_q == parent_k)


def _looked_up(node: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
    """Compare every node with every other and copy whole rows to the tokens: several times as fast on CPU."""
    size, length = node.shape
    place = torch.where(node < 0, node.max().clamp(min=-1) + 1, node)  # padding after the last node
    count = int(place.max()) + 1 if length else 1
    nodes, parents = (torch.full((size, count), -3 - kind, dtype=node.dtype) for kind in (1, 2))  # nodes without tokens
    nodes.scatter_(1, place, node)
    parents.scatter_(1, place, parent.to(node.dtype))
    table = _compared(nodes, parents)  # (B, N, N), symmetric
    row = (place + count * torch.arange(size).unsqueeze(1)).flatten()  # (B L,) of the rows of all tables
    by_token = table.flatten(0, 1).index_select(0, row).view(size, length, count)
    by_node = by_token.transpose(1, 2).contiguous().flatten(0, 1)  # (B N, L)
    return by_node.index_select(0, row).view(size, length, length)


def additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert a mask to a float mask for attention scores: 0 where it is True, half the lowest number elsewhere.

    T5's eager attention *adds* the mask, so that a boolean one would hide nothing; a float mask has the same meaning in
    every implementation. It is half the lowest number because a relative position bias is added to it.

    Args:
        mask: ``(B, L, L)`` bool.
        dtype: Type of the attention scores.

    Returns:
        ``(B, 1, L, L)`` of ``dtype``.
    """
    return masked(torch.zeros((), dtype=dtype, device=mask.device), mask).unsqueeze(1)


def masked(bias: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """``bias`` where ``mask`` is True, half the lowest number elsewhere; both broadcast."""
    return torch.where(mask, bias, torch.finfo(bias.dtype).min / 2)
