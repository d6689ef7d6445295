"""How the backend ``linear`` scores items that lack some triplets: only graph similarity reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.models.backend import Triplets
from kptoolkit.models.linear.linear_state import GRAPH, LinearState
from kptoolkit.models.parts.pair_features import OLDEST
from kptoolkit.models.parts.removed_triplets import RemovablePrompts
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
    if (part := state.terms.pairs.get(GRAPH)) is not None:
        trees = state.knowledge.trees
        graph = RemovablePrompts.of_facts(part, state.facts, trees)
        scores += graph.change(case, candidates, triplets.item, np.asarray(trees.prompt)[triplets.row], removed)
    return scores
