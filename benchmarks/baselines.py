"""The tuned baselines of `kptool evaluate --baselines` against what a careful tuning is known to reach.

NDCG@10 on test, leave-one-out, full catalogue, users with fewer than 5 events left out. Every baseline is tuned on the
validation cases. The known figures come from independent implementations on the same splits; that of a blend without
SASRec is known for books only. SASRec is left out unless --rectools names the Python of an environment with RecTools,
such as .venv-rectools/bin/python of `make bench-env`. Data: $KPTOOL_DATA.

    python -m benchmarks.baselines --quick
    python -m benchmarks.baselines --data music
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import harness
from benchmarks.worlds import real
from kptoolkit.evaluation.baselines import BASELINES, TuningTask, tuned_baselines
from kptoolkit.evaluation.ranking import evaluate

_NAMES = ("item-kNN", "sequential rules", "EASE", "content", "SASRec", "SASRec + KG")
KNOWN: dict[str, dict[str, float]] = {
    "movies": dict(zip(_NAMES, (0.1104, 0.1144, 0.1061, 0.0438, 0.1092, 0.1130), strict=True)),
    "books": dict(zip(_NAMES, (0.0788, 0.0921, 0.0733, 0.0855, 0.0787, 0.0862), strict=True)) | {"blend": 0.1111},
    "music": dict(zip(_NAMES, (0.0552, 0.0494, 0.0539, 0.0138, 0.0428, 0.0454), strict=True)),
}
TOLERANCE = 0.003
"""How far a figure may be below the known one."""


def measure(bench: harness.Bench) -> None:
    """Fill the bench."""
    for name in bench.options.data or (["movies"] if bench.quick else list(KNOWN)):
        world = real(name)
        split, n_items = world.split(5), len(world.catalogue)
        begun = bench.now()
        others = {"rectools": bench.options.rectools, "minutes": bench.options.minutes}
        found, notes = tuned_baselines(TuningTask.of(split, n_items, world.neighbourhoods, **others), BASELINES)
        bench.record(f"{name}: tuning", bench.now() - begun)
        for baseline in found:
            value = evaluate(baseline.score, split.test, n_items).summary()["NDCG@10"]
            known = KNOWN.get(name, {}).get(baseline.name)
            goal = None if known is None else f">= {(known - TOLERANCE) / known:.3f}"
            bench.add(f"{name}: {baseline.name}", "NDCG@10", known, value, goal)
        bench.notes |= {f"{name}, note {number}": note for number, note in enumerate(notes, 1)}
        seconds = bench.repeats[f"{name}: tuning"][-1]["cpu"]
        bench.notes[f"{name}, tuning"] = f"{seconds:.0f} CPU s for all baselines"


def main() -> None:
    """The command."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--data", action="append", metavar="NAME", help="data set; repeatable (default: all three)")
    made.add_argument("--rectools", type=Path, metavar="PYTHON", help="Python of an environment with RecTools")
    made.add_argument("--minutes", type=float, default=30.0, help="for the trainings of each SASRec (default: 30)")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
