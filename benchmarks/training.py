"""Positions per CPU second in training: the published procedure against kptoolkit's backends.

A position is a place of a history whose item is predicted: one per sample for the published procedure and `kp4sr`,
every place of every history for `sequence`. Data: $KPTOOL_DATA/movies, triples in both directions.

    python -m benchmarks.training --quick
    python -m benchmarks.training --quality --epochs 40     # also trains both and compares NDCG@10; hours
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.published import SMALL, TINY, Procedure, Shape, closeness, kp_settings
from benchmarks.settings import sequence_settings
from benchmarks.worlds import Stopwatch, World, fitted, real
from kptoolkit import metrics
from kptoolkit.data.histories import Cases
from kptoolkit.data.slices import Slices

KP4SR_GOAL, SEQUENCE_GOAL, QUALITY_GOAL = ">= 2", ">= 500", ">= 0.98"
PHRASE_TOKENS = 246  # hold as many triplets, 53 per prompt, as 440 subwords
_EPOCHS = 1000  # more than are timed


def measure(bench: harness.Bench) -> None:
    """Compare both backends with the published procedure."""
    world = real("movies")
    steps = 6 if bench.quick else 20
    tiny = baseline(bench, world, TINY, steps)
    compare_kp4sr(bench, world, TINY, steps, tiny)
    compare_sequence(bench, world, tiny)
    small_steps = 2 if bench.quick else 6
    small = baseline(bench, world, SMALL, small_steps)
    compare_kp4sr(bench, world, SMALL, small_steps, small)
    if bench.options.quality:
        compare_quality(bench, world)


def baseline(bench: harness.Bench, world: World, shape: Shape, steps: int) -> float:
    """Positions per second of the published procedure, samples included; both parts are reported too."""
    procedure = Procedure(world, shape, bench.options.seed, bench.device)
    source = procedure.batches()
    made = bench.timed(f"published {shape.name}: make a batch", lambda: next(source), max(steps, 5))
    ready = list(islice(source, steps + 1))
    procedure.step(ready.pop())
    lengths = [int((batch["ids"] != procedure.samples.tokenizer.pad_id).sum()) / shape.batch for batch in ready]
    step = bench.timed(f"published {shape.name}: step", lambda: procedure.step(ready.pop()), steps)
    bench.notes[f"published {shape.name}: samples made"] = closeness("samples made", shape.batch / made)
    bench.notes[f"published {shape.name}: training step"] = closeness(
        f"training step, {shape.name}", shape.batch / step
    )
    bench.notes[f"published {shape.name}: tokens per prompt"] = mean(lengths)
    parameters = sum(p.numel() for p in procedure.model.parameters())
    bench.notes[f"published {shape.name}: parameters"] = parameters
    bench.say(f"published {shape.name}: {mean(lengths):.0f} tokens per prompt, {parameters / 1e6:.1f} M parameters")
    return shape.batch / (made + step)


def compare_kp4sr(bench: harness.Bench, world: World, shape: Shape, steps: int, base: float) -> None:
    """`kp4sr` on the same knowledge: with subwords (the same length), and with whole phrases."""
    settings = kp_settings(shape, bench.options.seed)
    rate = shape.batch / median(step_costs(bench, world, settings, f"kp4sr {shape.name}", steps))
    unit = f"positions per {bench.second}"
    bench.add(f"kp4sr, {shape.name}, same prompts", unit, base, rate, KP4SR_GOAL)
    phrases = settings | {"model.tokens": "phrase", "tree.max_tokens": PHRASE_TOKENS}
    rate = shape.batch / median(step_costs(bench, world, phrases, f"kp4sr {shape.name}, phrases", steps))
    bench.add(f"kp4sr, {shape.name}, same triplets as phrases", unit, base, rate)


def compare_sequence(bench: harness.Bench, world: World, base: float) -> None:
    """`sequence` at the tiny shape: every position of every history."""
    settings = sequence_settings("movies", bench.options.seed, d_model=TINY.d_model, decoder_layers=TINY.layers)
    train = world.split(settings["data.min_events"]).train
    slices = Slices.of(train, length=settings["data.history"], seed=bench.options.seed)
    an_epoch = int(np.ceil(len(slices) / settings["training.batch_size"]))
    costs = step_costs(bench, world, settings, "sequence tiny", an_epoch * (1 if bench.quick else 3), skip=5)
    rate = slices.positions * len(costs) / an_epoch / sum(costs)
    bench.notes["sequence: positions per step"] = slices.positions / an_epoch
    unit = f"positions per {bench.second}"
    bench.add("sequence, tiny", unit, base, rate, SEQUENCE_GOAL)


def step_costs(
    bench: harness.Bench, world: World, settings: Mapping[str, Any], name: str, steps: int, skip: int = 2
) -> list[float]:
    """Cost of each step of kptoolkit's own training, samples included."""
    watch = Stopwatch(bench.now, skip=skip, steps=steps)
    more = {"training.epochs": _EPOCHS, "training.eval_every": _EPOCHS, "training.warmup_steps": 0}
    with tempfile.TemporaryDirectory() as folder:
        fitted(world, {**settings, **more}, Path(folder), watch)
    for spent in watch.steps:
        bench.record(name, spent)
    return [bench.cost(spent) for spent in watch.steps]


