"""Cross entropy over the whole catalogue, or an estimate of it from a sample of the items.

Scores are computed in blocks, so that no matrix of all of them is in memory.

References:
    Sampled softmax: Bengio and Senecal, Quick Training of Probabilistic Neural Nets by Importance Sampling, 2003.
"""

from __future__ import annotations

import math
from typing import Any

import torch

MAX_SCORES = 2**20
"""Scores that are in memory at once. Blocks of this size come from memory that the process keeps; larger ones are taken
from the system and given back in every step, which costs as much time as the computation."""
_MAX_SCORES_CUDA = 2**26


class _SummedLoss(torch.autograd.Function):
    """Computes the gradients together with the loss, block by block of the places."""

    @staticmethod
    def forward(context: Any, states: torch.Tensor, vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        by_states, by_vectors = torch.empty_like(states), torch.zeros_like(vectors)
        loss = states.new_zeros((), dtype=torch.float32)
        size = max(1, (_MAX_SCORES_CUDA if states.is_cuda else MAX_SCORES) // len(vectors))
        for first in range(0, len(states), size):
            block, target = states[first : first + size], targets[first : first + size, None]
            scores = (block @ vectors.T).float()
            every = scores.logsumexp(-1, keepdim=True)
            loss += (every - scores.gather(1, target)).sum()
            slope = scores.sub_(every).exp_()  # softmax, and one less for the target
            slope.scatter_add_(1, target, slope.new_full(target.shape, -1.0))
            by_states[first : first + size] = slope @ vectors
            by_vectors += slope.T @ block
        context.save_for_backward(by_states, by_vectors)
        return loss

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        by_states, by_vectors = context.saved_tensors
        return gradient * by_states, gradient * by_vectors, None


def catalogue_loss(
    states: torch.Tensor, vectors: torch.Tensor, targets: torch.Tensor, count: torch.Tensor | int, negatives: int = 0
) -> torch.Tensor:
    """Sum of the cross entropy of all targets among the catalogue, divided by ``count``.

    With ``negatives`` and a catalogue that is more than twice as large, the sum over the catalogue is estimated: by all
    targets, and by that many items drawn at random, which stand for all others. So the time no longer grows with the
    catalogue.

    Args:
        states: ``(M, d)`` decoder states.
        vectors: ``(n, d)`` of the items; the score of an item is its product with a state.
        targets: ``(M,)`` catalogue rows.
        count: Targets of the whole step, of which these are a part.
        negatives: Items to draw for these targets; 0: the whole catalogue.
    """
    if 0 < 2 * negatives < len(vectors):
        return _sampled(states, vectors, targets, negatives) / count
    summed: torch.Tensor = _SummedLoss.apply(states, vectors, targets)
    return summed / count


def _sampled(states: torch.Tensor, vectors: torch.Tensor, targets: torch.Tensor, negatives: int) -> torch.Tensor:
    """Estimate the sum of the cross entropies; the items drawn are shared by all targets."""
    asked, place = targets.unique(return_inverse=True)
    drawn = torch.randint(0, len(vectors), (negatives,), device=vectors.device)
    drawn = drawn[~torch.isin(drawn, asked)]
    shares = torch.zeros(len(asked) + len(drawn), device=vectors.device)
    if len(drawn):
        shares[len(asked) :] = math.log((len(vectors) - len(asked)) / len(drawn))
    scores = (states @ vectors.index_select(0, torch.cat([asked, drawn])).T).float() + shares
    return torch.nn.functional.cross_entropy(scores, place, reduction="sum")
