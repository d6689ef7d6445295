"""Backends for the same training seconds: the best validation NDCG@10 each has reached by then.

The default backend of `fit` was chosen by it. `sequence` has its defaults, `kp4sr` the best settings of the short
trials in docs/results.md, and the paper's regime is the same `kp4sr` with one window per history and epoch and one
target per window. All rank alone, without score parts. The clock is as in `time_to_quality`: training from the call of
`fit`, batches and knowledge included, evaluations not. Test cases are not used.

    python -m benchmarks.backends --quick
    python -m benchmarks.backends --data books --seconds 600
    python -m benchmarks.backends --data books --only kp4sr --set model.d_model=32 --set model.dropout=0
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.worlds import Curve, Enough, World, fitted, real
from kptoolkit.config import parse_assignment

DATA = ("movies", "books")
SECONDS, SECONDS_QUICK = 240.0, 40.0
_SHARED: dict[str, Any] = {"data.min_events": 5, "training.epochs": 100_000, "training.patience": 100_000}
_KP4SR: dict[str, Any] = {
    "model.backend": "kp4sr",
    "model.layers": 1,
    "tree.hops": 2,
    "tree.degree": 2,
    "tree.max_tokens": 80,
    "training.learning_rate": 0.003,
}
PAPER = "kp4sr as in the paper"
SETTINGS: dict[str, dict[str, Any]] = {
    PAPER: _SHARED | _KP4SR | {"model.windows": "one", "model.targets": 1},
    "kp4sr": _SHARED | _KP4SR,
    "sequence": _SHARED,
}
#: Epochs between evaluations: ranking everybody by `kp4sr` takes longer than many epochs of the paper's regime.
EVERY = {
    ("movies", PAPER): 10,
    ("books", PAPER): 3,
    ("movies", "kp4sr"): 1,
    ("books", "kp4sr"): 2,
    ("movies", "sequence"): 2,
    ("books", "sequence"): 2,
}


def measure(bench: harness.Bench) -> None:
    """Each data set, each seed, one backend after the other."""
    limit = bench.options.seconds or (SECONDS_QUICK if bench.quick else SECONDS)
    seeds = [bench.options.seed + number for number in range(bench.options.seeds)]
    bench.notes["seeds"] = seeds
    settings = SETTINGS | {"kp4sr": SETTINGS["kp4sr"] | dict(map(parse_assignment, bench.options.set))}
    names = [bench.options.only] if bench.options.only else list(settings)
    for data in bench.options.data or DATA[: 1 if bench.quick else None]:
        world = real(data)
        curves = {
            name: [curve(bench, world, data, name, settings[name] | _seeded(seed), limit) for seed in seeds]
            for name in names
        }
        bench.notes[f"{data}: (seconds, NDCG@10) of every evaluation"] = curves
        for seconds in (limit / 4, limit / 2, limit):
            best = {name: float(np.mean([best_within(one, seconds) for one in curves[name]])) for name in names}
            if len(names) == 1:
                bench.add(f"{data}, {names[0]}, {seconds:.0f} {bench.second}", "valid NDCG@10", None, best[names[0]])
                continue
            goal = ">= 1" if seconds == limit else None
            for base, ours in ((PAPER, "kp4sr"), ("kp4sr", "sequence")):
                name = f"{data}, {base} and {ours}, {seconds:.0f} {bench.second}"
                bench.add(name, "valid NDCG@10", best[base], best[ours], goal)


def _seeded(seed: int) -> dict[str, int]:
    return {"training.seed": seed, "tree.seed": seed}


def curve(
    bench: harness.Bench, world: World, data: str, backend: str, settings: Mapping[str, Any], limit: float
) -> list[tuple[float, float]]:
    """``(training seconds, validation NDCG@10)`` of every evaluation until ``limit`` seconds are over."""
    every = EVERY[data, backend] if not bench.quick else max(1, EVERY[data, backend] // 4)
    found = Curve(bench)

    def watch(quality: float, ranking: harness.Spent) -> None:
        found(quality, ranking)
        seconds = found.points[-1][0]
        bench.say(f"{data}, {backend}, seed {settings['training.seed']}: {quality:.4f} after {seconds:.0f} s")
        if seconds >= limit:
            raise Enough

    with tempfile.TemporaryDirectory() as folder:
        fitted(world, {**settings, "training.eval_every": every}, Path(folder), watch=watch)
    return found.points


def best_within(found: list[tuple[float, float]], seconds: float) -> float:
    """The best quality within ``limit`` seconds; 0 before the first evaluation."""
    return max((quality for at, quality in found if at <= seconds), default=0.0)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--data", action="append", choices=DATA, help="data set, may be repeated (default: both)")
    parser.add_argument("--seconds", type=float, help="training seconds of each (default: 240, with --quick 40)")
    parser.add_argument("--only", choices=tuple(SETTINGS), help="one of the rows")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="other setting of kp4sr")
    parser.add_argument("--seeds", type=int, default=1, help="seeds, from --seed on (default: 1)")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
