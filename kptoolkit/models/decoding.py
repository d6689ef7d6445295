"""Decoding over a trie of strings: the exact log-likelihood of every string, and beam search.

Both lay many prefixes out in one decoder sequence. A token sees its own prefix alone, and its position is its depth, so
that prefixes are shared and the prompt's encoder states are read where they are, not copied for every prefix. T5's
decoder adds a bias by the distance of places in the sequence; the mask handed over takes that away again and adds the
one by the distance of depths.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from kptoolkit.models.t5_model import SHARED_BIAS
from kptoolkit.models.trie import Trie, TrieConstraint
from kptoolkit.tree.runs import within

_PART = 192
"""Nodes of a trie decoded together: attention grows with its square, what parts repeat falls with it."""
_LOGITS = 2**23
"""Most logits held at once."""


@dataclass(frozen=True)
class TriePart:
    """Some nodes of a trie next to each other, and the path that leads to them, as one decoder sequence.

    Attributes:
        tokens: ``(C,)`` the start token, the path, the nodes.
        depth: ``(C,)`` position of each.
        sees: ``(C, C)`` whether a token is another's prefix, or it itself.
        ask: ``(A,)`` places of the nodes.
        place: ``(E,)`` for each edge out of the nodes, where in ``ask`` it begins.
        child: ``(E,)`` the node it leads to.
        token: ``(E,)`` by which token.
    """

    tokens: torch.Tensor
    depth: torch.Tensor
    sees: torch.Tensor
    ask: torch.Tensor
    place: torch.Tensor
    child: torch.Tensor
    token: torch.Tensor

    @classmethod
    def all_of(cls, trie: Trie, start: tuple[int, int], device: torch.device) -> list[Self]:
        """The parts of a trie that together ask at every node but the leaves.

        Args:
            trie: The trie.
            start: The two tokens before every string; the second stands at the root.
            device: Where to.
        """
        inner = np.flatnonzero(np.diff(trie.children))
        return [cls._of(trie, inner[first : first + _PART], start, device) for first in range(0, len(inner), _PART)]

    @classmethod
    def _of(cls, trie: Trie, nodes: NDArray[np.int64], start: tuple[int, int], device: torch.device) -> Self:
        path, above = [], trie.parent[nodes[0]]
        while above >= 0:  # what precedes these nodes and leads to one of them leads to the first of them
            path.append(above)
            above = trie.parent[above]
        laid = np.concatenate([np.array(path[::-1], dtype=np.int64), nodes])
        local = np.full(len(trie), -1, dtype=np.int64)
        local[laid] = 1 + np.arange(len(laid))
        parent = np.concatenate([[0], np.where(trie.parent[laid] >= 0, local[trie.parent[laid]], 0)])
        sees = np.eye(len(parent), dtype=bool)
        reach = np.arange(len(parent))
        for _ in range(int(trie.depth[laid].max()) + 1):
            reach = parent[reach]
            sees[np.arange(len(parent)), reach] = True
        counts = np.diff(trie.children)[nodes]
        edges = np.repeat(trie.children[nodes], counts) + within(counts)
        tokens = np.concatenate([[start[0]], np.where(laid == 0, start[1], trie.token[laid])])
        depth = np.concatenate([[0], 1 + trie.depth[laid]])
        arrays = (
            tokens, depth, sees, local[nodes], np.repeat(np.arange(len(nodes)), counts),
            trie.target[edges], trie.token[trie.target[edges]],
        )  # fmt: skip
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))


def string_scores(
    t5: T5ForConditionalGeneration, states: torch.Tensor, real: torch.Tensor, trie: Trie, start: tuple[int, int]
) -> torch.Tensor:
    """Exact log-likelihood of every string of a trie, its end included, ``(B, n)``.

    Args:
        t5: The model.
        states: ``(B, L, D)`` encoder states.
        real: ``(B, L)`` which of them are no padding.
        trie: The catalogue.
        start: The two tokens before every string.
    """
    steps = torch.zeros(len(states), len(trie), device=states.device)  # (B, M) log-probability of entering a node
    if t5.config.model_type in SHARED_BIAS:
        for part in TriePart.all_of(trie, start, states.device):
            rows = max(1, _LOGITS // (len(part.ask) * t5.config.vocab_size))
            for first in range(0, len(states), rows):
                some = slice(first, first + rows)
                logits = tree_logits(t5, states[some], real[some], part.tokens, part.depth, part.sees, part.ask)
                total = logits.logsumexp(-1)  # (b, A)
                steps[some, part.child] = logits[:, part.place, part.token] - total[:, part.place]
    else:
        _walk_all(t5, states, real, trie, start, steps)
    parent, depth = torch.from_numpy(trie.parent).to(states.device), trie.depth
    for level in range(1, int(depth.max()) + 1):
        nodes = torch.from_numpy(np.flatnonzero(depth == level)).to(states.device)
        steps[:, nodes] += steps[:, parent[nodes]]
    return steps[:, torch.from_numpy(trie.leaf).to(states.device)]


def _walk_all(
    t5: T5ForConditionalGeneration,
    states: torch.Tensor,
    real: torch.Tensor,
    trie: Trie,
    start: tuple[int, int],
    steps: torch.Tensor,
) -> None:
    """Fill ``steps`` by decoding every prefix as a sequence of its own, for models whose layers differ in bias."""
    inner = np.flatnonzero(np.diff(trie.children))
    for level in range(int(trie.depth[inner].max()) + 1):
        for nodes in np.array_split(at := inner[trie.depth[inner] == level], max(1, -(-len(at) // _PART))):
            path, above = [], nodes
            for _ in range(level):
                path.append(trie.token[above])
                above = trie.parent[above]
            begun = [np.full(len(nodes), token) for token in start]
            prefixes = torch.from_numpy(np.stack([*begun, *path[::-1]], axis=1)).to(states.device)  # (A, t)
            counts = np.diff(trie.children)[nodes]
            place = np.repeat(np.arange(len(nodes)), counts)
            child = trie.target[np.repeat(trie.children[nodes], counts) + within(counts)]
            for row in range(len(states)):
                logits = _next(t5, states[row : row + 1], real[row : row + 1], prefixes[None])
                steps[row, child] = logits[0].log_softmax(-1)[place, trie.token[child]]


def tree_logits(
    t5: T5ForConditionalGeneration,
    states: torch.Tensor,
    real: torch.Tensor,
    tokens: torch.Tensor,
    depth: torch.Tensor,
    sees: torch.Tensor,
    ask: torch.Tensor,
) -> torch.Tensor:
    """Logits behind prefixes that are laid out as a tree in one sequence, ``(B, A, V)``.

    Args:
        t5: A model whose decoder layers share one relative position bias.
        states: ``(B, L, D)`` encoder states.
        real: ``(B, L)`` which of them are no padding.
        tokens: ``(B, C)`` or ``(C,)``.
        depth: ``(C,)`` position of each token in its prefix.
        sees: ``(C, C)`` whether a token is another's prefix, or it itself.
        ask: ``(A,)`` places to give logits for.
    """
    length, deepest = len(depth), int(depth.max()) + 1
    attention = t5.decoder.block[0].layer[0].SelfAttention
    by_depth = attention.compute_bias(deepest, deepest)[:, :, depth[:, None], depth]  # (1, H, C, C)
    moved = by_depth - attention.compute_bias(length, length)
    mask = torch.where(sees, moved, torch.finfo(moved.dtype).min / 2)
    with _asked_at(t5, ask):
        logits: torch.Tensor = t5(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=real,
            decoder_input_ids=tokens.expand(len(states), -1),
            decoder_attention_mask=mask.expand(len(states), -1, -1, -1),
            use_cache=False,
        ).logits.float()
    return logits


@contextmanager
def _asked_at(t5: T5ForConditionalGeneration, places: torch.Tensor) -> Iterator[None]:
    """Let the vocabulary be scored at some places of the decoder's sequence alone."""
    handle = t5.lm_head.register_forward_pre_hook(lambda _, inputs: (inputs[0][:, places],))
    try:
        yield
    finally:
        handle.remove()


