"""Scores without some triplets: new vectors for the items that lose them, many variants of one case in one batch.

The new vectors follow the catalogue's and are read in their place. No knowledge is compiled again and no weight
changes. ``tests/models/test_explaining.py`` compares every variant with scoring under item trees that really lack the
triplets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.data.slices import padded
from kptoolkit.knowledge.item_facts import Holders, ItemFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models.backend import Triplets
from kptoolkit.models.t5.base import chunks
from kptoolkit.models.t5.explaining import listed_triplets, parts
from kptoolkit.models.t5.sequence.item_encoders import FactBag, TreeTable, TreeTokens
from kptoolkit.models.t5.sequence.sequence_state import SequenceState, tree_tensors

_TREES = 256
"""Trees encoded at once."""


def triplets(state: SequenceState, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
    """The triplets in the vectors of the items read and of the candidates; ``row`` is that in the item trees."""
    items = np.unique(np.concatenate([_read(state, case), candidates]))
    row, item = _rows_read(state, items)
    return listed_triplets(state.knowledge, item, row, row)


def score_without(
    state: SequenceState, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, gone: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Log-likelihoods ``(V, C)`` by histories and items whose vectors lack the triplets that ``gone`` marks."""
    changed = _changed(state, triplets, gone)
    vectors, knowledge = _vectors(state, changed)
    history = padded(case.histories, state.history)[0]
    items = np.repeat(history[None], len(gone), axis=0)  # (V, L)
    for variant, number in zip(changed.variant, changed.number, strict=True):
        items[variant, history == changed.item[number]] = len(state.model.trained) + number
    distinct, which = np.unique(items, axis=0, return_inverse=True)
    states = _states(state, vectors, knowledge, distinct)[which.reshape(-1)]  # (V, d)
    found = np.empty((len(gone), len(candidates)), dtype=np.float32)
    for rows in parts(len(gone), state.model.n_items):
        logits = _logits(state, states[rows], vectors, changed, rows, history)
        found[rows] = logits.log_softmax(-1)[:, candidates].cpu().numpy()
    return found


@dataclass(frozen=True)
class _Changed:
    """Items that lose triplets, each with each of its losses once.

    Attributes:
        item: ``(E,)`` catalogue rows.
        trees: E trees without what is lost.
        variant: ``(M,)`` a variant in which ...
        number: ``(M,)`` ... this of the E takes the place of its item.
    """

    item: NDArray[np.int64]
    trees: ItemTrees
    variant: NDArray[np.int64]
    number: NDArray[np.int64]


def _logits(
    state: SequenceState,
    states: torch.Tensor,
    vectors: torch.Tensor,
    changed: _Changed,
    rows: NDArray[np.int64],
    history: NDArray[np.int64],
) -> torch.Tensor:
    """Scores ``(B, n)`` of the variants ``rows``, whose decoder states are ``states``."""
    n = state.model.n_items
    logits = states @ vectors[:n].T
    here = np.flatnonzero(np.isin(changed.variant, rows))
    place = torch.from_numpy(changed.variant[here] - rows[0]).to(logits.device)
    number = torch.from_numpy(changed.number[here]).to(logits.device)
    own = torch.from_numpy(changed.item[changed.number[here]]).to(logits.device)
    logits[place, own] = (states[place] * vectors[n + number]).sum(-1)
    if state.model.graph_similarity is not None:
        logits += torch.from_numpy(_alike(state, changed, rows, history)).to(logits)
    return logits


def _read(state: SequenceState, case: Cases) -> NDArray[np.int64]:
    return case.histories.latest(state.history)[0].astype(np.int64)


