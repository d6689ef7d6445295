"""CPU seconds of commands from their start to their answer, imports included.

Each row is the median over some processes, each started as a user starts it; Python has compiled its files before. The
runs are small ones of the bundled set: what is measured is the start of a command, not the size of its data. The
baseline is a process that imports torch and transformers and does nothing with them.

`recommend` with a run of `sequence` ranks from saved vectors and needs neither; `kp4sr` reads prompts, and needs both.

    python -m benchmarks.commands --quick
    python -m benchmarks.commands --repeats 9 --json FILE
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import harness
from benchmarks.harness import Spent
from benchmarks.parts_runs import DEMO, Grid

USER: Final = "Ada Finch"
_IMPORTS: Final = "import torch, transformers"
_SMALL: Final[Mapping[str, Any]] = {"tree.hops": 1, "tree.degree": 1, "tree.max_tokens": 64, "training.epochs": 2}


def measure(bench: harness.Bench) -> None:
    """Measure every command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {backend: _trained(bench, folder, backend) for backend in ("sequence", "kp4sr")}
        baseline = started(bench, _IMPORTS, ["-c", _IMPORTS])
        for title, words, goal in (
            ("--version", ["--version"], None),
            ("recommend, sequence", _recommend(runs["sequence"]), "<= 2"),
            ("recommend --explain, sequence", [*_recommend(runs["sequence"]), "--explain"], None),
            ("recommend, kp4sr", _recommend(runs["kp4sr"]), None),
        ):
            spent = started(bench, title, ["-m", "kptoolkit", *words])
            bench.add(f"{_IMPORTS}; kptool {title}", "CPU s", baseline, spent)
            if goal is not None:
                bench.add(f"kptool {title}", "CPU s", None, spent, goal)


def _recommend(run: Path) -> list[str]:
    return ["recommend", str(run), "--user", USER, "--quiet"]


def _trained(bench: harness.Bench, folder: Path, backend: str) -> Path:
    """A small run of the bundled set."""
    changed = {"model.backend": backend, "training.eval_every": 1, **_SMALL}
    return Grid(bench, DEMO, folder, changed=changed, label=backend).run(bench.options.seed).folder


def started(bench: harness.Bench, name: str, words: list[str]) -> float:
    """Median CPU seconds of processes of Python, from start to end; the first, which compiles, is left out.

    Args:
        bench: Records each repeat.
        name: What is measured.
        words: Arguments of Python.
    """
    spent = []
    for repeat in range(bench.options.repeats + 1):
        begun = _children()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        used = _children() - begun
        if repeat:
            bench.record(name, used)
            spent.append(used.cpu)
    return median(spent)


def _children() -> Spent:
    """CPU seconds of all child processes that have ended, and wall seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(used.ru_utime + used.ru_stime, time.perf_counter())


def main() -> None:
    """Run from the command line."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--repeats", type=int, default=5, help="processes per row (default: 5)")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
