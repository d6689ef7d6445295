"""An item's knowledge as a vector, once per item: a bag of facts, or the T5 encoder over the item's own tree.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459; here its tree is cut at the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from kptoolkit import distributed
from kptoolkit.knowledge.item_facts import Alikeness, ItemFacts
from kptoolkit.models.t5.tree_t5 import TreeT5
from kptoolkit.tree.visibility import ROOT

_QUICK = 25.0
"""Factor of the few weights of :class:`AlikeHead`: Adam's steps do not depend on a gradient's size, so this is a
learning rate 25 times that of the rest, without a second one in the optimizer."""


class FactBag(nn.Module):
    """The sum over an item's relations of the mean of their far ends, each scaled by a learnt gate.

    A far end that is a catalogue item is that item's token, also where the item has no training event: only as a far
    end is such a token learnt. Other entities have vectors of their own.

    Args:
        facts: Facts around every item.
        width: Size of a vector.
        hops: Hops that may occur.
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
        """Read other facts from now on, e.g. those of the next epoch; relations and entities keep their numbers."""
        for name, tensor in self._tensors(facts).items():
            self.register_buffer(name, tensor, persistent=False)
        self.n_items = facts.n_items

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Knowledge vectors of the whole catalogue.

        Args:
            items: ``(n, d)`` tokens of the items, as far ends.

        Returns:
            ``(n, d)``; zero for an item without facts.
        """
        return self._sums(items, self.n_items, self.far, self.offsets, self.share, self.item, self.kind)

    def of(self, facts: ItemFacts, items: torch.Tensor) -> torch.Tensor:
        """Knowledge vectors ``(E, d)`` of other facts around E things; ``items`` as in :meth:`forward`."""
        return self._sums(items, facts.n_items, **self._tensors(facts))

    def _tensors(self, facts: ItemFacts) -> dict[str, torch.Tensor]:
        """One row an item and kind of fact: where its far ends begin, the share of each, its item, its kind."""
        kind = facts.relation.astype(np.int64) * self.hops + facts.hop - 1
        rows = facts.rows
        order = np.lexsort((kind, rows))
        rows, kind, far = rows[order], kind[order], facts.far[order].astype(np.int64)
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


class TreeTable(nn.Module):
    """The T5 encoder's states of the items' trees, pooled and kept for the whole catalogue.

    A training step encodes the trees of a part of the catalogue anew; the others' vectors are those of the last time
    they were encoded. Every vector's gradients are summed up until its own tree's turn, and go through the encoder
    then: whether a vector is new tells nothing of the step's targets, and no gradient is lost.

    Args:
        n_items: Catalogue size.
        width: Size of a vector.
        pooling: Whether the mean is over the item's own tokens, which by the mask saw their children, or over all
            tokens of its tree.
    """

    kept: torch.Tensor
    owed: torch.Tensor

    def __init__(self, n_items: int, width: int, pooling: Literal["own", "tree"] = "own") -> None:
        super().__init__()
        self.pooling = pooling
        self.scale = nn.Parameter(torch.tensor(0.1))  # encoder states are many times larger than tokens
        self.register_buffer("kept", torch.zeros(n_items, width))
        self.register_buffer("owed", torch.zeros(n_items, width))

    def encode(self, tree: TreeT5, trees: TreeTokens) -> torch.Tensor:
        """The mean state of each tree's tokens that count, ``(E, d)``."""
        states = tree.encode(trees.input_ids, trees.node, trees.parent, trees.whole_word)  # (E, L, d)
        read = (trees.node == ROOT if self.pooling == "own" else trees.node >= ROOT).unsqueeze(-1)
        return self.scale * (states * read).sum(dim=1) / read.sum(dim=1)

    @torch.no_grad()
    def keep(self, tree: TreeT5, trees: TreeTokens) -> None:
        """Encode trees anew and keep their vectors."""
        self.kept[trees.items] = self.encode(tree, trees).to(self.kept.dtype)

    def forward(self, tree: TreeT5, trees: TreeTokens | None) -> torch.Tensor:
        """Knowledge vectors of the whole catalogue, ``(n, d)``; those of ``trees`` are new."""
        if trees is None:
            return self.kept
        fresh = self.encode(tree, trees).to(self.kept.dtype)
        self.kept[trees.items] = fresh.detach()
        table: torch.Tensor = _Table.apply(fresh, self.kept, self.owed, trees.items)
        return table

    def grow(self, new: int) -> None:
        """Hold ``new`` more items, of whom nothing is known yet."""
        self.kept, self.owed = (
            torch.cat([held, held.new_zeros(new, held.shape[1])]) for held in (self.kept, self.owed)
        )


