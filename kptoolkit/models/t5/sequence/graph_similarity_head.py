"""Graph similarity as a part of the neural model, whose weights are trained with it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import nn

from kptoolkit.models.parts.graph_similarity import GraphSimilarity

_STEP_FACTOR = 25.0
"""Factor of the few weights of :class:`GraphSimilarityHead`. Adam's steps do not depend on the size of a gradient, so
the factor is a learning rate 25 times that of the other weights, without a second one in the optimizer."""


class GraphSimilarityHead(nn.Module):
    """Adds ``w log(1 + sum decay^age S[read, item])`` to an item's score.

    ``S`` is the sum over kinds of a learnt weight times the value of a pair. Only the graph and the history itself
    enter it, no interactions of others.

    Args:
        pairs: Pairs of similar items.
        relations: Number of relations.
    """

    indptr: torch.Tensor
    other: torch.Tensor
    pair_kind: torch.Tensor
    value: torch.Tensor

    def __init__(self, pairs: GraphSimilarity, relations: int) -> None:
        super().__init__()
        self.raw_weight = nn.Parameter(torch.tensor(1 / _STEP_FACTOR))
        self.raw_kinds = nn.Parameter(torch.zeros(max(1, 2 * relations)))
        self.raw_decay = nn.Parameter(torch.tensor(1 / _STEP_FACTOR))
        self.use(pairs)

    @property
    def weight(self) -> torch.Tensor:
        """Scalar weight of the whole part."""
        return _STEP_FACTOR * self.raw_weight

    @property
    def kinds(self) -> torch.Tensor:
        """``(2 R,)`` weight of each kind of pair, positive."""
        return nn.functional.softplus(_STEP_FACTOR * self.raw_kinds)

    @property
    def decay(self) -> torch.Tensor:
        """Scalar weight of an item read relative to the next later one, between 0 and 1."""
        return torch.sigmoid(_STEP_FACTOR * self.raw_decay)

    def use(self, pairs: GraphSimilarity) -> None:
        """Replace the pairs."""
        device = self.raw_weight.device
        names = {"indptr": pairs.indptr, "other": pairs.other, "pair_kind": pairs.kind, "value": pairs.value}
        for name, array in names.items():
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            tensor = tensor if tensor.is_floating_point() else tensor.long()
            self.register_buffer(name, tensor.to(device), persistent=False)
        self.n_items = len(pairs)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Compute what is added to the scores after every place.

        Args:
            items: ``(B, L)`` items read, -1 on the right where a row is shorter.

        Returns:
            ``(B, L, n)``.
        """
        read, place = torch.unique(items.clamp(min=0), return_inverse=True)  # (U,), (B, L)
        first, last = self.indptr[read], self.indptr[read + 1]
        sizes = last - first
        row = torch.repeat_interleave(sizes)  # (P,) which of the U items
        pair = torch.arange(len(row), device=row.device) + (first - sizes.cumsum(0) + sizes)[row]
        values = self.value[pair] * self.kinds[self.pair_kind[pair]]
        flat = torch.zeros(len(read) * self.n_items, device=values.device).index_add(
            0, row * self.n_items + self.other[pair], values
        )
        similarity = flat.view(len(read), self.n_items)  # (U, n)
        length = items.shape[1]
        age = torch.arange(length, device=items.device)[:, None] - torch.arange(length, device=items.device)
        decayed = self.decay ** age.clamp(min=0) * (age >= 0)  # (L, L)
        summed = torch.bmm(decayed.expand(len(items), -1, -1), nn.functional.embedding(place, similarity))  # (B, L, n)
        return self.weight * torch.log1p(summed)

    @torch.inference_mode()
    def matrix(self) -> sp.csr_matrix:
        """``(n, n)`` similarity of all items by the current weights."""
        values = (self.value * self.kinds[self.pair_kind]).cpu().numpy()
        return sp.csr_matrix(
            (values, self.other.cpu().numpy(), self.indptr.cpu().numpy()), shape=(self.n_items, self.n_items)
        )

    @torch.inference_mode()
    def to_histories(self, matrix: sp.csr_matrix, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """Similarity of every item to each of B histories, ``(B, n)``; later items weigh more.

        Args:
            matrix: Result of :meth:`matrix`.
            items: ``(B, L)`` items read, -1 on the right where a row is shorter.
        """
        there = items >= 0
        row, place = np.nonzero(there)
        age = there.sum(axis=1)[row] - 1 - place
        weights = (float(self.decay) ** age).astype(np.float32)
        read = sp.csr_matrix((weights, (row, items[there])), shape=(len(items), self.n_items))
        summed: NDArray[np.float32] = (read @ matrix).toarray()
        return summed

    def added(self, similarity: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a similarity to the history adds to the score, of the same shape."""
        added: NDArray[np.float32] = np.float32(self.weight.item()) * np.log1p(similarity)
        return added