def compare_quality(bench: harness.Bench, world: World) -> None:
    """NDCG@10 on test of both after the same epochs, means over the seeds."""
    epochs, seeds = bench.options.epochs, [bench.options.seed + number for number in range(bench.options.seeds)]
    cases = world.split().test
    found: dict[str, list[float]] = {"published": [], "kp4sr": []}
    for seed in seeds:
        found["published"].append(published_quality(bench, world, epochs, seed, cases))
        found["kp4sr"].append(kp4sr_quality(world, epochs, seed, cases))
        bench.say(f"seed {seed}: NDCG@10 published {found['published'][-1]:.4f}, kp4sr {found['kp4sr'][-1]:.4f}")
    bench.notes |= {"seeds": seeds, "NDCG@10 by seed": found, "quality epochs": epochs}
    name = f"kp4sr, tiny, NDCG@10 after {epochs} epochs"
    bench.add(name, "NDCG@10", mean(found["published"]), mean(found["kp4sr"]), QUALITY_GOAL)


def published_quality(bench: harness.Bench, world: World, epochs: int, seed: int, cases: Cases) -> float:
    """The published procedure: beams are the ranking; what they do not find counts as missed."""
    procedure = Procedure(world, TINY, seed, bench.device)
    for _ in range(epochs):
        for batch in procedure.samples.epoch(TINY.batch):
            procedure.step(batch)
    seen = [set(cases.histories[row].tolist()) for row in range(len(cases))]
    ranks = []
    for row, items in enumerate(procedure.recommend(cases, 20)):
        offered = [item for item in dict.fromkeys(items) if item is not None and item not in seen[row]]
        target = int(cases.targets[row])
        ranks.append(offered.index(target) + 1.0 if target in offered else np.inf)
    return metrics.summary(np.array(ranks))["NDCG@10"]


def kp4sr_quality(world: World, epochs: int, seed: int, cases: Cases) -> float:
    """`kp4sr` by the same settings, epochs and seed; the weights of the last epoch."""
    from kptoolkit.evaluation.ranking import evaluate

    settings = kp_settings(TINY, seed, training__epochs=epochs, training__eval_every=epochs)
    with tempfile.TemporaryDirectory() as folder:
        backend = fitted(world, settings, Path(folder))
    return metrics.summary(evaluate(backend.score, cases, len(world.catalogue)).ranks)["NDCG@10"]


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--quality", action="store_true", help="also compare NDCG@10 after --epochs; takes hours")
    parser.add_argument("--epochs", type=int, default=40, help="epochs of --quality (default: 40)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of --quality (default: 3)")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
