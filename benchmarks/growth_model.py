"""How training and scoring grow with the catalogue, the history and the knowledge: seconds, memory, fitted exponents.

Each point is a seeded world and runs in its own process, so that its peak memory can be measured. From a middle point
one size varies at a time; the exponent is the slope of log cost over log size. `sequence` reads all sizes; `kp4sr`
reads a few items within a budget of tokens, so that it is measured with a budget that grows with them.

    python -m benchmarks.growth_model --quick
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.load_client import peak_of
from benchmarks.settings import sequence_settings
from benchmarks.worlds import Size, Stopwatch, fitted, synthetic
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.splits import Split
from kptoolkit.errors import TrainingError
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.parts.score_parts import ScoreParts
from kptoolkit.runs.run import top_k

QUICK = {"items": (1000, 4000, 16000), "history": (10, 50, 200), "triples": (0, 20, 80)}
FULL = {
    "items": (1000, 3000, 10_000, 30_000, 100_000),
    "history": (5, 10, 25, 50, 100, 200),
    "triples": (0, 5, 10, 20, 50, 100, 200),
}
KP4SR = {"history": (2, 5, 10), "triples": (0, 8, 16)}
MIDDLE = {"sequence": Size(), "kp4sr": Size(items=2000, history=5, triples=8)}
COSTS = {"step": "training step", "users": "scoring a user", "memory": "peak memory"}
USERS_SCORED = 128
LARGE, LARGE_QUICK = Size(100_000, 200_000, 50, 8), Size(5000, 2000, 50, 8)
SAMPLE, CASES = 64, 2000


def measure(bench: harness.Bench) -> None:
    """Measure one point, or all of them, each in its own process."""
    if bench.options.point is not None:
        print(json.dumps(point(bench, json.loads(bench.options.point))))
        raise SystemExit(0)
    points: list[dict[str, Any]] = []
    sizes = QUICK if bench.quick else FULL
    for backend, varied in (("sequence", sizes), ("kp4sr", {} if bench.quick else KP4SR)):
        for dimension, values in varied.items():
            found = [in_process(bench, backend, replace(MIDDLE[backend], **{dimension: v})) for v in values]
            points += found
            rows(bench, backend, dimension, found)
    bench.notes["points"] = points
    score_parts(bench)


def score_parts(bench: harness.Bench) -> None:
    """Add seconds and memory of the score parts of a large catalogue, fitted next to a backend that scores zero."""
    size = LARGE_QUICK if bench.quick else LARGE
    found = in_process(bench, "parts", size)
    name = f"score parts, {size.items:,} items, {size.users * size.history:,} events"
    bench.add(f"{name}: fit", bench.second, None, found["step"])
    bench.add(f"{name}: scoring a user", bench.second, None, found["users"])
    bench.add(f"{name}: peak memory", "MiB", None, found["memory"], "<= 4096")


def in_process(bench: harness.Bench, backend: str, size: Size) -> dict[str, Any]:
    """Measure one point in its own process.

    Raises:
        TrainingError: The process fails.
    """
    given = json.dumps({"backend": backend, **asdict(size)})
    words = [sys.executable, "-m", "benchmarks.growth_model", "--point", given, "--device", bench.device]
    words += ["--seed", str(bench.options.seed), *(["--quick"] if bench.quick else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise TrainingError(f"the point {given} failed; see its own message above")
    found: dict[str, Any] = json.loads(done.stdout)
    shown = f"{found['step']:.4g} s per step, {1 / found['users']:.4g} users per s, {found['memory']:.0f} MiB"
    bench.say(f"{backend}, {size}: {shown}")
    return found


def point(bench: harness.Bench, given: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a training step, seconds to score a user and take the best 20, and peak memory in MiB."""
    name = given.pop("backend")
    size = Size(**given)
    if name == "parts":
        return parts_point(bench, size)
    world = synthetic(size, bench.options.seed)
    watch = Stopwatch(bench.now, skip=2, steps=4 if bench.quick else 12)
    with tempfile.TemporaryDirectory() as folder:
        backend = fitted(world, settings_of(name, size, bench.options.seed), Path(folder), watch)
    cases = world.split().test.take(slice(0, USERS_SCORED))
    top_k(backend.score(cases), cases, 20)
    users = bench.timed("users", lambda: top_k(backend.score(cases), cases, 20), 1 if bench.quick else 3)
    step = float(np.median([bench.cost(spent) for spent in watch.steps]))
    memory = peak_of(os.getpid()) or float("nan")
    return {"backend": name, **asdict(size), "step": step, "users": users / len(cases), "memory": memory}


