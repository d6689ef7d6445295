"""What each score part of a run adds: the run, its backend alone, its parts alone, without each part, and baselines.

The default model with `data.min_events=5` is trained once per data set and seed. Test and validation cases are ranked
by all score parts, by the backend alone, by the parts without the backend, and without each single part; in all of
these the weights are those of the run, they are not fitted again. Controls are retrained and have weights of their own.
Baselines are tuned on validation, as in `kptool evaluate --baselines`. Validation cases also chose the epoch and the
weights of the parts.

Runs and ranks are written into --runs, and what is there is not computed again, so that a stopped grid continues with
the next run. The JSON is written after each data set. Data: $KPTOOL_DATA; --quick takes the bundled set.

    python -m benchmarks.parts --quick
    python -m benchmarks.parts --sets movies books music --seeds 3 --runs DIR --json FILE
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import harness
from benchmarks.parts_runs import ALL, ALONE, DEMO, Grid, Ranked, Ranks
from kptoolkit import metrics
from kptoolkit.evaluation.baselines import Blend
from kptoolkit.evaluation.controls import STANDARD
from kptoolkit.evaluation.significance import paired_test

SETS = ("movies", "books", "music")
METRICS = ("NDCG@5", "HR@10", "NDCG@10")
TESTED = "NDCG@10"
SPLITS = ("test", "valid")
RUNS = harness.CHECKOUT / "build" / "benchmarks" / "parts"


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Attributes:
        name: What ranked the cases.
        ranks: Ranks by split, one array per seed.
        run: Ranks of the run of the same seeds, by split.
        seconds: Seconds by stage, one entry per seed; empty where nothing was trained.
    """

    name: str
    ranks: Mapping[str, Sequence[Ranks]]
    run: Mapping[str, Sequence[Ranks]]
    seconds: Sequence[Mapping[str, Any]] = ()

    def figures(self, split: str) -> dict[str, Any]:
        """Metrics with their spread over the seeds, and the lead of the run over this row with its paired test."""
        found: dict[str, Any] = {}
        for metric in METRICS:
            found[metric] = spread([float(_values(ranks, metric).mean()) for ranks in self.ranks[split]])
        if self.name != ALL:
            found["lead of all parts"] = asdict(paired_test(_mean(self.run[split]), _mean(self.ranks[split])))
        return found

    def seconds_of(self, stage: str) -> dict[str, Any]:
        """CPU and wall seconds of a stage, with their spread over the seeds for which they are known."""
        noted = [entry[stage] for entry in self.seconds if stage in entry]
        known = {clock: [entry[clock] for entry in noted if entry[clock] is not None] for clock in ("cpu", "wall")}
        return {clock: spread(values) for clock, values in known.items() if values}


def _values(ranks: Ranks, metric: str) -> NDArray[np.float64]:
    return metrics.per_case(ranks, (5, 10))[metric]


