"""Users per CPU second, from histories to 20 items: free beam search of the published procedure against full ranking.

The published procedure renders a prompt, decodes 20 unconstrained beams and looks their strings up among the titles;
strings that are not titles or repeat others are lost. kptoolkit scores the whole catalogue and takes the best outside
the history. All models but the small ones are briefly trained first, which is not timed. Data: $KPTOOL_DATA/movies.

    python -m benchmarks.inference --quick
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.published import BEAMS, SMALL, TINY, Procedure, Shape, closeness, kp_settings
from benchmarks.settings import sequence_settings
from benchmarks.worlds import Stopwatch, World, fitted, real
from kptoolkit.data.histories import Cases
from kptoolkit.models import Backend
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.runs.run import top_k

K = 20
UNTRAINED_TOKENS = 8  # an untrained model never ends a string; a title is three tokens on average, with its marks six
TRAINED = 300  # steps after which the share of valid strings is reported
KP4SR_GOAL, SEQUENCE_GOAL, VALID_GOAL = ">= 8", ">= 300", ">= 1"


def measure(bench: harness.Bench) -> None:
    """Compare both backends with the published procedure."""
    world = real("movies")
    cases = world.split().test
    steps = bench.options.steps or (20 if bench.quick else 600)
    tiny = published(bench, world, TINY, cases.take(slice(0, 32 if bench.quick else 128)), steps)
    kp4sr(bench, world, TINY, cases.take(slice(0, 256 if bench.quick else None)), tiny)
    sequence(bench, world, cases, tiny)
    few = cases.take(slice(0, 8 if bench.quick else 24))
    small = published(bench, world, SMALL, few, 0)
    kp4sr(bench, world, SMALL, cases.take(slice(0, 16 if bench.quick else 128)), small)


def published(bench: harness.Bench, world: World, shape: Shape, cases: Cases, steps: int) -> float:
    """Users per second; adds the share of valid strings if the model was trained."""
    procedure = Procedure(world, shape, bench.options.seed, bench.device)
    for batch in islice(procedure.batches(), steps):
        procedure.step(batch)
    tokens = 24 if steps else UNTRAINED_TOKENS
    found: list[list[int | None]] = []
    name = f"published {shape.name}: {BEAMS} beams"

    def recommend(part: Cases) -> None:
        found.extend(procedure.recommend(part, K, tokens))

    for first in range(0, len(cases), shape.batch):
        part = cases.take(slice(first, first + shape.batch))
        bench.timed(name, partial(recommend, part), 1)
    cost = sum(bench.cost(harness.Spent(**entry)) for entry in bench.repeats[name])
    bench.notes[f"published {shape.name}: users"] = closeness(f"users, {shape.name}", len(cases) / cost)
    if steps >= TRAINED:
        valid = mean(sum(item is not None for item in items) / K for items in found)
        distinct = mean(len(set(items) - {None}) for items in found)
        bench.notes[f"published {shape.name}: strings"] = (
            f"after {steps} steps {valid:.0%} are items, {distinct:.1f} distinct items of {K}; "
            "of the published code, briefly trained: 81 %, 15.2"
        )
        bench.notes[f"published {shape.name}: share of distinct items"] = distinct / K
    return len(cases) / cost


def kp4sr(bench: harness.Bench, world: World, shape: Shape, cases: Cases, base: float) -> None:
    """`kp4sr` with the same prompts: one decoder step ranks the catalogue."""
    backend = trained(world, kp_settings(shape, bench.options.seed), steps=2)
    compare(bench, f"kp4sr, {shape.name}", backend, cases, base, KP4SR_GOAL)


def sequence(bench: harness.Bench, world: World, cases: Cases, base: float) -> None:
    """`sequence` at the tiny shape, and with its defaults, each alone and with all score parts."""
    seed = {"training.seed": bench.options.seed, "tree.seed": bench.options.seed, "data.min_events": 5}
    shape = sequence_settings("movies", bench.options.seed, d_model=TINY.d_model, decoder_layers=TINY.layers)
    for name, settings in (("sequence, tiny", shape), ("sequence with its defaults", seed)):
        backend = trained(world, settings, steps=2)
        compare(bench, name, backend, cases, base, SEQUENCE_GOAL)
        with tempfile.TemporaryDirectory() as folder:
            parts = fit_parts(world.task(settings, Path(folder)), backend.score)
        bench.notes[f"{name}: score parts"] = parts.weights
        parts = replace(parts, backend=parts.backend or 1.0)  # two steps may be worth nothing; a trained backend counts
        compare(bench, f"{name}, all score parts", Recommender(backend, parts), cases, base, SEQUENCE_GOAL)


def trained(world: World, settings: Mapping[str, Any], steps: int) -> Backend:
    """A backend trained for a few steps: scoring costs the same as after many."""
    with tempfile.TemporaryDirectory() as folder:
        watch = Stopwatch(lambda: harness.Spent(0, 0), skip=0, steps=steps)
        return fitted(world, {**settings, "training.epochs": 1}, Path(folder), watch)


def compare(
    bench: harness.Bench, name: str, backend: Backend | Recommender, cases: Cases, base: float, goal: str
) -> None:
    """Add users per second, and the share of the k that are distinct items outside the history."""
    size = 256
    parts = [cases.take(slice(first, first + size)) for first in range(0, len(cases), size)]
    found: list[np.ndarray[Any, Any]] = []

    def work() -> None:
        found[:] = [top_k(backend.score(part), part, K)[0] for part in parts]

    work()
    cost = bench.timed(name, work, 1 if bench.quick else 3)
    bench.add(f"{name}, users", f"users per {bench.second}", base, len(cases) / cost, goal)
    items = np.concatenate(found)
    new = [len(set(row) - {-1} - set(cases.histories[number])) / K for number, row in enumerate(items.tolist())]
    shape = name.rpartition(", ")[2]
    share = bench.notes.get(f"published {shape}: share of distinct items")
    bench.add(f"{name}, distinct items outside the history", f"share of {K}", share, mean(new), VALID_GOAL)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--steps", type=int, help="training steps of the published procedure (default: 600, quick 20)")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
