"""An item's knowledge as a vector, once per item: a bag of facts, or the T5 encoder over the item's own tree.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459; here its tree is cut at the root.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kptoolkit import distributed
from kptoolkit.knowledge.item_facts import ItemFacts, PromptFacts
from kptoolkit.models.t5.tree_t5 import TreeT5, remove_dropout
from kptoolkit.tree.visibility import ROOT

Reads = Literal["facts", "tree"]
Pooling = Literal["own", "tree"]


@dataclass(frozen=True)
class TreeTokens:
    """Trees of E items as tensors.

    Attributes:
        items: ``(E,)`` catalogue rows, each once.
        input_ids: ``(E, L)`` tokens.
        node: ``(E, L)`` nodes, the item's own is 0; padding -2.
        parent: ``(E, L)`` parents of the nodes.
        whole_word: ``(E, L)`` word of each token.
    """

    items: torch.Tensor
    input_ids: torch.Tensor
    node: torch.Tensor
    parent: torch.Tensor
    whole_word: torch.Tensor


class ItemEncoder(nn.Module, ABC):
    """Computes the knowledge vectors of the catalogue; :func:`build_item_encoder` creates one."""

    @abstractmethod
    def forward(self, t5: TreeT5, item_embeddings: torch.Tensor, tree_tokens: TreeTokens | None = None) -> torch.Tensor:
        """Compute the knowledge vectors of the whole catalogue.

        Args:
            t5: The T5 that reads trees.
            item_embeddings: ``(n, d)`` token vectors of the items.
            tree_tokens: Trees to encode in this training step, where trees are read.

        Returns:
            ``(n, d)``; gradients flow to the weights of the encoder.
        """

    @abstractmethod
    def variants(
        self, t5: TreeT5, item_embeddings: torch.Tensor, facts: ItemFacts, tree_tokens: Iterable[TreeTokens]
    ) -> torch.Tensor:
        """Compute the knowledge vectors ``(E, d)`` of items with other knowledge; nothing is stored.

        Args:
            t5: The T5 that reads trees.
            item_embeddings: ``(n, d)`` token vectors of the catalogue's items.
            facts: The other facts around E items.
            tree_tokens: The other trees of the same E items, batch after batch.
        """

    @abstractmethod
    def use(self, facts: ItemFacts) -> None:
        """Replace the facts around the items, e.g. by those of the next epoch; their numbering stays."""

    @abstractmethod
    def update(self, t5: TreeT5, tree_tokens: Iterable[TreeTokens]) -> None:
        """Encode the trees of the whole catalogue by the current weights, where trees are read."""

    @abstractmethod
    def grow(self, new: int) -> None:
        """Make room for ``new`` more items without knowledge."""

    @abstractmethod
    def set_trainable(self, t5: TreeT5) -> None:
        """Freeze the weights of the T5 encoder that are not used, and adapt it to how it is used."""

    @abstractmethod
    def learning_rate_share(self, turns: int) -> float:
        """Share of the learning rate for the weights that only knowledge vectors depend on.

        Args:
            turns: Training steps in which every tree is encoded once.
        """

    @abstractmethod
    def reads(
        self, facts: PromptFacts, prompts: NDArray[np.integer[Any]], hops: NDArray[np.integer[Any]]
    ) -> NDArray[np.bool_]:
        """Whether each of these triplet prompts, so many hops from its item, enters the item's vector."""


