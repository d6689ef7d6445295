"""CPU seconds until kptoolkit has the best validation NDCG@10 of a tuned SASRec, against SASRec's own.

SASRec is that of RecTools with full softmax, in its own environment (`make bench-env`); it runs in the same call on the
same histories. Both clocks count training from the call of `fit`, batches and knowledge included, evaluations not;
reading files and graph is left out. kptoolkit ranks both: the full catalogue, history excluded. It has its
defaults, once as `sequence` alone, and once as one epoch of `sequence` with all score parts, whose fit is counted too.
Their weights were fitted on the validation cases, so look at the test cases as well.

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
from benchmarks.worlds import Curve, World, fitted, real
from kptoolkit import metrics
from kptoolkit.errors import TrainingError
from kptoolkit.evaluation.baselines.sasrec.rectools_process import RecToolsProcess
from kptoolkit.evaluation.ranking import evaluate, rank_of
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.parts.recommender import Recommender

MIN_EVENTS = 5
GOAL = "<= 0.5"
WITH_PARTS = "one epoch and all score parts"
PYTHON = harness.CHECKOUT / ".venv-rectools" / "bin" / "python"
_COMMON = {"n_heads": 2, "session_max_len": 50, "use_key_padding_mask": True}
_WIDE = _COMMON | {"n_factors": 128, "n_blocks": 1, "dropout_rate": 0.5, "lr": 1e-3, "batch_size": 64}
SASREC: dict[str, dict[str, Any]] = {
    "movies": _COMMON | {"n_factors": 64, "n_blocks": 1, "dropout_rate": 0.3, "lr": 2e-3, "batch_size": 32},
    "books": _WIDE,
    "music": _WIDE | {"use_pos_emb": False},
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
        learned = [learn_all(bench, name, world, seed) for seed in seeds]
        report(bench, name, learned)


def learn_all(bench: harness.Bench, name: str, world: World, seed: int) -> dict[str, Learned]:
    """SASRec, `sequence`, and one epoch with all score parts, one after the other; SASRec only where it can run."""
    found = {"SASRec": sasrec(bench, name, world, seed)} if bench.options.rectools.is_file() else {}
    found |= {"sequence": sequence(bench, name, world, seed), WITH_PARTS: with_parts(bench, world, seed)}
    for label, learned in found.items():
        bench.notes.setdefault(f"{name}, {label}: curves", []).append(learned.curve)
        bench.say(f"{name}, {label}, seed {seed}: {learned.best:.4f} after {learned.seconds:.0f} s")
    return found


def report(bench: harness.Bench, name: str, learned: list[dict[str, Learned]]) -> None:
    """Add the rows of one data set, medians over the seeds; a seed below the quality counts as infinite."""
    theirs = [each["SASRec"] for each in learned if "SASRec" in each]
    for label in ("sequence", WITH_PARTS):
        ours = [each[label] for each in learned]
        pairs = list(zip(theirs, ours, strict=False))
        reached = [mine.seconds_to(other.best) or float("inf") for other, mine in pairs]
        base = median(other.seconds for other in theirs) if theirs else None
        time_to = median(reached) if reached else None
        if time_to == float("inf"):
            bench.notes[f"{name}, {label}: quality"] = "did not reach SASRec's best validation NDCG@10"
            time_to = None
        goal = GOAL if reached else None
        bench.add(f"{name}, {label}: to SASRec's best validation", f"training {bench.second}", base, time_to, goal)
        for figure, shown in (("best", "best validation"), ("test", "test there")):
            other, own = (
                float(np.mean([getattr(one, figure) for one in side])) if side else None for side in (theirs, ours)
            )
            bench.add(f"{name}, {label}: {shown}", "NDCG@10", other, own)


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
    settings = _defaults(seed)
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


def with_parts(bench: harness.Bench, world: World, seed: int) -> Learned:
    """One epoch of `sequence`, and the fit of all score parts next to it."""
    settings = _defaults(seed) | {"training.epochs": 1, "training.eval_every": 1}
    curve, split = Curve(bench), world.split(MIN_EVENTS)
    with tempfile.TemporaryDirectory() as folder:
        backend = fitted(world, settings, Path(folder), watch=curve)
        parts = fit_parts(world.task(settings, Path(folder)), backend.score)
    seconds, recommender = curve.seconds, Recommender(backend, parts)
    valid, test = (
        metrics.summary(evaluate(recommender.score, cases, len(world.catalogue)).ranks)["NDCG@10"]
        for cases in (split.valid, split.test)
    )
    return Learned(valid, seconds, test, [(seconds, valid)])


def _defaults(seed: int) -> dict[str, Any]:
    return {"data.min_events": MIN_EVENTS, "training.seed": seed, "tree.seed": seed}


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
