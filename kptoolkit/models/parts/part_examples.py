"""Cases and candidates from which the weights of score parts are fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.parts.item_pairs import event_counts
from kptoolkit.models.parts.pair_features import TrainingEvents, pair_features
from kptoolkit.models.parts.pair_kinds import PairKind
from kptoolkit.models.parts.part_weights import Examples

TOP, OTHERS = 80, 70
"""Candidates per case: the best by a score, and a sample of the others."""
_BATCH = 128

Score = Callable[[Cases], NDArray[np.float32]]


def training_cases(train: Histories, count: int, seed: int) -> Cases:
    """Cases from training histories: the latest events of each user, each after all events before it.

    An event of an item that is in the user's history already makes no case.

    Args:
        train: Training histories.
        count: Most cases; of more a sample is drawn.
        seed: Seed of the sample.
    """
    users = np.flatnonzero(train.lengths >= 2)
    per_user = -(-count // max(1, len(users)))
    back = np.tile(np.arange(1, per_user + 1), (len(users), 1))
    there = back < train.lengths[users][:, None]
    rows, ends = np.repeat(users, there.sum(axis=1)), (train.lengths[users][:, None] - back)[there]
    if len(rows) > count:
        chosen = np.sort(np.random.default_rng(seed).choice(len(rows), count, replace=False))
        rows, ends = rows[chosen], ends[chosen]
    cases = Cases.of(train.before(ends, rows), train.items[train.indptr[rows] + ends], rows.astype(np.int32))
    return with_new_targets(cases)


def with_new_targets(cases: Cases) -> Cases:
    """The cases whose target is not in their history."""
    histories = cases.histories
    seen = np.bincount(histories.rows, histories.items == cases.targets[histories.rows], len(cases))
    return cases.take(seen == 0)


def candidates_of(
    cases: Cases, scores: Sequence[Score], n_items: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose candidates: the target, the best :data:`TOP` items by each score, and :data:`OTHERS` at random.

    Args:
        cases: N cases.
        scores: Functions that score the catalogue.
        n_items: Catalogue size.
        seed: Seed of the random items.

    Returns:
        Candidates ``(N, C)`` with the target first, and the logarithm of the number of items that each represents,
        ``(N, C)``. Items of the history represent none; they fill up rows with too few other items.
    """
    random = np.random.default_rng(seed)
    width = min(n_items, 1 + TOP * len(scores) + OTHERS)
    candidates, offset = np.empty((len(cases), width), np.int64), np.zeros((len(cases), width))
    for first in range(0, len(cases), _BATCH):
        batch = cases.take(slice(first, first + _BATCH))
        scored = [score(batch) for score in scores]
        for row in range(len(batch)):
            seen, target = batch.items[batch.span(row)], batch.targets[row]
            chosen, rest = _best(target, seen, [each[row] for each in scored], n_items)
            others = random.choice(rest, min(width - len(chosen), len(rest)), replace=False)
            fill = np.unique(seen)[: width - len(chosen) - len(others)]
            candidates[first + row] = np.concatenate([chosen, others, fill])
            counts = np.repeat([1.0, len(rest) / max(1, len(others)), 0.0], [len(chosen), len(others), len(fill)])
            with np.errstate(divide="ignore"):
                offset[first + row] = np.log(counts)
    return candidates, offset


def _best(
    target: np.int32, seen: NDArray[np.int32], scored: Sequence[NDArray[np.float32]], n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The target and the best items by each score; and all other items outside the history."""
    free = np.ones(n_items, dtype=np.bool_)
    free[seen] = free[target] = False
    chosen = [np.array([target], dtype=np.int64)]
    for scores in scored:
        left = np.flatnonzero(free)
        best = left[np.argpartition(-scores[left], TOP - 1)[:TOP]] if len(left) > TOP else left
        free[best] = False
        chosen.append(best)
    return np.concatenate(chosen), np.flatnonzero(free)


def examples_of(
    cases: Cases,
    candidates: NDArray[np.int64],
    offset: NDArray[np.float64],
    parts: Mapping[str, Sequence[PairKind]],
    train: TrainingEvents,
    scores: Sequence[Score],
    *,
    without_own: bool,
) -> Examples:
    """Compute the features of candidates; the target is the first of each case.

    Args:
        cases: N cases.
        candidates: ``(N, C)``, see :func:`candidates_of`.
        offset: ``(N, C)``, the same.
        parts: Kinds of pairs of each part.
        train: What the kinds were counted from.
        scores: Functions that score the catalogue. Popularity follows as the last of the other scores.
        without_own: As in :func:`~kptoolkit.models.parts.pair_features.pair_features`; popularity is without the own
            events too.
    """
    pairs = {
        name: pair_features(kinds, cases, candidates, train, without_own=without_own) for name, kinds in parts.items()
    }
    events = train.events[candidates]
    if without_own:
        own = event_counts(train.histories.take(cases.user), len(train.events))
        events = events - np.asarray(own[np.arange(len(cases))[:, None], candidates].todense())
    columns = [_scores_of(cases, candidates, score) for score in scores]
    stacked = np.stack([*columns, np.log1p(events)], axis=-1).astype(np.float64)
    return Examples(pairs, stacked, offset, np.zeros(len(cases), dtype=np.int64))


def _scores_of(cases: Cases, candidates: NDArray[np.int64], score: Score) -> NDArray[np.float32]:
    found = np.empty(candidates.shape, dtype=np.float32)
    for first in range(0, len(cases), _BATCH):
        rows = slice(first, first + _BATCH)
        found[rows] = np.take_along_axis(score(cases.take(rows)), candidates[rows], axis=1)
    return found
