"""Scores without some triplet prompts: they are cut out of the prompt, and many variants of one case form a batch.

No knowledge is compiled again and no weight changes. ``tests/models/test_explaining.py`` compares every variant with
scoring under item trees that really lack the triplets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.models.backend import Triplets
from kptoolkit.models.t5.explaining import listed_triplets, parts
from kptoolkit.models.t5.kp4sr.kp4sr_state import Kp4srState


def triplets(state: Kp4srState, case: Cases) -> Triplets:
    """The triplet prompts in the prompt of a case; ``row`` is their node. The candidates have none there."""
    knowledge = state.assembler.knowledge
    _, node, row = state.prompts(case, np.array([0])).triplets
    item = np.searchsorted(knowledge.trees.indptr, row, side="right") - 1
    return listed_triplets(knowledge, item, row, node)


def score_without(
    state: Kp4srState, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Log-likelihoods ``(V, C)`` after prompts without the triplets that ``removed`` marks."""
    prompt = state.prompts(case, np.array([0]))
    nodes = np.zeros((len(removed), int(prompt.node.max()) + 1), dtype=bool)
    nodes[:, triplets.row] = removed
    found = np.empty((len(removed), len(candidates)), dtype=np.float32)
    for rows in parts(len(removed), state.n_items):
        variants = prompt.without(nodes[rows], state.assembler.pad_id)
        found[rows] = state.scores(len(rows), variants.take)[:, candidates]
    return found