class FactBagEncoder(ItemEncoder):
    """The sum over an item's relations of the mean of their far ends, each scaled by a learnt gate.

    A far end that is a catalogue item is represented by that item's token, also where the item has no training event:
    such a token is learnt only as a far end. Other entities have vectors of their own.

    Args:
        facts: Facts around every item.
        width: Size of a vector.
        hops: Hops of the facts that are read; farther ones are left out.
    """

    far: torch.Tensor
    offsets: torch.Tensor
    share: torch.Tensor
    item: torch.Tensor
    kind: torch.Tensor

    def __init__(self, facts: ItemFacts, width: int, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.gate = nn.Parameter(torch.full((max(1, facts.n_relations * hops), width), 0.5))
        self.entities = nn.Embedding(max(1, facts.n_entities), width)
        nn.init.normal_(self.entities.weight, std=0.05)
        self.use(facts)

    def use(self, facts: ItemFacts) -> None:
        """Replace the facts around the items; relations and entities keep their numbers."""
        for name, tensor in self._tensors(facts).items():
            self.register_buffer(name, tensor, persistent=False)
        self.n_items = len(facts)

    def forward(self, t5: TreeT5, item_embeddings: torch.Tensor, tree_tokens: TreeTokens | None = None) -> torch.Tensor:
        """Sum the facts of the whole catalogue, ``(n, d)``; zero for an item without facts."""
        return self._sums(item_embeddings, self.n_items, self.far, self.offsets, self.share, self.item, self.kind)

    def variants(
        self, t5: TreeT5, item_embeddings: torch.Tensor, facts: ItemFacts, tree_tokens: Iterable[TreeTokens]
    ) -> torch.Tensor:
        """Sum other facts around E items, ``(E, d)``; ``tree_tokens`` are not read."""
        return self._sums(item_embeddings, len(facts), **self._tensors(facts))

    def update(self, t5: TreeT5, tree_tokens: Iterable[TreeTokens]) -> None:
        """Do nothing: facts are summed each time."""

    def grow(self, new: int) -> None:
        """Do nothing: :meth:`use` sets the number of items."""

    def set_trainable(self, t5: TreeT5) -> None:
        """Freeze the T5 encoder."""
        t5.t5.encoder.requires_grad_(False)
        t5.whole_word.requires_grad_(False)

    def learning_rate_share(self, turns: int) -> float:
        """The whole learning rate: every step trains all facts."""
        return 1.0

    def reads(
        self, facts: PromptFacts, prompts: NDArray[np.integer[Any]], hops: NDArray[np.integer[Any]]
    ) -> NDArray[np.bool_]:
        """Whether each prompt is near enough, and its relation and far end are known."""
        return facts.known(prompts) & (hops <= self.hops)

    def _tensors(self, facts: ItemFacts) -> dict[str, torch.Tensor]:
        """One row per item and kind of fact: where its far ends begin, the share of each, its item, its kind."""
        near = facts.hop <= self.hops
        kind = (facts.relation.astype(np.int64) * self.hops + facts.hop - 1)[near]
        rows = facts.rows[near]
        order = np.lexsort((kind, rows))
        rows, kind, far = rows[order], kind[order], facts.far[near][order].astype(np.int64)
        starts = np.flatnonzero(np.diff(rows, prepend=-1) | np.diff(kind, prepend=-1))
        sizes = np.diff(np.append(starts, len(rows)))
        arrays = {
            "far": far,
            "offsets": starts,
            "share": np.repeat(1 / sizes, sizes).astype(np.float32),
            "item": rows[starts],
            "kind": kind[starts],
        }
        device = self.gate.device
        return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}

    def _sums(
        self,
        items: torch.Tensor,
        count: int,
        far: torch.Tensor,
        offsets: torch.Tensor,
        share: torch.Tensor,
        item: torch.Tensor,
        kind: torch.Tensor,
    ) -> torch.Tensor:
        table = torch.cat([items, self.entities.weight])
        means = nn.functional.embedding_bag(far, table, offsets, mode="sum", per_sample_weights=share)
        return torch.zeros_like(items[:1]).expand(count, -1).index_add(0, item, means * self.gate[kind])


