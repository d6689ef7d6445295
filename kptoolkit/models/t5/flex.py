"""FlexAttention for the encoder of a T5: tree mask and relative positions as functions, no mask of ``(B, L, L)``.

transformers looks the attention of T5 up by name; this module registers one more name and sets it in the encoder. The
decoder, whose targets have three tokens, keeps ``sdpa``.

References:
    Flex Attention: A Programming Model for Generating Optimized Attention Kernels, arXiv 2412.05496.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface, T5ForConditionalGeneration

from kptoolkit.models.tree_mask import SEES, arranged
from kptoolkit.tree.visibility import MaskKind

FLEX = "kptoolkit_flex"
"""Name under which transformers finds this attention."""
MIN_HEAD_WIDTH = 16
"""FlexAttention's kernels for CUDA refuse narrower heads."""


def use_flex(t5: T5ForConditionalGeneration) -> None:
    """Set FlexAttention in the encoder of ``t5``, without dropout of attention weights.

    The position bias has one number per distance and head, ``(1, H, 1, 2 L - 1)``; T5's own is ``(1, H, L, L)``.

    Args:
        t5: Any model of the T5 family; changed in place. Gradients need CUDA, since FlexAttention has none on CPU.
    """
    AttentionInterface.register(FLEX, _attend)
    t5.encoder.config._attn_implementation = FLEX
    for layer in attentions(t5.encoder):
        layer.dropout = 0.0
        layer.compute_bias = MethodType(_by_distance, layer)


def attentions(module: nn.Module) -> Iterator[Any]:
    """The attention layers of a model of the T5 family; each of its architectures has its own class for them."""
    return (layer for layer in module.modules() if hasattr(layer, "compute_bias"))


def uses_flex(t5: T5ForConditionalGeneration) -> bool:
    """Whether the encoder of ``t5`` takes block masks in place of additive ones."""
    return bool(t5.encoder.config._attn_implementation == FLEX)


def tree_block_mask(node: torch.Tensor, parent: torch.Tensor, kind: MaskKind = "tree") -> BlockMask:
    """The tree mask as the blocks of 128 by 128 that contain a visible pair, and a function for the pairs inside.

    Args:
        node: ``(B, L)`` integer node of each token, padding -2.
        parent: ``(B, L)`` parent of that node, the root's -1, padding's -3.
        kind: What a token sees.

    Returns:
        A block mask of shape ``(B, 1, L, L)``, equal to :func:`kptoolkit.models.tree_mask.visible`.
    """
    node, parent = arranged(node.int(), parent.int(), kind)
    pair = SEES[kind]

    def sees(batch: torch.Tensor, _: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        node_q, node_k = node[batch, query], node[batch, key]
        parent_q, parent_k = parent[batch, query], parent[batch, key]
        return pair(node_q, parent_q, node_k, parent_k)

    size, length = node.shape
    mask: BlockMask = _fused(create_block_mask, node.is_cuda)(sees, size, None, length, length, device=node.device)
    return mask


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: BlockMask,
    *,
    position_bias: torch.Tensor,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of ``(B, H, L, D)`` under a block mask in the form of transformers: ``(B, L, H, D)``, no weights."""
    by_distance, last = position_bias[0, :, 0], key.shape[2] - 1  # (H, 2 L - 1)

    def biased(
        score: torch.Tensor, _: torch.Tensor, head: torch.Tensor, query_at: torch.Tensor, key_at: torch.Tensor
    ) -> torch.Tensor:
        return score + by_distance[head, key_at - query_at + last]

    attended = _fused(flex_attention, query.is_cuda)(
        query, key, value, score_mod=biased, block_mask=attention_mask, scale=scaling
    )
    return attended.transpose(1, 2).contiguous(), None


def _by_distance(
    layer: Any, query_length: int, key_length: int, device: torch.device | None = None, **_: Any
) -> torch.Tensor:
    """T5's ``compute_bias`` for one query with ``L - 1`` keys before it and as many after it: every distance once."""
    bias: torch.Tensor = type(layer).compute_bias(
        layer, 1, query_length + key_length - 1, device=device, past_seen_tokens=query_length - 1
    )
    return bias


@cache
def _fused(function: Callable[..., Any], cuda: bool) -> Callable[..., Any]:
    """``function`` compiled into one kernel on CUDA; uncompiled it computes every pair of tokens."""
    return torch.compile(function) if cuda else function
