"""CPU seconds until kptoolkit's `sequence` has the best validation NDCG@10 of a tuned SASRec, against SASRec's own.

SASRec is that of RecTools with full softmax, in its own environment (`make bench-env`); it runs in the same call on the
same histories. Both clocks count training from the call of `fit`, batches and knowledge included, evaluations not;
reading files and graph is left out. kptoolkit ranks both: the full catalogue, history excluded.

Settings of SASRec were tuned on validation. RecTools offers learned positions counted from the end, no learned relative
bias of attention, which did a little better elsewhere; see docs/benchmarks.md.

    python -m benchmarks.time_to_quality --quick
    python -m benchmarks.time_to_quality --data movies --data books --seeds 3
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.settings import sequence_settings
from benchmarks.worlds import Curve, World, fitted, real
from kptoolkit import metrics
from kptoolkit.errors import TrainingError
from kptoolkit.evaluation.baselines.sasrec.rectools_process import RecToolsProcess
from kptoolkit.evaluation.ranking import evaluate, rank_of

MIN_EVENTS = 5
GOAL = "<= 1"
PYTHON = harness.CHECKOUT / ".venv-rectools" / "bin" / "python"
_COMMON = {"n_heads": 2, "session_max_len": 50, "use_key_padding_mask": True}
SASREC: dict[str, dict[str, Any]] = {
    "movies": _COMMON | {"n_factors": 64, "n_blocks": 1, "dropout_rate": 0.3, "lr": 2e-3, "batch_size": 32},
    "books": _COMMON | {"n_factors": 128, "n_blocks": 1, "dropout_rate": 0.5, "lr": 1e-3, "batch_size": 64},
}


@dataclass(frozen=True)
class Learned:
    """Result of a training.

    Attributes:
        best: Best validation NDCG@10.
        seconds: Training seconds to it.
        test: NDCG@10 on test by those weights.
        curve: ``(seconds, NDCG@10)`` of every evaluation.
    """

    best: float
    seconds: float
    test: float
    curve: list[tuple[float, float]]

    def seconds_to(self, quality: float) -> float | None:
        """Training seconds to the first evaluation that reached ``quality``."""
        return next((seconds for seconds, reached in self.curve if reached >= quality), None)


def measure(bench: harness.Bench) -> None:
    """Train and compare both."""
    if not bench.options.rectools.is_file():
        bench.notes["SASRec"] = (
            f"not run: there is no {bench.options.rectools}; `make bench-env` makes RecTools' own environment"
        )
    for name in bench.options.data or ["movies"] + ["books"] * (not bench.quick):
        world = real(name)
        seeds = [bench.options.seed + number for number in range(bench.options.seeds)]
        bench.notes["seeds"] = seeds
        pairs = [learn_both(bench, name, world, seed) for seed in seeds]
        report(bench, name, pairs)


def learn_both(bench: harness.Bench, name: str, world: World, seed: int) -> tuple[Learned | None, Learned]:
    """SASRec and `sequence`, one after the other; ``None`` where SASRec cannot run."""
    theirs = sasrec(bench, name, world, seed) if bench.options.rectools.is_file() else None
    ours = sequence(bench, name, world, seed)
    for label, learned in (("SASRec", theirs), ("sequence", ours)):
        if learned is not None:
            bench.notes.setdefault(f"{name}, {label}: curves", []).append(learned.curve)
            bench.say(f"{name}, {label}, seed {seed}: {learned.best:.4f} after {learned.seconds:.0f} s")
    return theirs, ours


def report(bench: harness.Bench, name: str, pairs: list[tuple[Learned | None, Learned]]) -> None:
    """Add the rows of one data set, medians over the seeds; a seed below the quality counts as infinite."""
    theirs, ours = ([learned for learned in side if learned is not None] for side in zip(*pairs, strict=True))
    base = median(learned.seconds for learned in theirs) if theirs else None
    reached = [learned.seconds_to(other.best) or float("inf") for other, learned in pairs if other is not None]
    unit = f"training {bench.second}"
    time_to = median(reached) if reached else None
    if time_to == float("inf"):
        bench.notes[f"{name}: quality"] = "sequence did not reach SASRec's best validation NDCG@10"
        time_to = None
    bench.add(f"{name}, to SASRec's best validation NDCG@10", unit, base, time_to, GOAL if reached else None)
    for label in ("best", "test"):
        theirs_mean, ours_mean = (
            float(np.mean([getattr(learned, label) for learned in side])) if side else None for side in (theirs, ours)
        )
        shown = "best validation NDCG@10" if label == "best" else "test NDCG@10 there"
        bench.add(f"{name}, {shown}", "NDCG@10", theirs_mean, ours_mean)


def sasrec(bench: harness.Bench, name: str, world: World, seed: int) -> Learned:
    """Train RecTools' SASRec in its own process and rank its scores here.

    Raises:
        TrainingError: The process fails, or its ranking differs from kptoolkit's.
    """
    split, n_items = world.split(MIN_EVENTS), len(world.catalogue)
    process = RecToolsProcess(bench.options.rectools, split.train, split.valid, n_items)
    epochs, patience = (20, 5) if bench.quick else (200, 12)
    settings = {"model": SASREC[name], "seed": seed, "epochs": epochs, "patience": patience, "metric": "NDCG@10"}
    result = process.fit(settings | {"device": "auto" if bench.device == "cuda" else "cpu", "max_seconds": math.inf})
    valid, test = (
        metrics.summary(rank_of(process.score(cases), cases.targets, cases.histories))["NDCG@10"]
        for cases in (split.valid, split.test)
    )
    process.close()
    if abs(valid - result["value"]) > 1e-4:
        raise TrainingError(f"SASRec ranks its best epoch at {result['value']:.5f}, kptoolkit at {valid:.5f}")
    curve = [(row["seconds"], row["NDCG@10"]) for row in result["curve"]]
    return Learned(valid, max(curve, key=lambda row: row[1])[0], test, curve)


def sequence(bench: harness.Bench, name: str, world: World, seed: int) -> Learned:
    """kptoolkit's `sequence`, ranked on validation every epoch with the clock stopped."""
    settings = sequence_settings(name, seed)
    settings |= {"training.epochs": 12 if bench.quick else 80, "training.eval_every": 1, "training.patience": 12}
    curve = Curve(bench)

    def watch(quality: float, ranking: harness.Spent) -> None:
        curve(quality, ranking)
        bench.say(f"{name}, sequence, epoch {len(curve.points)}: NDCG@10 {quality:.4f}, {curve.points[-1][0]:.1f} s")

    with tempfile.TemporaryDirectory() as folder:
        backend = fitted(world, settings, Path(folder), watch=watch)
    seconds, best = max(curve.points, key=lambda row: row[1])
    split = world.split(MIN_EVENTS)
    test = metrics.summary(evaluate(backend.score, split.test, len(world.catalogue)).ranks)["NDCG@10"]
    return Learned(best, seconds, test, curve.points)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    names = sorted(SASREC)
    parser.add_argument("--data", action="append", choices=names, help="data set, may be repeated (default: both)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds, from --seed on (default: 1)")
    parser.add_argument("--rectools", type=Path, default=PYTHON, help="Python of RecTools' environment")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
