"""Which triplet prompts a recommendation came from, and whether those that are named do carry it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError
from kptoolkit.evaluation.significance import RESAMPLES, SEED, bootstrap_interval, paired_test
from kptoolkit.evaluation.table import Faithfulness
from kptoolkit.models import Backend, Explains, Triplets
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent

NAMED = 3
"""Triplets named for a recommendation."""
_DRAWS = 5


def explaining(backend: Backend) -> Explains:
    """``backend`` if it can say which triplets mattered.

    Raises:
        InputError: It cannot.
    """
    if not isinstance(backend, Explains):
        raise InputError(
            f"backend '{backend.name}' cannot say which triplets mattered; leave out --explain, or give it the methods "
            "of kptoolkit.models.Explains"
        )
    return backend


def drops(backend: Explains, case: Cases, candidates: NDArray[np.int64]) -> tuple[Triplets, NDArray[np.float32]]:
    """How far the scores of some items fall when a triplet is not read, each triplet alone, all asked together.

    Args:
        backend: A fitted backend.
        case: One case.
        candidates: ``(C,)`` catalogue rows.

    Returns:
        The triplets, and ``(T, C)`` falls; 0 for a triplet that stands under another candidate alone.
    """
    found = backend.triplets(case, candidates)
    alone = np.eye(len(found) + 1, len(found), k=-1, dtype=bool)  # the first variant lacks nothing
    scores = backend.score_without(case, candidates, found, found.with_below(alone))
    concerns = np.isin(found.item, case.items)[:, None] | (found.item[:, None] == candidates)
    return found, np.where(concerns, scores[0] - scores[1:], np.float32(0))


def faithfulness(
    backend: Backend,
    cases: Cases,
    *,
    triplets: int = NAMED,
    sample: int = 100,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    progress: ProgressCallback = silent,
) -> Faithfulness:
    """Take out the named triplets together, and as many random ones, and compare how far the best item's score falls.

    The random ones are of the same hops as the named, because what hangs under a triplet goes with it. They are drawn
    among all, the named included, five times a case.

    Args:
        backend: A fitted backend.
        cases: A sample of these is asked.
        triplets: Triplets named for a recommendation.
        sample: At most this many cases.
        resamples: Bootstrap resamples and sign flips.
        seed: Seed of the sample, the random triplets, the resamples and flips.
        progress: Told about every case.

    Raises:
        InputError: The backend does not explain.
    """
    asked = explaining(backend)
    draw = np.random.default_rng([seed, triplets])
    rows = np.sort(draw.permutation(len(cases))[:sample])
    falls, gone = [], []
    for done, row in enumerate(rows, 1):
        case = cases.take(np.array([row]))
        scores = backend.score(case)[0]
        scores[case.items] = -np.inf
        best = np.array([int(scores.argmax())])
        found, fall = drops(asked, case, best)
        if len(found) > triplets:
            variants = found.with_below(np.stack(list(_variants(found, fall[:, 0], triplets, draw))))
            without = asked.score_without(case, best, found, variants)[:, 0]
            falls.append((without[0] - without[1], without[0] - without[2:].mean()))
            gone.append((variants[1].sum(), variants[2:].sum(axis=1).mean()))
        progress(ProgressEvent("explain", done, len(rows), "cases"))
    named, random = np.array(falls, dtype=np.float64).reshape(-1, 2).T
    interval = bootstrap_interval(named - random, resamples=resamples, seed=seed)
    test = paired_test(named, random, resamples=resamples, seed=seed)
    means = [float(values.mean()) if len(values) else 0.0 for values in (named, random)]
    counts = np.array(gone).reshape(-1, 2).mean(axis=0) if gone else np.zeros(2)
    return Faithfulness(
        cases=len(falls),
        left_out=len(rows) - len(falls),
        triplets=triplets,
        named=means[0],
        random=means[1],
        difference=test.difference,
        interval=(interval.low, interval.high),
        p_value=test.p_value,
        gone_named=float(counts[0]),
        gone_random=float(counts[1]),
    )


def _variants(
    found: Triplets, fall: NDArray[np.float32], count: int, draw: np.random.Generator
) -> Iterator[NDArray[np.bool_]]:
    """``(T,)`` what is chosen: nothing, the ``count`` that make the score fall most, then the random draws."""
    named = np.argsort(-fall, kind="stable")[:count]
    yield np.zeros(len(found), dtype=bool)
    yield np.isin(np.arange(len(found)), named)
    for _ in range(_DRAWS):
        chosen = np.zeros(len(found), dtype=bool)
        for hop, wanted in zip(*np.unique(found.hop[named], return_counts=True), strict=True):
            chosen[draw.choice(np.flatnonzero(found.hop == hop), wanted, replace=False)] = True
        yield chosen