def _mean(seeds: Sequence[Ranks]) -> NDArray[np.float64]:
    """The metric of the paired tests per case, mean over the seeds."""
    mean: NDArray[np.float64] = np.mean([_values(ranks, TESTED) for ranks in seeds], axis=0)
    return mean


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, lowest and highest of the values of all seeds, and the values."""
    return {"mean": float(np.mean(values)), "low": min(values), "high": max(values), "seeds": list(values)}


def measure(bench: harness.Bench) -> None:
    """Measure one data set after the other."""
    options = bench.options
    count = options.seeds or (1 if bench.quick else 3)
    seeds = [options.seed + number for number in range(count)]
    bench.notes["seeds"] = seeds
    with tempfile.TemporaryDirectory() as empty:
        folder = (options.runs or (Path(empty) if bench.quick else RUNS)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for data in options.sets or ([DEMO] if bench.quick else SETS):
            one_set(bench, Grid(bench, data, folder), seeds, seeds[: options.controls])
            bench.write()


def one_set(bench: harness.Bench, grid: Grid, seeds: Sequence[int], controlled: Sequence[int]) -> None:
    """Train and rank all that is missing of one data set, and report it."""
    runs = [grid.ranked(seed) for seed in seeds]
    baselines = grid.baselines(seeds[0])
    controls = {name: [grid.control(seed, name) for seed in controlled] for name in STANDARD if controlled}
    lines = [*run_lines(runs), *control_lines(controls, runs), *baseline_lines(baselines, runs)]
    strongest = {split: best_single(lines, baselines, split) for split in SPLITS}
    figures = {split: {line.name: line.figures(split) for line in lines} for split in SPLITS}
    bench.notes[f"{grid.data}: figures"] = {
        "items": runs[0].facts["items"],
        "cases": {split: len(ranks[0]) for split, ranks in lines[0].ranks.items()},
        "rows": figures,
        "tests": {split: tests(figures[split], strongest[split]) for split in SPLITS},
        "weights": weights(runs),
        "weights of controls": {name: weights(each) for name, each in controls.items()},
        "fits of the weights": [run.facts["report"] for run in runs],
        "seconds": {
            line.name: {stage: line.seconds_of(stage) for stage in line.seconds[0]} for line in lines if line.seconds
        },
        "baselines": dict(baselines.facts),
    }
    for split in SPLITS:
        print(table(grid.data, split, lines, figures[split]), end="\n\n")
    print(sentences(bench, grid.data, strongest), end="\n\n", flush=True)
    rows(bench, grid.data, figures["test"], strongest["test"])


def run_lines(runs: Sequence[Ranked]) -> list[Line]:
    """Rows of the runs: all parts, and some of them. Without a part that has no weight, a run is as with all parts."""
    names = dict.fromkeys(name for run in runs for name in run.test)
    whole = {split: [getattr(run, split)[ALL] for run in runs] for split in SPLITS}
    seconds = [run.facts["seconds"] for run in runs]
    lines = []
    for name in names:
        each = [(run, name if name in run.test else ALL) for run in runs]
        ranks = {split: [getattr(run, split)[ranked] for run, ranked in each] for split in SPLITS}
        lines.append(Line(name, ranks, whole, seconds if name == ALL else ()))
    return lines


def control_lines(controls: Mapping[str, Sequence[Ranked]], runs: Sequence[Ranked]) -> list[Line]:
    """Rows of the controls, each against the runs of the same seeds."""
    lines = []
    for name, each in controls.items():
        ranks = {split: [getattr(one, split)[name] for one in each] for split in SPLITS}
        whole = {split: [getattr(run, split)[ALL] for run in runs[: len(each)]] for split in SPLITS}
        lines.append(Line(name, ranks, whole, [one.facts["seconds"] for one in each]))
    return lines


def baseline_lines(baselines: Ranked, runs: Sequence[Ranked]) -> list[Line]:
    """Rows of the baselines, which have no seeds."""
    whole = {split: [getattr(run, split)[ALL] for run in runs] for split in SPLITS}
    return [
        Line(name, {split: [getattr(baselines, split)[name]] for split in SPLITS}, whole) for name in baselines.test
    ]


def best_single(lines: Sequence[Line], baselines: Ranked, split: str) -> str:
    """The baseline with the best NDCG@10 on the cases of ``split``, blends left out."""
    singles = [line for line in lines if line.name in baselines.test and line.name != Blend.name]
    return max(singles, key=lambda line: float(_mean(line.ranks[split]).mean())).name


def tests(figures: Mapping[str, Any], single: str) -> dict[str, Any]:
    """The paired tests of the run against the best single baseline and against the blend."""
    sides = {"best single baseline": single, "blend": Blend.name}
    return {side: {"name": name, **figures[name]["lead of all parts"]} for side, name in sides.items()}


def weights(runs: Sequence[Ranked]) -> dict[str, Any]:
    """Weight of each part with its spread over the seeds; a part that was left out has weight 0."""
    names = dict.fromkeys(name for run in runs for name in run.facts["weights"])
    return {name: spread([float(run.facts["weights"].get(name, 0.0)) for run in runs]) for name in names}


def table(data: str, split: str, lines: Sequence[Line], figures: Mapping[str, Any]) -> str:
    """The Markdown table of a split."""
    cells: list[tuple[str, ...]] = [
        (f"{data}, {split}", *METRICS, "lead of all parts", "p", "CPU s of training", "CPU s of parts")
    ]
    for line in lines:
        found = figures[line.name]
        lead = found.get("lead of all parts")
        led = ("", "") if lead is None else (f"{lead['difference']:+.4f}", f"{lead['p_value']:.4f}")
        spent = (_shown(line.seconds_of(stage).get("cpu"), ".0f") for stage in ("fit", "parts"))
        cells.append((line.name, *(_shown(found[metric], ".4f") for metric in METRICS), *led, *spent))
    return harness.markdown(cells)


def _shown(values: Mapping[str, Any] | None, form: str) -> str:
    """A mean, with the lowest and highest of several seeds in brackets."""
    if values is None:
        return ""
    mean, low, high = (format(values[name], form) for name in ("mean", "low", "high"))
    return mean if len(values["seeds"]) == 1 else f"{mean} ({low} to {high})"


def sentences(bench: harness.Bench, data: str, strongest: Mapping[str, str]) -> str:
    """What the tables of a data set need to be understood."""
    found = bench.notes[f"{data}: figures"]
    shown = [f"{name} {_shown(values, '.3f')}" for name, values in found["weights"].items()]
    lines = [f"weights: {'; '.join(shown)}"]
    lines.append(f"fitted on validation: {', '.join(str(fit.get('taken')) for fit in found['fits of the weights'])}")
    lines.append("rows of a run have the weights of all parts; they are not fitted again")
    for split in SPLITS:
        for side, test in found["tests"][split].items():
            name = test["name"] if side == Blend.name else f"{side} ({strongest[split]})"
            lines.append(
                f"{split}, all parts against {name}: {test['difference']:+.4f} {TESTED}, p {test['p_value']:.4f}"
            )
    lines += found["baselines"]["notes"]
    return "\n".join(f"- {line}" for line in lines)


def rows(bench: harness.Bench, data: str, figures: Mapping[str, Any], single: str) -> None:
    """Add the comparisons of the run on test."""
    ours = figures[ALL][TESTED]["mean"]
    for name in (single, Blend.name, ALONE, *STANDARD):
        if name in figures:
            bench.add(f"{data}, all parts against {name}", f"test {TESTED}", figures[name][TESTED]["mean"], ours)


def main() -> None:
    """The command."""
    parser = harness.parser(__doc__ or "")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help=f"data sets (default: {' '.join(SETS)})")
    parser.add_argument("--seeds", type=int, help="seeds, from --seed on (default: 3, with --quick 1)")
    parser.add_argument("--controls", type=int, default=1, help="seeds whose controls are retrained (default: 1)")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of runs (default: build/benchmarks/parts)")
    harness.run(parser, measure)


if __name__ == "__main__":
    main()