class TreeEncoder(ItemEncoder):
    """The T5 encoder's states of the items' trees, pooled and stored for the whole catalogue.

    A training step encodes the trees of a part of the catalogue; the other vectors are those of the last time their
    trees were encoded. The gradients of every vector are accumulated until its own tree's turn, and then go through the
    encoder: whether a vector is new does not depend on the step's targets, and no gradient is lost.

    Args:
        n_items: Catalogue size.
        width: Size of a vector.
        pooling: Whether the mean is over the item's own tokens, which by the mask saw their children, or over all
            tokens of its tree.

    Attributes:
        stored: ``(n, d)`` vectors as last encoded.
        accumulated: ``(n, d)`` gradients of the vectors since then.
    """

    stored: torch.Tensor
    accumulated: torch.Tensor

    def __init__(self, n_items: int, width: int, pooling: Pooling = "own") -> None:
        super().__init__()
        self.pooling = pooling
        self.scale = nn.Parameter(torch.tensor(0.1))  # encoder states are many times larger than tokens
        self.register_buffer("stored", torch.zeros(n_items, width))
        self.register_buffer("accumulated", torch.zeros(n_items, width))

    def encode(self, t5: TreeT5, tree_tokens: TreeTokens) -> torch.Tensor:
        """Mean state of each tree's pooled tokens, ``(E, d)``."""
        states = t5.encode(
            tree_tokens.input_ids, tree_tokens.node, tree_tokens.parent, tree_tokens.whole_word
        )  # (E, L, d)
        pooled = (tree_tokens.node == ROOT if self.pooling == "own" else tree_tokens.node >= ROOT).unsqueeze(-1)
        return self.scale * (states * pooled).sum(dim=1) / pooled.sum(dim=1)

    def forward(self, t5: TreeT5, item_embeddings: torch.Tensor, tree_tokens: TreeTokens | None = None) -> torch.Tensor:
        """Return the stored vectors, ``(n, d)``, those of ``tree_tokens`` newly encoded."""
        if tree_tokens is None:
            return self.stored
        fresh = self.encode(t5, tree_tokens).to(self.stored.dtype)
        self.stored[tree_tokens.items] = fresh.detach()
        vectors: torch.Tensor = _WithAccumulatedGradients.apply(fresh, self.stored, self.accumulated, tree_tokens.items)
        return vectors

    def variants(
        self, t5: TreeT5, item_embeddings: torch.Tensor, facts: ItemFacts, tree_tokens: Iterable[TreeTokens]
    ) -> torch.Tensor:
        """Encode other trees of E items, ``(E, d)``; ``facts`` are not read."""
        return torch.cat([self.stored[:0], *(self.encode(t5, batch).to(self.stored.dtype) for batch in tree_tokens)])

    def use(self, facts: ItemFacts) -> None:
        """Do nothing: trees are encoded from their tokens."""

    @torch.no_grad()
    def update(self, t5: TreeT5, tree_tokens: Iterable[TreeTokens]) -> None:
        """Encode trees by the current weights and store their vectors."""
        for batch in tree_tokens:
            self.stored[batch.items] = self.encode(t5, batch).to(self.stored.dtype)

    def grow(self, new: int) -> None:
        """Make room for ``new`` more items; their vectors are zero until the next :meth:`update`."""
        self.stored, self.accumulated = (
            torch.cat([rows, rows.new_zeros(new, rows.shape[1])]) for rows in (self.stored, self.accumulated)
        )

    def set_trainable(self, t5: TreeT5) -> None:
        """Remove dropout from the T5 encoder: its states are stored, so the same noise would last for many steps."""
        remove_dropout(t5.t5.encoder)

    def learning_rate_share(self, turns: int) -> float:
        """``1 / turns``: a tree's turn brings the gradients of as many steps."""
        return 1 / turns

    def reads(
        self, facts: PromptFacts, prompts: NDArray[np.integer[Any]], hops: NDArray[np.integer[Any]]
    ) -> NDArray[np.bool_]:
        """All of them are read."""
        return np.ones(len(prompts), dtype=bool)


class _WithAccumulatedGradients(torch.autograd.Function):
    """The stored vectors. Backward accumulates their gradients, and passes those of the new vectors on."""

    @staticmethod
    def forward(
        ctx: Any, fresh: torch.Tensor, stored: torch.Tensor, accumulated: torch.Tensor, items: torch.Tensor
    ) -> torch.Tensor:
        ctx.accumulated, ctx.items = accumulated, items
        return stored.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        accumulated, items = ctx.accumulated, ctx.items
        accumulated += distributed.averaged(gradients[0])
        of_fresh = accumulated[items]
        accumulated[items] = 0
        return of_fresh, None, None, None


def build_item_encoder(reads: Reads, facts: ItemFacts, width: int, hops: int, pooling: Pooling) -> ItemEncoder:
    """Create an item encoder with fresh weights.

    Args:
        reads: A bag of facts, or trees of triplet prompts.
        facts: Facts around every item.
        width: Size of a vector.
        hops: Hops of the facts that are read.
        pooling: Whose states make the vector of a tree.
    """
    if reads == "tree":
        return TreeEncoder(len(facts), width, pooling)
    return FactBagEncoder(facts, width, hops)
