"""The structure of the knowledge that a training read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kptoolkit.runs.run import Run
from kptoolkit.runs.run_inputs import inputs_of
from kptoolkit.studies.engine.stored_triples import Triples


def structure(run: Run, _: Triples) -> Mapping[str, float]:
    """Count what the items of a run have in their trees.

    Returns:
        ``"relations"`` read, ``"items with triples"`` as a share of those with events, ``"triples per item"`` of an
        item that has any, ``"depth"``, the mean hop of a triplet, and ``"shared"``, the share of triplets whose far end
        more than one item has.
    """
    inputs = inputs_of(run, run.config)
    trees, keys, found = inputs.knowledge.trees(0), inputs.knowledge.pool.keys, inputs.knowledge.neighbourhoods
    rows = keys.row[trees.prompt]
    lengths = trees.lengths[: inputs.interactions.n_items]
    some = {
        "relations": float(len(np.unique(found.relation[rows]))),
        "items with triples": float((lengths > 0).mean()),
    }
    if not len(rows):
        return some
    pairs = np.unique(np.stack([found.far[rows], trees.rows]), axis=1)
    items_of = np.bincount(pairs[0], minlength=len(found.ids))
    return some | {
        "triples per item": float(lengths[lengths > 0].mean()),
        "depth": float(trees.hop.mean()),
        "shared": float((items_of[found.far[rows]] > 1).mean()),
    }
