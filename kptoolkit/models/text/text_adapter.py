"""A small adapter of text vectors: items of the same histories get similar vectors; torch is imported when needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories
from kptoolkit.models.text.nearest_items import with_length_one

RANK: Final = 32
"""Width inside the adapter."""
STEPS: Final = 300
"""Training steps."""
BATCH: Final = 512
"""Pairs of items per step."""
REACH: Final = 5
"""Largest distance of a pair, in events."""
_LEARNING_RATE, _TEMPERATURE = 2e-3, 0.1


@dataclass(frozen=True, eq=False)
class TextAdapter:
    """Changes a vector ``v`` to ``v + v @ down @ up``, scaled to length 1.

    Attributes:
        down: ``(D, R)``.
        up: ``(R, D)``.
    """

    down: NDArray[np.float32]
    up: NDArray[np.float32]

    def adapted(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change vectors ``(n, D)`` of length 1; vectors of zeros stay zero."""
        return with_length_one((vectors + vectors @ self.down @ self.up).astype(np.float32))


def fit_adapter(vectors: NDArray[np.float32], train: Histories, seed: int) -> TextAdapter:
    """Train an adapter on pairs of items that are at most :data:`REACH` events apart in a training history.

    Each item read is to be nearer to the item that follows than to those that follow in the other pairs of a batch. How
    often an item occurs is taken out. Without pairs the adapter changes nothing.

    Args:
        vectors: ``(n, D)`` of length 1 or 0.
        train: Training histories.
        seed: Seed of weights and pairs.
    """
    import torch

    random, width = np.random.default_rng(seed), vectors.shape[1]
    down = (random.standard_normal((width, RANK)) / np.sqrt(width)).astype(np.float32)
    weights = [torch.from_numpy(down), torch.zeros(RANK, width)]
    before = np.arange(len(train.items)) - train.indptr[:-1][train.rows]  # events before each event in its history
    later = np.flatnonzero(before > 0)
    if not len(later):
        return TextAdapter(down, np.zeros((RANK, width), dtype=np.float32))
    share = torch.from_numpy(np.bincount(train.items[later], minlength=len(vectors)) / len(later)).float()
    table = torch.from_numpy(vectors)
    optimizer = torch.optim.Adam([weight.requires_grad_() for weight in weights], _LEARNING_RATE)
    for _ in range(STEPS):
        second = random.choice(later, BATCH)
        first = second - random.integers(1, np.minimum(before[second], REACH) + 1)
        read, target = (torch.from_numpy(train.items[events].astype(np.int64)) for events in (first, second))
        changed = [torch.nn.functional.normalize(v + v @ weights[0] @ weights[1]) for v in (table[read], table[target])]
        scores = changed[0] @ changed[1].T / _TEMPERATURE - share[target].log()
        others = target[:, None] == target[None, :]
        others.fill_diagonal_(False)
        loss = torch.nn.functional.cross_entropy(scores.masked_fill(others, -torch.inf), torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return TextAdapter(*(weight.detach().numpy() for weight in weights))
