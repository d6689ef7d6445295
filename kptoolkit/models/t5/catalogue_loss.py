"""Cross entropy over the whole catalogue, without a matrix of all scores in memory."""

from __future__ import annotations

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
    states: torch.Tensor, vectors: torch.Tensor, targets: torch.Tensor, count: torch.Tensor | int
) -> torch.Tensor:
    """Sum of the cross entropy of all targets among the catalogue, divided by ``count``.

    Args:
        states: ``(M, d)`` decoder states.
        vectors: ``(n, d)`` of the items; the score of an item is its product with a state.
        targets: ``(M,)`` catalogue rows.
        count: Targets of the whole step, of which these are a part.
    """
    summed: torch.Tensor = _SummedLoss.apply(states, vectors, targets)
    return summed / count
