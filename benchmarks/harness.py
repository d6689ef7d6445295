"""What every benchmark shares: options, clocks, rows with goals, the table and the JSON.

On a CPU costs are the process's CPU seconds, which other work on the machine disturbs little; wall seconds are recorded
too. On CUDA costs are wall seconds, taken once the device has finished.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from kptoolkit.errors import ConfigError, KptoolError, MissingExtraError

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = "KPTOOL_DATA"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: What was measured.
        unit: Unit of ``baseline`` and ``ours``.
        baseline: Figure of the baseline; ``None`` where there is none.
        ours: Figure of kptoolkit; ``None`` where it could not be measured.
        ratio: ``ours / baseline``.
        goal: ``">= 2"`` or ``"<= 1"``, of the ratio, or of ``ours`` where there is no baseline.
        holds: Whether the goal is reached.
    """

    name: str
    unit: str
    baseline: float | None
    ours: float | None
    ratio: float | None = None
    goal: str | None = None
    holds: bool | None = None

    @classmethod
    def of(cls, name: str, unit: str, baseline: float | None, ours: float | None, goal: str | None = None) -> Row:
        """A row with its ratio and its judgement.

        Args:
            name: What was measured.
            unit: Unit of both figures.
            baseline: Figure of the baseline.
            ours: Figure of kptoolkit.
            goal: As in :class:`Row`.
        """
        ratio = ours / baseline if ours is not None and baseline else None
        judged = ratio if baseline is not None else ours
        return cls(name, unit, baseline, ours, ratio, goal, None if goal is None else _reaches(judged, goal))


def _reaches(value: float | None, goal: str) -> bool:
    sign, _, bound = goal.partition(" ")
    if value is None:
        return False
    return value >= float(bound) if sign == ">=" else value <= float(bound)


@dataclass(frozen=True)
class Spent:
    """Seconds of some work.

    Attributes:
        cpu: CPU seconds of this process, all its threads together.
        wall: Wall seconds.
    """

    cpu: float
    wall: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.cpu + other.cpu, self.wall + other.wall)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.cpu - other.cpu, self.wall - other.wall)


def clocks() -> Spent:
    """CPU seconds of this process, and wall seconds."""
    return Spent(time.process_time(), time.perf_counter())


@dataclass
class Bench:
    """One run of a benchmark: its options, and what it has found.

    Attributes:
        options: Parsed command line.
        rows: Comparisons so far.
        notes: Further figures for the manifest, also printed with the table.
        repeats: Seconds of each repeat, by what was timed.
        begun: Both clocks at the beginning.
    """

    options: argparse.Namespace
    rows: list[Row] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    repeats: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    begun: Spent = field(default_factory=clocks)

    @property
    def quick(self) -> bool:
        """Whether to be done within five minutes."""
        return bool(self.options.quick)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return str(self.options.device)

    @property
    def second(self) -> str:
        """The second that costs are counted in, for units."""
        return "CPU s" if self.device == "cpu" else "s"

    def now(self) -> Spent:
        """Both clocks, once the device has finished what it was given."""
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return clocks()

    def cost(self, spent: Spent) -> float:
        """The seconds that count on this device."""
        return spent.cpu if self.device == "cpu" else spent.wall

    def timed(self, name: str, work: Callable[[], Any], repeats: int) -> float:
        """Median cost of ``work`` in seconds; every repeat is recorded for the manifest."""
        for _ in range(repeats):
            begun = self.now()
            work()
            self.record(name, self.now() - begun)
        return median(self.cost(Spent(**entry)) for entry in self.repeats[name][-repeats:])

    def record(self, name: str, spent: Spent) -> None:
        """Record seconds for the manifest."""
        self.repeats.setdefault(name, []).append({key: round(value, 4) for key, value in asdict(spent).items()})

    def add(self, name: str, unit: str, baseline: float | None, ours: float | None, goal: str | None = None) -> None:
        """Add a comparison and print it at once."""
        self.rows.append(Row.of(name, unit, baseline, ours, goal))
        self.say(" | ".join(_cells(self.rows[-1])))

    def write(self) -> None:
        """Write what has been found so far into the file of ``--json``, if one is given."""
        if self.options.json is None:
            return
        from kptoolkit.runs.manifest import write_json

        rows = [asdict(row) for row in self.rows]
        write_json(self.options.json, {"rows": rows, "manifest": manifest(self, clocks() - self.begun)})

    def say(self, text: str) -> None:
        """Print progress."""
        print(f"[{time.process_time():6.0f} CPU s] {text}", file=sys.stderr, flush=True)


