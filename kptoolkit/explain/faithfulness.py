"""Whether the scores of recommendations depend on the triplet prompts that are named for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.significance import RESAMPLES, SEED, bootstrap_interval, paired_test
from kptoolkit.evaluation.table import Evaluation, Faithfulness
from kptoolkit.explain.triplet_drops import NAMED, RunScore, drops
from kptoolkit.models import Triplets
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.runs.run import Run

_DRAWS = 5
"""Random choices per case."""


def with_faithfulness(result: Evaluation, run: Run, cases: Cases, progress: ProgressCallback = silent) -> Evaluation:
    """Add to an evaluation whether scores depend on the triplets named for a recommendation.

    Args:
        result: Evaluation of the run on ``cases``.
        run: A finished run.
        cases: A sample of ``evaluation.explained`` of them is explained.
        progress: Progress callback.

    Raises:
        InputError: The backend cannot say which triplets mattered.
    """
    settings = run.config.evaluation
    found = faithfulness(
        RunScore.of(run), cases, sample=settings.explained, resamples=settings.resamples, progress=progress
    )
    return replace(result, faithfulness=found, notes=(*result.notes, found.note))


def faithfulness(
    scorer: RunScore,
    cases: Cases,
    *,
    triplets: int = NAMED,
    sample: int = 100,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    progress: ProgressCallback = silent,
) -> Faithfulness:
    """Compare the drop of the best item's score without the named triplets and without as many random ones.

    The named triplets are those of :func:`kptoolkit.explain`: see :meth:`RunScore.named`.
    The random triplets have the same hops as the named ones, because the triplets below a left-out one are left out
    too. They are drawn from all triplets, the named ones included, five times per case.

    Args:
        scorer: The score of a run.
        cases: The sample is drawn from these cases.
        triplets: Most triplets named for a recommendation; a case that has no more of them is left out.
        sample: Size of the sample, at most.
        resamples: Bootstrap resamples and sign flips.
        seed: Seed of the sample, the random triplets, the resamples and the sign flips.
        progress: Progress callback.
    """
    draw = np.random.default_rng([seed, triplets])
    rows = np.sort(draw.permutation(len(cases))[:sample])
    falls, removed = [], []
    for done, row in enumerate(rows, 1):
        case = cases.take(np.array([row]))
        scores = scorer.score(case)[0]
        scores[case.items] = -np.inf
        best = np.array([int(scores.argmax())])
        found, fall = drops(scorer, case, best)
        named = np.array(list(scorer.named(found, fall[:, 0], triplets)), dtype=np.int64)
        if len(named) and len(found) > triplets:
            variants = found.with_below(np.stack(list(_variants(found, named, draw))))
            without = scorer.score_without(case, best, found, variants)[:, 0]
            falls.append((without[0] - without[1], without[0] - without[2:].mean()))
            removed.append((variants[1].sum(), variants[2:].sum(axis=1).mean()))
        progress(ProgressEvent("explain", done, len(rows), "cases"))
    without_named, without_random = np.array(falls, dtype=np.float64).reshape(-1, 2).T
    interval = bootstrap_interval(without_named - without_random, resamples=resamples, seed=seed)
    test = paired_test(without_named, without_random, resamples=resamples, seed=seed)
    means = [float(values.mean()) if len(values) else 0.0 for values in (without_named, without_random)]
    counts = np.array(removed).reshape(-1, 2).mean(axis=0) if removed else np.zeros(2)
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


def _variants(found: Triplets, named: NDArray[np.int64], draw: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Yield what is left out, ``(T,)`` each: nothing, the named ones, then the random choices."""
    yield np.zeros(len(found), dtype=bool)
    yield np.isin(np.arange(len(found)), named)
    for _ in range(_DRAWS):
        chosen = np.zeros(len(found), dtype=bool)
        for hop, wanted in zip(*np.unique(found.hop[named], return_counts=True), strict=True):
            chosen[draw.choice(np.flatnonzero(found.hop == hop), wanted, replace=False)] = True
        yield chosen