def _rows_read(state: SequenceState, items: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tree rows that the vectors of ``items`` are made of, and the item of each."""
    trees = state.knowledge.trees
    rows = [np.arange(trees.indptr[item], trees.indptr[item + 1]) for item in items]
    if isinstance(state.model.knowledge, FactBag):
        facts = state.facts
        rows = [r[(facts.relation[trees.prompt[r]] >= 0) & (facts.far[trees.prompt[r]] >= 0)] for r in rows]
    else:
        kept = state.assembler().kept
        rows = [r[: kept[item]] for item, r in zip(items, rows, strict=True)]
    return np.concatenate(rows), np.repeat(items, [len(r) for r in rows])


def _changed(state: SequenceState, triplets: Triplets, gone: NDArray[np.bool_]) -> _Changed:
    trees, numbers = state.knowledge.trees, dict[tuple[int, bytes], int]()
    variants: list[tuple[int, int]] = []
    lost: list[NDArray[np.int64]] = []
    for variant, missing in enumerate(gone):
        for item in np.unique(triplets.item[missing]).tolist():
            own = triplets.row[missing & (triplets.item == item)]
            number = numbers.setdefault((item, own.tobytes()), len(numbers))
            variants.append((variant, number))
            if number == len(lost):
                lost.append(own)
    item = np.array([item for item, _ in numbers], dtype=np.int64)
    if isinstance(state.model.knowledge, TreeTable):  # what the budget left out stays out
        kept = state.assembler().kept
        lost = [
            np.concatenate([rows, np.arange(trees.indptr[i] + kept[i], trees.indptr[i + 1])])
            for i, rows in zip(item, lost, strict=True)
        ]
    found = np.array(variants, dtype=np.int64).reshape(-1, 2)
    return _Changed(item, trees.cut(item, lost), found[:, 0], found[:, 1])


@torch.inference_mode()
def _vectors(state: SequenceState, changed: _Changed) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors and knowledge of the catalogue, ``(n + E, d)``, those of the changed items behind them."""
    vectors, knowledge = state.current()
    model, item = state.model, torch.from_numpy(changed.item).to(state.device)
    tokens = model.tree.t5.shared.weight[model.first_item : model.first_item + model.n_items]
    if isinstance(model.knowledge, FactBag):
        fresh = model.knowledge.of(state.facts.around(changed.trees), tokens)
    else:
        fresh = _encoded(state, model.knowledge, changed).to(knowledge.dtype)
    own = tokens[item] * model.trained[item, None]
    return torch.cat([vectors, own + fresh]), torch.cat([knowledge, fresh])


def _encoded(state: SequenceState, table: TreeTable, changed: _Changed) -> torch.Tensor:
    """``(E, d)`` vectors of the changed items' trees."""
    if not len(changed.item):
        return table.kept[:0]
    assembler, encoded = state.assembler(changed.trees, changed.item), []
    for first in range(0, len(changed.item), _TREES):
        rows = np.arange(first, min(first + _TREES, len(changed.item)))
        tensors = {name: t.to(state.device) for name, t in tree_tensors(rows, assembler.assemble(rows)).items()}
        encoded.append(table.encode(state.model.tree, TreeTokens(**tensors)))
    return torch.cat(encoded)


@torch.inference_mode()
def _states(
    state: SequenceState, vectors: torch.Tensor, knowledge: torch.Tensor, items: NDArray[np.int64]
) -> torch.Tensor:
    """``(U, d)`` states behind U histories."""
    words = torch.tensor(state.words[-1:], dtype=torch.long, device=state.device)  # (1, P)
    states = [
        state.model.read_last(vectors, knowledge, torch.from_numpy(items[rows]).to(state.device), words)
        for rows in chunks(np.arange(len(items)), state.device)
    ]
    return torch.cat(states)


@torch.inference_mode()
def _alike(
    state: SequenceState, changed: _Changed, rows: NDArray[np.int64], history: NDArray[np.int64]
) -> NDArray[np.float32]:
    """``(B, n)`` what the alike term adds in the variants ``rows``."""
    head, n = state.model.graph_similarity, state.model.n_items
    assert head is not None
    state.holders = state.holders or Holders.of(state.facts.around(state.knowledge.trees))
    kinds, read, there = head.kinds.double().cpu().numpy(), np.zeros(n), history[history >= 0]
    np.add.at(read, there, float(head.decay) ** np.arange(len(there) - 1, -1, -1))
    seen = np.repeat(state.seen(history[None]).astype(np.float64), len(rows), axis=0)
    lost = _lost(state, changed)
    for variant in rows[np.isin(rows, changed.variant)]:
        pairs = [pair for number in changed.number[changed.variant == variant] for pair in lost[number]]
        seen[variant - rows[0]] += state.holders.change(pairs, read, kinds)
    added: NDArray[np.float32] = (head.weight.item() * np.log1p(np.maximum(seen, 0))).astype(np.float32)
    return added


def _lost(state: SequenceState, changed: _Changed) -> list[list[tuple[int, int]]]:
    """For each of the E changed items, itself and each fact of hop 1 that it no longer holds."""
    whole = state.knowledge.trees.cut(changed.item, [np.zeros(0, dtype=np.int64)] * len(changed.item))
    before, after = (_held(state.facts.around(trees)) for trees in (whole, changed.trees))
    return [
        [(item, key) for key in sorted(had - has)]
        for item, had, has in zip(changed.item.tolist(), before, after, strict=True)
    ]


def _held(facts: ItemFacts) -> list[set[int]]:
    return [
        set(Holders.keys(facts, slice(facts.indptr[item], facts.indptr[item + 1])).tolist())
        for item in range(facts.n_items)
    ]
