"""The visibility matrix on the device, computed once per batch from two integers per token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch

from kptoolkit.tree.visibility import ROOT, ROOT_PARENT, MaskKind

_MOST_HOPS: Final = 6


def linked(mask: torch.Tensor, input_ids: torch.Tensor, entities_from: int) -> torch.Tensor:
    """Let tokens of one entity see each other, wherever they are, in addition to what a mask lets them see.

    Args:
        mask: ``(B, L, L)`` bool.
        input_ids: ``(B, L)`` tokens.
        entities_from: The first token that is an entity; all after it are entities too.
    """
    same = input_ids.unsqueeze(-1) == input_ids.unsqueeze(-2)  # (B, L, L)
    return mask | (same & (input_ids >= entities_from).unsqueeze(-1))


def visible(node: torch.Tensor, parent: torch.Tensor, *, kind: MaskKind = "tree") -> torch.Tensor:
    """Compute the mask of a batch (KP4SR, knowledge tree mask).

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node, the root's -1, padding's -3.
        kind: What a token sees; the links of ``linked`` are added by :func:`linked`.

    Returns:
        ``(B, L, L)`` bool, True on the diagonal; row i says what token i sees. All kinds but ``upward`` are symmetric.
    """
    sees = SEES[kind]
    node, parent = arranged(node, parent, kind)
    if node.device.type == "cpu":
        return _looked_up(node.long(), parent, sees)
    return _compared(node, parent, sees)


def arranged(node: torch.Tensor, parent: torch.Tensor, kind: MaskKind) -> tuple[torch.Tensor, torch.Tensor]:
    """Prepare nodes and parents for :data:`SEES` of a kind of mask.

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node.
        kind: The kind of mask.
    """
    if kind == "off":
        return one_node(node, parent)
    return _branches(node, parent) if kind == "branch" else (node, parent)


def one_node(node: torch.Tensor, parent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put all tokens except padding into the root, so that the tree mask hides nothing of a prompt.

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node.
    """
    return node.clamp(max=ROOT), torch.where(node < ROOT, parent, torch.full_like(parent, ROOT_PARENT))


def _branches(node: torch.Tensor, parent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put all tokens below a child of the root into that child."""
    count = int(node.max()) + 1 if node.numel() else 0
    place = torch.where(node < 0, count, node).long()  # padding after the last node
    above = torch.full((len(node), count + 1), ROOT_PARENT, dtype=torch.long, device=node.device)
    above.scatter_(1, place, parent.clamp(min=ROOT_PARENT).long())
    branch = torch.arange(count + 1, device=node.device).expand_as(above)
    for _ in range(_MOST_HOPS):
        higher = above.gather(1, branch)
        branch = torch.where(higher > ROOT, higher, branch)
    real = node >= 0
    found = torch.where(real, branch.gather(1, place), node)
    return found, torch.where(real & (node > ROOT), torch.full_like(parent, ROOT), parent)


Sees = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def _sees_tree(
    node_q: torch.Tensor, parent_q: torch.Tensor, node_k: torch.Tensor, parent_k: torch.Tensor
) -> torch.Tensor:
    return (node_q == node_k) | (parent_q == node_k) | (node_q == parent_k) | (parent_q == parent_k)


def _sees_branch(
    node_q: torch.Tensor, parent_q: torch.Tensor, node_k: torch.Tensor, parent_k: torch.Tensor
) -> torch.Tensor:
    return (node_q == node_k) | (parent_q == node_k) | (node_q == parent_k)


def _sees_upward(node_q: torch.Tensor, _: torch.Tensor, node_k: torch.Tensor, parent_k: torch.Tensor) -> torch.Tensor:
    return (node_q == node_k) | (node_q == parent_k)


SEES: Final[Mapping[MaskKind, Sees]] = {
    "tree": _sees_tree,
    "linked": _sees_tree,
    "branch": _sees_branch,
    "upward": _sees_upward,
    "off": _sees_tree,
}
"""Whether a query sees a key, by node and parent of both, after :func:`arranged`."""


def _compared(node: torch.Tensor, parent: torch.Tensor, sees: Sees) -> torch.Tensor:
    """Compare every token with every other."""
    return sees(node.unsqueeze(-1), parent.unsqueeze(-1), node.unsqueeze(-2), parent.unsqueeze(-2))  # (B, L, L)


def _looked_up(node: torch.Tensor, parent: torch.Tensor, sees: Sees) -> torch.Tensor:
    """Compare every node with every other and copy whole rows to the tokens: several times as fast on CPU."""
    size, length = node.shape
    place = torch.where(node < 0, node.max().clamp(min=-1) + 1, node)  # padding after the last node
    count = int(place.max()) + 1 if length else 1
    nodes, parents = (torch.full((size, count), -3 - kind, dtype=node.dtype) for kind in (1, 2))  # nodes without tokens
    nodes.scatter_(1, place, node)
    parents.scatter_(1, place, parent.to(node.dtype))
    table = _compared(nodes, parents, sees).transpose(1, 2).contiguous()  # (B, N, N), a row per key
    row = (place + count * torch.arange(size).unsqueeze(1)).flatten()  # (B L,) of the rows of all tables
    by_token = table.flatten(0, 1).index_select(0, row).view(size, length, count)  # a row per token as key
    by_node = by_token.transpose(1, 2).contiguous().flatten(0, 1)  # (B N, L), a row per node as query
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
