"""Runs ``python -m kptoolkit`` in a process of its own that is spared loading torch and transformers.

A fork server has loaded them once; what it forks is a whole process: folder, environment, output, exit code and signals
are its own. Eight of ten seconds of a short command are those imports.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from worlds.marks import PROCESS_STARTED

_LOADED = [
    "kptoolkit.cli.app",
    "kptoolkit.pipeline",
    "kptoolkit.models.t5.sequence.sequence_backend",
    "kptoolkit.models.training",
    "kptoolkit.evaluation.table",
    "matplotlib.backends.backend_agg",
    "transformers.trainer",
    "transformers.models.t5.modeling_t5",
]


def kptoolkit(words: Sequence[str], environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run it to its end, as ``subprocess.run`` would.

    Raises:
        subprocess.TimeoutExpired: It took longer than ``timeout`` seconds.
    """
    sys.audit(PROCESS_STARTED)
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(_LOADED)
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = forks.Process(target=_run, args=(list(words), dict(environment), os.getcwd(), said))
        process.start()
        try:
            process.join(timeout)
            code = process.exitcode
        finally:
            process.kill()
            process.join()
        if code is None:
            raise subprocess.TimeoutExpired(["kptoolkit", *words], timeout)
        out, err = (path.read_text(encoding="utf-8") for path in said)
    return subprocess.CompletedProcess([sys.executable, "-m", "kptoolkit", *words], code, out, err)


def _run(words: list[str], environment: dict[str, str], folder: str, said: list[Path]) -> None:
    for number, path in enumerate(said, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv[1:] = words
    try:
        runpy.run_module("kptoolkit", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
