"""The backend `linear` alone, without score parts: with the graph, and retrained without.

NDCG@10 on test, leave-one-out, full catalogue, users with fewer than 5 events left out; default options. The baseline
column is the figure that an independent implementation of the same idea is known to reach on the same split. Data:
$KPTOOL_DATA.

    python -m benchmarks.linear --quick
    python -m benchmarks.linear --data music
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import harness
from benchmarks.worlds import World, real
from kptoolkit.evaluation.controls import without_knowledge
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.models.linear.linear_backend import LinearBackend, LinearOptions

#: With the graph, and without.
KNOWN: dict[str, tuple[float, float]] = {"movies": (0.1171, 0.1132), "books": (0.1025, 0.0902)}
METRIC = "NDCG@10"


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    for name in bench.options.data or (["movies"] if bench.quick else ["movies", "books", "music"]):
        world = real(name)
        for knowledge, known in zip((True, False), KNOWN.get(name, (None, None)), strict=True):
            valid, test = figures(bench, name, world, knowledge=knowledge)
            label = f"{name}: linear{'' if knowledge else ', retrained without knowledge'}"
            bench.add(f"{label}, test", METRIC, known, test)
            bench.add(f"{label}, validation", METRIC, None, valid)


def figures(bench: harness.Bench, name: str, world: World, *, knowledge: bool) -> tuple[float, float]:
    """NDCG@10 on validation and on test of a training; its seconds become a row."""
    with tempfile.TemporaryDirectory() as folder:
        task = world.task({"data.min_events": 5, "model.backend": LinearBackend.name}, Path(folder))
    if not knowledge:
        task = replace(task, knowledge_change=without_knowledge)
    backend, begun = LinearBackend(LinearOptions()), bench.now()
    result = backend.fit(task)
    if knowledge:
        bench.add(f"{name}: training, validation included", bench.second, None, bench.cost(bench.now() - begun))
    test = evaluate(backend.score, task.split.test, len(world.catalogue)).summary()[METRIC]
    return result.best[METRIC], test


def main() -> None:
    """The command."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--data", action="append", metavar="NAME", help="data set; repeatable (default: all three)")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
