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
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models.backend import Triplets
from kptoolkit.models.t5.base import chunks
from kptoolkit.models.t5.explaining import listed_triplets, parts
from kptoolkit.models.t5.sequence.sequence_state import SequenceState


def triplets(state: SequenceState, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
    """The triplets in the vectors of the items read and of the candidates; ``row`` is that in the item trees."""
    items = np.unique(np.concatenate([_read(state, case), candidates]))
    row, item = _rows_read(state, items)
    return listed_triplets(state.knowledge, item, row, row)


def score_without(
    state: SequenceState, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Log-likelihoods ``(V, C)`` by histories and items whose vectors lack the triplets that ``removed`` marks."""
    changed = _changed(state, triplets, removed)
    vectors, knowledge = _vectors(state, changed)
    history = padded(case.histories, state.history)[0]
    items = np.repeat(history[None], len(removed), axis=0)  # (V, L)
    for variant, number in zip(changed.variant, changed.number, strict=True):
        items[variant, history == changed.item[number]] = len(state.model.trained) + number
    distinct, which = np.unique(items, axis=0, return_inverse=True)
    states = _states(state, vectors, knowledge, distinct)[which.reshape(-1)]  # (V, d)
    found = np.empty((len(removed), len(candidates)), dtype=np.float32)
    for rows in parts(len(removed), state.model.n_items):
        logits = _logits(state, states[rows], vectors, changed, rows)
        found[rows] = logits.log_softmax(-1)[:, candidates].cpu().numpy()
    return found


@dataclass(frozen=True)
class _Changed:
    """Items that lose triplets: E distinct pairs of an item and the set of triplets it loses.

    Attributes:
        item: ``(E,)`` catalogue rows.
        trees: E trees without the lost triplets.
        variant: ``(M,)`` variants.
        number: ``(M,)`` which of the E replaces its item in that variant.
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
) -> torch.Tensor:
    """Scores ``(B, n)`` of the variants ``rows``, whose decoder states are ``states``."""
    n = state.model.n_items
    logits = states @ vectors[:n].T
    here = np.flatnonzero(np.isin(changed.variant, rows))
    place = torch.from_numpy(changed.variant[here] - rows[0]).to(logits.device)
    number = torch.from_numpy(changed.number[here]).to(logits.device)
    own = torch.from_numpy(changed.item[changed.number[here]]).to(logits.device)
    logits[place, own] = (states[place] * vectors[n + number]).sum(-1)
    return logits


def _read(state: SequenceState, case: Cases) -> NDArray[np.int64]:
    return case.histories.latest(state.history)[0].astype(np.int64)


def _rows_read(state: SequenceState, items: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tree rows that the vectors of ``items`` are made of, and the item of each."""
    trees, fitting = state.knowledge.trees, state.assembler().fitting
    rows = [trees.indptr[item] + np.arange(fitting[item]) for item in items]
    rows = [r[state.model.knowledge.reads(state.facts, trees.prompt[r], trees.hop[r])] for r in rows]
    return np.concatenate(rows), np.repeat(items, [len(r) for r in rows])


def _changed(state: SequenceState, triplets: Triplets, removed: NDArray[np.bool_]) -> _Changed:
    trees, numbers = state.knowledge.trees, dict[tuple[int, bytes], int]()
    variants: list[tuple[int, int]] = []
    lost: list[NDArray[np.int64]] = []
    for variant, missing in enumerate(removed):
        for item in np.unique(triplets.item[missing]).tolist():
            own = triplets.row[missing & (triplets.item == item)]
            number = numbers.setdefault((item, own.tobytes()), len(numbers))
            variants.append((variant, number))
            if number == len(lost):
                lost.append(own)
    item = np.array([item for item, _ in numbers], dtype=np.int64)
    fitting = state.assembler().fitting  # what the budget left out stays out
    lost = [
        np.concatenate([rows, np.arange(trees.indptr[i] + fitting[i], trees.indptr[i + 1])])
        for i, rows in zip(item, lost, strict=True)
    ]
    found = np.array(variants, dtype=np.int64).reshape(-1, 2)
    return _Changed(item, trees.cut(item, lost), found[:, 0], found[:, 1])


@torch.inference_mode()
def _vectors(state: SequenceState, changed: _Changed) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors and knowledge of the catalogue and then of the changed items, both ``(n + E, d)``."""
    vectors, knowledge = state.current()
    model, item = state.model, torch.from_numpy(changed.item).to(state.device)
    trees = state.tree_batches(changed.trees, changed.item)
    fresh = model.knowledge.variants(model.tree, model.tokens, state.facts.around(changed.trees), trees)
    return torch.cat([vectors, model.own_vectors()[item] + fresh]), torch.cat([knowledge, fresh])


@torch.inference_mode()
def _states(
    state: SequenceState, vectors: torch.Tensor, knowledge: torch.Tensor, items: NDArray[np.int64]
) -> torch.Tensor:
    """Decoder states ``(U, d)`` after U histories."""
    prefix = torch.tensor(state.prefix_tokens[-1:], dtype=torch.long, device=state.device)  # (1, P)
    states = [
        state.model.read_last(vectors, knowledge, torch.from_numpy(items[rows]).to(state.device), prefix)
        for rows in chunks(np.arange(len(items)), state.device)
    ]
    return torch.cat(states)