class _Table(torch.autograd.Function):
    """Kept vectors as a table. Backward adds its gradients to those owed, and pays out what is owed to new vectors."""

    @staticmethod
    def forward(
        ctx: Any, fresh: torch.Tensor, kept: torch.Tensor, owed: torch.Tensor, items: torch.Tensor
    ) -> torch.Tensor:
        ctx.owed, ctx.items = owed, items
        return kept.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        owed, items = ctx.owed, ctx.items
        owed += distributed.averaged(gradients[0])
        paid = owed[items]
        owed[items] = 0
        return paid, None, None, None


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


class AlikeHead(nn.Module):
    """Adds to an item's score how alike the graph makes it to the history: ``w log(1 + sum decay^age S[read, item])``.

    ``S`` is the sum over kinds of a learnt weight times :class:`~kptoolkit.knowledge.item_facts.Alikeness`. It uses the
    graph alone, so no interactions reach a score through it except the history itself.

    Args:
        alike: Pairs of items.
        relations: Number of relations.
        n_items: Catalogue size.
    """

    indptr: torch.Tensor
    other: torch.Tensor
    pair_kind: torch.Tensor
    value: torch.Tensor

    def __init__(self, alike: Alikeness, relations: int, n_items: int) -> None:
        super().__init__()
        self.raw_weight = nn.Parameter(torch.tensor(1 / _QUICK))
        self.raw_kinds = nn.Parameter(torch.zeros(max(1, 2 * relations)))
        self.raw_decay = nn.Parameter(torch.tensor(1 / _QUICK))
        self.use(alike, n_items)

    @property
    def weight(self) -> torch.Tensor:
        """Scalar weight of the whole."""
        return _QUICK * self.raw_weight

    @property
    def kinds(self) -> torch.Tensor:
        """``(2 R,)`` weight of each kind of pair, positive."""
        return nn.functional.softplus(_QUICK * self.raw_kinds)

    @property
    def decay(self) -> torch.Tensor:
        """Scalar weight of an item read relative to the next later one, between 0 and 1."""
        return torch.sigmoid(_QUICK * self.raw_decay)

    def use(self, alike: Alikeness, n_items: int) -> None:
        """Read other pairs from now on."""
        device = self.raw_weight.device
        names = {"indptr": alike.indptr, "other": alike.other, "pair_kind": alike.kind, "value": alike.value}
        for name, array in names.items():
            tensor = torch.from_numpy(np.ascontiguousarray(array))
            tensor = tensor if tensor.is_floating_point() else tensor.long()
            self.register_buffer(name, tensor.to(device), persistent=False)
        self.n_items = n_items

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """What is added to the scores behind every place.

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
        alike = flat.view(len(read), self.n_items)  # (U, n)
        length = items.shape[1]
        age = torch.arange(length, device=items.device)[:, None] - torch.arange(length, device=items.device)
        kept = self.decay ** age.clamp(min=0) * (age >= 0)  # (L, L)
        seen = torch.bmm(kept.expand(len(items), -1, -1), nn.functional.embedding(place, alike))  # (B, L, n)
        return self.weight * torch.log1p(seen)
