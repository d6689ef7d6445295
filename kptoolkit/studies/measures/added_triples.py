"""How much a model listens to triples that were added to its graph, such as wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models import ReadsKnowledge, backend_class
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_inputs import inputs_of
from kptoolkit.studies.engine.stored_triples import Triples

_CASES: Final = 200
_SEED: Final = 2308


def weight_of_added(run: Run, added: Triples) -> Mapping[str, float]:
    """Compare how far scores move without the added triples and without as many others.

    Per item, random triplets of added triples are left out of the trained model's knowledge, with all below them; then
    as many random others instead: all of the kind that the item has fewer of. The move is the mean absolute change of
    the scores of a sample of validation cases, each case's mean subtracted. Nothing is trained, and the run keeps its
    model: a second one is read from its folder. Vectors of text, which cannot be computed without a triplet, are left
    out of all scores.

    Args:
        run: A finished run.
        added: Triples that its graph has and the graph before the change had not.

    Returns:
        ``"weight of added triples"``: 1 where the model listens to them as much as to the others; and
        ``"added triples read"``, their share of all triplets read. Without the weight where no item reads both kinds,
        or scores do not depend on the others; nothing where the backend reads no knowledge.
    """
    if not issubclass(backend_class(run.config.model.backend), ReadsKnowledge):
        return {}
    source = inputs_of(run, run.config).knowledge
    trees = source.trees(0)
    own = added.among(source.neighbourhoods)[source.pool.keys.row[trees.prompt]]
    shares = {"added triples read": float(own.mean()) if len(own) else 0.0}
    parts = as_many_of_both(trees, own)
    if not parts[0].any():
        return shares
    backend: Any = run.files.recommender(run.config).backend
    backend.use_trees(lambda _: trees)
    chosen = np.random.default_rng(_SEED).permutation(len(run.split.valid))[:_CASES]
    cases = run.split.valid.take(np.sort(chosen))
    known = _centred(backend.score(cases))
    moves = [float(np.abs(_scores_without(backend, cases, trees, part) - known).mean()) for part in parts]
    return shares | ({"weight of added triples": moves[0] / moves[1]} if moves[1] > 0 else {})


def _scores_without(backend: Any, cases: Cases, trees: ItemTrees, removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    gone = trees.with_below(removed)
    per_item = [np.flatnonzero(gone[first:end]) for first, end in zip(trees.indptr[:-1], trees.indptr[1:], strict=True)]
    left = trees.cut(np.arange(len(trees)), per_item)
    backend.use_trees(lambda _: left)
    return _centred(backend.score(cases))


def _centred(scores: NDArray[Any]) -> NDArray[np.float64]:
    scores = scores.astype(np.float64)
    return np.asarray(scores - scores.mean(axis=1, keepdims=True))


def as_many_of_both(trees: ItemTrees, own: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Choose, per item, as many random triplets of one kind as of the other: all of the kind that it has fewer of.

    Args:
        trees: The triplets.
        own: ``(S,)`` whether each is of the first kind.

    Returns:
        ``(S,)`` those chosen of the first kind, and of the second.
    """
    generator = np.random.default_rng(_SEED)
    counts = [np.bincount(trees.rows[kind], minlength=len(trees)) for kind in (own, ~own)]
    fewer = np.minimum(*counts)
    chosen = []
    for kind in (own, ~own):
        order = np.lexsort((generator.random(len(own)), ~kind, trees.rows))  # this kind of an item comes first
        place = np.empty(len(own), np.int64)
        place[order] = np.arange(len(own)) - trees.indptr[trees.rows[order]]
        chosen.append(np.asarray(kind & (place < fewer[trees.rows])))
    return chosen[0], chosen[1]