def parser(description: str) -> argparse.ArgumentParser:
    """Create a parser with the options of all benchmarks."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="fewer repeats and shorter training: within five minutes")
    made.add_argument("--json", type=Path, metavar="FILE", help="write rows and manifest there")
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where models run (default: cpu)")
    made.add_argument("--seed", type=int, default=2308, help="seed of weights and draws (default: 2308)")
    return made


def run(made: argparse.ArgumentParser, measure: Callable[[Bench], None], words: Sequence[str] | None = None) -> None:
    """Parse, measure, print the table, write the JSON.

    Args:
        made: From :func:`parser`, with the program's own options added.
        measure: Fills a :class:`Bench`.
        words: Command line; ``None`` is ``sys.argv``.

    Raises:
        SystemExit: With the exit code of the error, which is printed in one line.
    """
    bench = Bench(made.parse_args(words))
    try:
        _prepare(bench.device)
        from kptoolkit.models.cpu_speed import flushed_denormals

        with flushed_denormals():
            measure(bench)
    except KptoolError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    total = clocks() - bench.begun
    print(table(bench.rows))
    for name, value in bench.notes.items():
        if isinstance(value, str):
            print(f"- {name}: {value}")
    print(f"- {total.cpu:.0f} CPU s, {total.wall:.0f} s in all")
    bench.write()


def _prepare(device: str) -> None:
    """Hold models to the device that was asked for; kptoolkit itself takes a GPU wherever it sees one.

    Raises:
        MissingExtraError: CUDA is asked for and not there.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise MissingExtraError("--device cuda: torch sees no CUDA device here; run on a machine with one, or leave it")


def data_folder(name: str) -> Path:
    """A data set in the folder that ``$KPTOOL_DATA`` names.

    Raises:
        ConfigError: The variable is not set, or there is no such folder.
    """
    root = os.environ.get(DATA)
    if not root or not (Path(root) / name).is_dir():
        raise ConfigError(f"this benchmark needs the folder {name} in ${DATA}; set {DATA} to where the data sets lie")
    return Path(root) / name


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of comparisons."""
    return markdown([("name", "unit", "baseline", "ours", "ratio", "goal", "holds"), *(_cells(row) for row in rows)])


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    figures = [figure(value) for value in (row.baseline, row.ours, row.ratio)]
    holds = {None: "", True: "yes", False: "no"}[row.holds]
    return (row.name, row.unit, *figures, row.goal or "", holds)


def figure(value: float | None) -> str:
    """A number with three or four digits that matter."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def manifest(bench: Bench, total: Spent) -> dict[str, Any]:
    """Where, with what and how the figures came about."""
    import torch

    from kptoolkit.runs.manifest import machine, package_versions

    options = {key: str(value) if isinstance(value, Path) else value for key, value in vars(bench.options).items()}
    return {
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        "options": options,
        "seeds": bench.notes.get("seeds", [bench.options.seed]),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": bool(_git("status", "--porcelain")),
        "versions": package_versions(),
        "machine": machine() | {"cpu": cpu_name()},
        "device": torch.cuda.get_device_name() if bench.device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "seconds": asdict(total),
        "repeats": bench.repeats,
        "notes": {name: value for name, value in bench.notes.items() if name != "seeds"},
    }


def cpu_name() -> str:
    """The processor's name, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
