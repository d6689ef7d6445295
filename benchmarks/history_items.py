"""What a protocol does with items of the history: left out of the ranking, or their scores set to 0.

Some published code sets the scores of a history's items to 0 where others leave these items out of the ranking. A
target with a score below 0 then ranks behind all of them. The rows rank the test cases of one finished run, with all
its score parts and by its backend alone, each three ways: items of the history left out; their scores set to 0 as the
scores are; the same after a softmax over the catalogue, which makes all scores positive.

    python -m benchmarks.history_items runs/beauty
    python -m benchmarks.history_items runs/beauty --json FILE
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness
from kptoolkit import metrics
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.evaluation.ranking import Scorer, rank_of
from kptoolkit.runs.run import Run

LEFT_OUT, ZERO, POSITIVE = "left out", "score set to 0", "score set to 0 after a softmax"
KS = (5, 10)

Scores = NDArray[np.float64]


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    run = Run.load(bench.options.run, trust_code=False)
    scorers = {"all score parts": run.recommender.score, "the backend alone": run.recommender.backend.score}
    for row, score in scorers.items():
        ranks = ranks_by_way(score, run.split.test, run.config.evaluation.batch_size)
        for way, found in ranks.items():
            for metric, value in metrics.summary(found, KS).items():
                base = metrics.summary(ranks[LEFT_OUT], KS)[metric] if way != LEFT_OUT else None
                bench.add(f"{row}, items of the history: {way}", metric, base, value)


def ranks_by_way(score: Scorer, cases: Cases, batch_size: int) -> dict[str, Scores]:
    """Ranks of the targets, ``(N,)``, by what is done with items of the history."""
    found: dict[str, list[Scores]] = {}
    for first in range(0, len(cases), batch_size):
        batch = cases.take(slice(first, min(first + batch_size, len(cases))))
        for way, scores, seen in ways(np.asarray(score(batch), dtype=np.float64), batch.histories):
            found.setdefault(way, []).append(rank_of(scores, batch.targets, seen, first_case=first))
    return {way: np.concatenate(ranks) for way, ranks in found.items()}


def ways(scores: Scores, histories: Histories) -> Iterator[tuple[str, Scores, Histories]]:
    """Yield each way with its scores, ``(B, n)``, and the items that it does not rank."""
    none = Histories.of([[] for _ in range(len(histories))])
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    yield LEFT_OUT, scores, histories
    yield ZERO, _zero(scores, histories), none
    yield POSITIVE, _zero(likely, histories), none


def _zero(scores: Scores, histories: Histories) -> Scores:
    changed = scores.copy()
    changed[histories.rows, histories.items] = 0
    return changed


def main() -> None:
    """The command."""
    made = harness.parser(__doc__ or "")
    made.add_argument("run", type=Path, metavar="RUN", help="a finished run")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
