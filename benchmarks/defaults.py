"""The defaults of the default model, and other settings, one change at a time: validation rank and CPU seconds.

Each row is a training with `data.min_events=5` and one changed setting per data set and seed. Validation chose the
epoch and the weights of the score parts of each, and is what a default is chosen by; test is shown and not used. A
default should serve all data sets, so the last table has the mean over them, relative to the defaults.

Runs and ranks are written into --runs, and what is there is not computed again, so that a stopped grid continues with
the next run; runs of the defaults are shared with `benchmarks.parts`. Data: $KPTOOL_DATA; --quick takes the bundled
set.

    python -m benchmarks.defaults --quick
    python -m benchmarks.defaults --sets movies books --seeds 2 --only "one hop" --runs DIR --json FILE
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import harness
from benchmarks.parts import RUNS, SETS, spread
from benchmarks.parts_runs import ALL, ALONE, DEMO, Grid, Ranked
from kptoolkit import metrics

DEFAULTS: Final = "defaults"
CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    DEFAULTS: {},
    "one hop": {"tree.hops": 1},
    "facts of two hops": {"model.fact_hops": 2},
    "32 triplets per item": {"tree.degree": 32},
    "width 128": {"model.d_model": 128},
    "two decoder layers": {"model.decoder_layers": 2},
    "dropout 0.1": {"model.dropout": 0.1},
    "dropout 0.5": {"model.dropout": 0.5},
    "batches of 128": {"training.batch_size": 128},
    "learning rate 0.001": {"training.learning_rate": 0.001},
    "patience 10": {"training.patience": 10},
}
METRIC: Final = "NDCG@10"


def measure(bench: harness.Bench) -> None:
    """Measure all changes on one data set after the other."""
    options = bench.options
    seeds = [options.seed + number for number in range(options.seeds)]
    names = [DEFAULTS, *(name for name in options.only or CHANGES if name != DEFAULTS)]
    bench.notes["seeds"] = seeds
    with tempfile.TemporaryDirectory() as empty:
        folder = (options.runs or (Path(empty) if bench.quick else RUNS)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for data in options.sets or ([DEMO] if bench.quick else SETS):
            found[data] = {name: one(bench, data, folder, name, seeds) for name in names}
            bench.notes[f"{data}: figures"] = found[data]
            print(table(data, found[data]), end="\n\n", flush=True)
            bench.write()
    if len(found) > 1:
        print(over_sets(found), flush=True)
    for name in names[1:]:
        for data, rows in found.items():
            base, ours = (rows[each][f"valid {ALL}"]["mean"] for each in (DEFAULTS, name))
            bench.add(f"{data}, {DEFAULTS} and {name}", f"valid {METRIC}", base, ours)


def one(bench: harness.Bench, data: str, folder: Path, name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Figures of one change on one data set, with their spread over the seeds."""
    grid = Grid(bench, data, folder, changed=CHANGES[name], label="" if name == DEFAULTS else name.replace(" ", "-"))
    runs = [grid.ranked(seed) for seed in seeds]
    figures = {f"{split} {row}": spread([_mean(run, split, row) for run in runs]) for split, row in _ROWS}
    for stage in ("fit", "parts"):
        spent = [run.facts["seconds"].get(stage, {}).get("cpu") for run in runs]
        if known := [seconds for seconds in spent if seconds is not None]:
            figures[f"CPU s of {stage}"] = spread(known)
    return figures


_ROWS = [(split, row) for split in ("valid", "test") for row in (ALL, ALONE)]


def _mean(run: Ranked, split: str, row: str) -> float:
    ranks = getattr(run, split)
    return float(metrics.per_case(ranks[row if row in ranks else ALL], (10,))[METRIC].mean())


def table(data: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The Markdown table of a data set."""
    columns = [*(f"{split} {row}" for split, row in _ROWS), "CPU s of fit", "CPU s of parts"]
    cells: list[tuple[str, ...]] = [(f"{data}, {METRIC}", *columns)]
    for name, figures in rows.items():
        cells.append((name, *(_shown(figures.get(column), column) for column in columns)))
    return harness.markdown(cells)


def _shown(values: Mapping[str, Any] | None, column: str) -> str:
    if values is None:
        return ""
    return format(values["mean"], ".0f" if column.startswith("CPU") else ".4f")


def over_sets(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Mean over the data sets of each change's validation figure, relative to that of the defaults."""
    cells: list[tuple[str, ...]] = [("all data sets", f"valid {METRIC}, relative to the defaults")]
    for name in next(iter(found.values())):
        shares = [
            rows[name][f"valid {ALL}"]["mean"] / rows[DEFAULTS][f"valid {ALL}"]["mean"] for rows in found.values()
        ]
        cells.append((name, f"{np.mean(shares):.3f}"))
    return harness.markdown(cells)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help=f"data sets (default: {' '.join(SETS)})")
    parser.add_argument("--seeds", type=int, default=1, help="seeds, from --seed on (default: 1)")
    parser.add_argument("--only", action="append", choices=list(CHANGES), help="a change; may be repeated")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of runs (default: build/benchmarks/parts)")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
