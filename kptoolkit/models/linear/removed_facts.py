"""How the backend ``linear`` scores items that lack some triplets: only graph similarity reads them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.models.backend import Triplets
from kptoolkit.models.linear.linear_state import GRAPH, LinearState
from kptoolkit.models.parts.graph_similarity import FactHolders
from kptoolkit.models.parts.pair_features import OLDEST
from kptoolkit.models.t5.explaining import listed_triplets


def triplets(state: LinearState, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
    """The triplets at hop 1 of the items read and of the candidates; ``row`` is that in the item trees."""
    trees = state.knowledge.trees
    items = np.unique(np.concatenate([case.histories.latest(OLDEST).items, candidates])).astype(np.int64)
    row = np.concatenate([np.zeros(0, np.int64), *(np.arange(*trees.indptr[item : item + 2]) for item in items)])
    item = np.repeat(items, trees.lengths[items])
    read = (trees.hop[row] == 1) & state.facts.known(trees.prompt[row])
    return listed_triplets(state.knowledge, item[read], row[read], row[read])


def score_without(
    state: LinearState, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Scores ``(V, C)`` of items that lack the triplets that ``removed`` marks; weights stay."""
    scores = np.tile(state.score(case)[0, candidates], (len(removed), 1))
    part = state.terms.pairs.get(GRAPH)
    if part is None:
        return scores
    facts, trees = state.facts, state.knowledge.trees
    names = [f"{how} {relation}" for how in ("same", "joined by") for relation in facts.relations]
    kinds = np.array([part.kinds.get(name, 0.0) for name in names])
    holders = FactHolders.of(facts.around(trees))
    read = np.asarray(part.read(case).toarray())[0].astype(np.float64)
    sums = np.asarray(read @ part.values)
    for variant in np.flatnonzero(removed.any(axis=1)):
        lost = list(_lost(state, triplets.item[removed[variant]], triplets.row[removed[variant]]))
        after = np.maximum(sums + holders.change(lost, read, kinds), 0)[candidates]
        scores[variant] += (part.scale * (np.log1p(after) - np.log1p(sums[candidates]))).astype(np.float32)
    return scores


def _lost(state: LinearState, item: NDArray[np.int64], row: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Items with each fact that no triplet gives them any more."""
    facts, trees = state.facts, state.knowledge.trees
    for each in np.unique(item).tolist():
        own = np.arange(*trees.indptr[each : each + 2])
        own = own[(trees.hop[own] == 1) & facts.known(trees.prompt[own])]
        prompts = trees.prompt[own]
        keys = facts.far[prompts].astype(np.int64) * max(1, len(facts.relations)) + facts.relation[prompts]
        gone = np.isin(own, row[item == each])
        yield from ((each, key) for key in np.setdiff1d(keys[gone], keys[~gone]).tolist())