def _next(
    t5: T5ForConditionalGeneration, states: torch.Tensor, real: torch.Tensor, prefixes: torch.Tensor
) -> torch.Tensor:
    """Logits behind each of W prefixes a case, ``(B, W, V)``; ``prefixes`` are ``(B, W, t)``."""
    size, width, length = prefixes.shape
    device = states.device
    last = torch.arange(width, device=device) * length + length - 1
    if t5.config.model_type in SHARED_BIAS:
        depth = torch.arange(length, device=device).repeat(width)
        owner = torch.arange(width, device=device).repeat_interleave(length)
        sees = (owner[:, None] == owner) & (depth[:, None] >= depth)
        return tree_logits(t5, states, real, prefixes.flatten(1), depth, sees, last)
    with _asked_at(t5, last[:1]):
        logits: torch.Tensor = t5(
            encoder_outputs=BaseModelOutput(last_hidden_state=states.repeat_interleave(width, dim=0)),
            attention_mask=real.repeat_interleave(width, dim=0),
            decoder_input_ids=prefixes.flatten(0, 1),
            use_cache=False,
        ).logits.float()
    return logits.view(size, width, -1)


def beam_search(
    t5: T5ForConditionalGeneration,
    states: torch.Tensor,
    real: torch.Tensor,
    constraint: TrieConstraint,
    start: tuple[int, int],
    width: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best strings that a search with ``width`` beams finds, best first.

    Finished strings stay among the beams. No beam is the beginning of another, each leads to an item of its own, and a
    beam is given up for better ones only; so at the end there are ``width`` different items, or all there are.

    Returns:
        Items and log-likelihoods of their strings, both ``(B, W)``, W at most ``width``; -1 and ``-inf`` for beams
        that found none.
    """
    size, pad = len(states), constraint.pad
    prefixes = torch.tensor(start, device=states.device).expand(size, 1, -1)  # (B, 1, 2)
    total = torch.zeros(size, 1, device=states.device)
    while True:
        nodes = constraint.nodes(prefixes.flatten(0, 1)).view(total.shape)
        found = torch.where(total > -torch.inf, constraint.items(nodes), -1)
        over = (found >= 0) | (total == -torch.inf) | (nodes < 0)
        if bool(over.all()):
            return found, torch.where(found >= 0, total, -torch.inf)
        steps = _next(t5, states, real, prefixes).log_softmax(-1)  # (B, W, V)
        held = constraint(prefixes.flatten(0, 1), steps.flatten(0, 1)).view(steps.shape)
        held[over] = -torch.inf
        held[..., pad] = torch.where(found >= 0, 0.0, held[..., pad])
        joined = (total.unsqueeze(-1) + held).flatten(1)
        total, choice = joined.topk(min(width, joined.shape[1]))
        beam, token = choice // steps.shape[-1], choice % steps.shape[-1]
        kept = prefixes.gather(1, beam.unsqueeze(-1).expand(-1, -1, prefixes.shape[-1]))
        prefixes = torch.cat([kept, token.unsqueeze(-1)], dim=-1)
