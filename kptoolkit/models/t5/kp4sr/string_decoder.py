"""Decoding over a trie of strings: the exact log-likelihood of every string, and beam search.

Both arrange many prefixes in one decoder sequence. A token sees only its own prefix, and its position is its depth, so
that prefixes are shared and the prompt's encoder states are not copied for every prefix. T5's decoder adds a bias by
the distance of places in the sequence; the mask subtracts it and adds the bias by the distance of depths. Logits are
computed only for tokens that occur in strings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from kptoolkit.data.histories import Histories
from kptoolkit.models.t5.kp4sr.trie import Trie, TrieConstraint
from kptoolkit.models.t5.t5_backend import output_scale
from kptoolkit.models.t5.tree_t5 import SHARED_BIAS, decoder_states
from kptoolkit.models.tree_mask import masked
from kptoolkit.storage.ragged import offsets

_PART = 96
"""Nodes of a trie decoded together: attention grows with the square, the work repeated between parts falls."""
_LOGITS = 2**19
"""Logits in memory at once, few enough for a CPU's cache; on a GPU 64 times as many."""


@dataclass(frozen=True)
class Prefixes:
    """Prefixes of strings, arranged as a tree in one decoder sequence.

    Attributes:
        tokens: ``(C,)`` tokens, or ``(B, C)`` where cases differ.
        depth: ``(C,)`` position of each token in its prefix.
        sees: ``(C, C)`` whether the second token is in the prefix that ends with the first.
        last: ``(A,)`` places of the last tokens of the prefixes whose next token is wanted.
    """

    tokens: torch.Tensor
    depth: torch.Tensor
    sees: torch.Tensor
    last: torch.Tensor

    @classmethod
    def beams(cls, prefixes: torch.Tensor) -> Prefixes:
        """Arrange W prefixes of equal length per case, ``(B, W, t)``, one after the other."""
        width, length = prefixes.shape[1:]
        depth = torch.arange(length, device=prefixes.device).repeat(width)
        owner = torch.arange(width, device=prefixes.device).repeat_interleave(length)
        sees = (owner[:, None] == owner) & (depth[:, None] >= depth)
        return cls(prefixes.flatten(1), depth, sees, torch.nonzero(depth == length - 1).squeeze(1))

    @classmethod
    def nodes(cls, trie: Trie, nodes: NDArray[np.int64], start: tuple[int, int], device: torch.device) -> Prefixes:
        """Arrange consecutive nodes of a trie after the path to the first of them.

        Every node before them that leads to one of them is on this path.
        """
        path, above = [], int(trie.parent[nodes[0]])
        while above >= 0:
            path.append(above)
            above = int(trie.parent[above])
        arranged = np.concatenate([np.array(path[::-1], dtype=np.int64), nodes])
        local = np.full(len(trie), -1, dtype=np.int64)
        local[arranged] = 1 + np.arange(len(arranged))  # after the start token
        parent = np.concatenate([[0], np.where(arranged > 0, local[trie.parent[arranged]], 0)])
        sees, reach = np.eye(len(parent), dtype=bool), np.arange(len(parent))
        for _ in range(int(trie.depth[arranged].max()) + 1):
            reach = parent[reach]
            sees[np.arange(len(parent)), reach] = True
        tokens = np.concatenate([[start[0]], np.where(arranged > 0, trie.token[arranged], start[1])])
        depth = np.concatenate([[0], 1 + trie.depth[arranged]])
        return cls(*(torch.from_numpy(array).to(device) for array in (tokens, depth, sees, local[nodes])))