def parts_point(bench: harness.Bench, size: Size) -> dict[str, Any]:
    """Seconds of the fit of the score parts, seconds to score a user by them, and peak memory in MiB."""
    world = synthetic(replace(size, users=SAMPLE), bench.options.seed)
    with tempfile.TemporaryDirectory() as folder:
        task = world.task({"tree.degree": size.triples, "tree.hops": 1}, Path(folder))
    task = replace(task, split=many_events(task.split, size, bench.options.seed))
    zero = partial(zeros, size.items)
    fitted_parts: list[ScoreParts] = []
    step = bench.timed("fit", lambda: fitted_parts.append(fit_parts(task, zero)), 1)
    (parts,) = fitted_parts
    cases = task.split.valid.take(slice(0, USERS_SCORED))
    users = bench.timed("users", lambda: top_k(parts.added(cases), cases, 20), 1)
    memory = peak_of(os.getpid()) or float("nan")
    return {"backend": "parts", **asdict(size), "step": step, "users": users / len(cases), "memory": memory}


def zeros(n_items: int, cases: Cases) -> NDArray[np.float32]:
    """Scores of a backend that learnt nothing."""
    return np.zeros((len(cases), n_items), dtype=np.float32)


def many_events(split: Split, size: Size, seed: int) -> Split:
    """Histories that walk through the catalogue in small steps and jump now and then, as numbers only."""
    draw, shape = np.random.default_rng(seed), (size.users, size.history + 1)
    popular = (draw.random(shape) ** 2 * size.items).astype(np.int64)  # items with low numbers are met more often
    steps = np.where(draw.random(shape) < 0.1, popular, draw.integers(-30, 31, shape))
    items = ((popular[:, :1] + np.cumsum(steps, axis=1)) % size.items).astype(np.int32)
    train = Histories(np.arange(size.users + 1) * size.history, items[:, : size.history].ravel())
    few = np.arange(min(size.users, CASES))
    valid = Cases.of(train.take(few), items[few, size.history], few.astype(np.int32))
    return replace(split, train=train, valid=valid)


def settings_of(backend: str, size: Size, seed: int) -> dict[str, Any]:
    """Settings with which nothing of a world is left out."""
    more: dict[str, Any] = {"tree.degree": size.triples, "tree.hops": 1, "data.history": size.history}
    more |= {"training.epochs": 1000, "training.eval_every": 1000}
    if backend == "sequence":
        return sequence_settings("movies", seed) | more
    tokens = 64 + size.history * (1 + 5 * size.triples)
    more |= {"model.backend": "kp4sr", "model.windows": "one", "model.targets": 1, "model.d_model": 64}
    more |= {"tree.max_tokens": tokens, "training.seed": seed}
    return more | {"training.batch_size": 16}


def rows(bench: harness.Bench, backend: str, dimension: str, found: list[dict[str, Any]]) -> None:
    """Add the exponents of one dimension, with the costs at the smallest and the largest size as baseline and ours."""
    first, last = found[0], found[-1]
    for cost, name in COSTS.items():
        span = f"{backend}, {dimension} {first[dimension]} to {last[dimension]}: {name}"
        unit = {"step": bench.second, "users": bench.second, "memory": "MiB"}[cost]
        bench.add(span, unit, first[cost], last[cost])
        bench.add(f"{backend}, {dimension}: exponent of {name}", "slope", None, exponent(found, dimension, cost))


def exponent(found: list[dict[str, Any]], dimension: str, cost: str) -> float:
    """Slope of log cost over log size by least squares; a size of 0 is left out."""
    positive = [entry for entry in found if entry[dimension]]
    size, costs = (np.log([entry[key] for entry in positive]) for key in (dimension, cost))
    return float(np.polyfit(size, costs, 1)[0])


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--point", metavar="JSON", help="measure this one point and print it as JSON")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