class StringDecoder:
    """Decodes the strings of a trie.

    Args:
        t5: The model.
        trie: The catalogue's strings.
        start: The two tokens before every string; the second belongs to the trie's root.
        output_tokens: ``(S,)`` the tokens whose probabilities sum to 1; unset: the whole vocabulary.
    """

    def __init__(
        self,
        t5: T5ForConditionalGeneration,
        trie: Trie,
        start: tuple[int, int],
        output_tokens: NDArray[np.int64] | None,
    ) -> None:
        self.t5, self.trie, self.start = t5, trie, start
        self.device, self.vocabulary, self.scale = t5.device, t5.config.vocab_size, output_scale(t5.config.to_dict())
        ids = np.arange(self.vocabulary) if output_tokens is None else output_tokens
        place = np.full(self.vocabulary, -1, dtype=np.int64)
        place[ids] = np.arange(len(ids))
        self.output_tokens, self.place = (torch.from_numpy(array).to(self.device) for array in (ids, place))
        weight = t5.lm_head.weight
        self.output = weight if output_tokens is None else weight[self.output_tokens]  # (S, D)

    @torch.inference_mode()
    def scores(self, states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Exact log-likelihood of every string, its end included, ``(B, n)``.

        Args:
            states: ``(B, L, D)`` encoder states.
            real: ``(B, L)`` which of them are not padding.
        """
        trie = self.trie
        steps = torch.zeros(len(states), len(trie), device=self.device)  # (B, M) log-probability of entering a node
        inner = np.flatnonzero(np.diff(trie.children))
        for first in range(0, len(inner), _PART):
            nodes = inner[first : first + _PART]
            edges = np.diff(trie.children)[nodes]
            child = trie.target[np.repeat(trie.children[nodes], edges) + offsets(edges)]
            place, target, token = (
                torch.from_numpy(array).to(self.device)
                for array in (np.repeat(np.arange(len(nodes)), edges), child, trie.token[child])
            )
            last = self._last_states(states, real, Prefixes.nodes(trie, nodes, self.start, self.device))  # (B, A, D)
            for rows, logits in self._logits(last):
                steps[rows, target] = logits.log_softmax(-1)[:, place, self.place[token]]
        parent = torch.from_numpy(trie.parent).to(self.device)
        for level in range(1, int(trie.depth.max()) + 1):
            deep = torch.from_numpy(np.flatnonzero(trie.depth == level)).to(self.device)
            steps[:, deep] += steps[:, parent[deep]]
        return steps[:, torch.from_numpy(trie.leaf).to(self.device)]

    @torch.inference_mode()
    def beam_search(
        self, states: torch.Tensor, real: torch.Tensor, excluded: Histories, width: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the best strings with ``width`` beams, best first.

        Finished strings stay among the beams. No beam is a prefix of another, each leads to an item of its own, and a
        beam is dropped only for better ones; so the result has ``width`` different items, or all that are allowed.

        Args:
            states: ``(B, L, D)`` encoder states.
            real: ``(B, L)`` which of them are not padding.
            excluded: Items of each case that must not be found.
            width: Beams.

        Returns:
            Items and log-likelihoods of their strings, both ``(B, W)``, W at most ``width``; -1 and ``-inf`` for beams
            without an item.
        """
        size, pad = len(states), self.t5.config.pad_token_id
        constraint = TrieConstraint(self.trie, excluded, pad, len(self.start), self.device)
        prefixes = torch.tensor(self.start, device=self.device).expand(size, 1, -1)  # (B, 1, 2)
        total = torch.zeros(size, 1, device=self.device)
        while True:
            nodes = constraint.nodes(prefixes.flatten(0, 1)).view(total.shape)
            found = torch.where(total > -torch.inf, constraint.items(nodes), -1)
            over = (found >= 0) | (total == -torch.inf) | (nodes < 0)
            if bool(over.all()):
                return found, torch.where(found >= 0, total, -torch.inf)
            steps = self._next(states, real, prefixes)  # (B, W, V)
            allowed = constraint(prefixes.flatten(0, 1), steps.flatten(0, 1)).view(steps.shape)
            allowed[over] = -torch.inf
            allowed[..., pad] = torch.where(found >= 0, 0.0, allowed[..., pad])
            joined = (total.unsqueeze(-1) + allowed).flatten(1)
            total, choice = joined.topk(min(width, joined.shape[1]))
            beam, token = choice // self.vocabulary, choice % self.vocabulary
            chosen = prefixes.gather(1, beam.unsqueeze(-1).expand(-1, -1, prefixes.shape[-1]))
            prefixes = torch.cat([chosen, token.unsqueeze(-1)], dim=-1)

    def _next(self, states: torch.Tensor, real: torch.Tensor, prefixes: torch.Tensor) -> torch.Tensor:
        """Log-probabilities after W prefixes per case, ``(B, W, V)``, ``-inf`` outside the output tokens."""
        last = self._last_states(states, real, Prefixes.beams(prefixes))
        likely = torch.full((*last.shape[:2], self.vocabulary), -torch.inf, device=self.device)
        for rows, logits in self._logits(last):
            likely[rows, :, self.output_tokens] = logits.log_softmax(-1)
        return likely

    def _logits(self, states: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Logits ``(b, A, S)`` for ``(B, A, D)``, a few cases at a time."""
        most = _LOGITS * (64 if self.device.type == "cuda" else 1)
        rows = max(1, most // (states.shape[1] * len(self.output)))
        for first in range(0, len(states), rows):
            some = slice(first, first + rows)
            yield some, torch.nn.functional.linear(states[some], self.output).float()

    def _last_states(self, states: torch.Tensor, real: torch.Tensor, prefixes: Prefixes) -> torch.Tensor:
        """Decoder states at the last tokens of prefixes, before the output layer, ``(B, A, D)``."""
        if self.t5.config.model_type not in SHARED_BIAS:
            return self._last_states_each(states, real, prefixes)
        depth, length = prefixes.depth, len(prefixes.depth)
        attention, deepest = self.t5.decoder.block[0].layer[0].SelfAttention, int(depth.max()) + 1
        by_depth = attention.compute_bias(deepest, deepest)[:, :, depth[:, None], depth]  # (1, H, C, C)
        moved = by_depth - attention.compute_bias(length, length)
        mask = masked(moved, prefixes.sees)
        tokens = prefixes.tokens.expand(len(states), -1)
        return self._decoded(states, real, tokens, mask.expand(len(states), -1, -1, -1))[:, prefixes.last]

    def _last_states_each(self, states: torch.Tensor, real: torch.Tensor, prefixes: Prefixes) -> torch.Tensor:
        """The same with one sequence per prefix, for models whose layers differ in their bias; slower."""
        sees, tokens = prefixes.sees[prefixes.last], prefixes.tokens.expand(len(states), -1)  # (A, C), (B, C)
        lengths = sees.sum(1)
        order = torch.where(sees, prefixes.depth, len(prefixes.depth)).argsort(dim=1)[:, : int(lengths.max())]
        given = tokens[:, order]  # (B, A, T); tokens after a prefix are not seen from it
        return torch.stack(
            [
                self._decoded(state.expand(len(order), -1, -1), seen.expand(len(order), -1), own, None)[
                    torch.arange(len(order), device=self.device), lengths - 1
                ]
                for state, seen, own in zip(states, real, given, strict=True)
            ]
        )

    def _decoded(
        self, states: torch.Tensor, real: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Decoder states before the output layer, ``(B, C, D)``."""
        return decoder_states(self.t5, states, real, tokens, mask) * self.scale
