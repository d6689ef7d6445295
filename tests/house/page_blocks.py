"""Runs blocks of the documentation as a reader would: Python in one session, shell lines in one terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path


def programs(home: Path, environment: Path | None = None) -> Path:
    """Create ``kptool`` and ``python`` in ``home/bin`` and return ``home``.

    Args:
        home: Folder that is created.
        environment: Folder of the programs of another environment, which sees no checkout; this one if not given.
    """
    (home / "bin").mkdir(parents=True)
    interpreter = sys.executable if environment is None else environment / "python"
    before = "" if environment is None else "unset PYTHONPATH\n"
    for name, call in (("kptool", "-m kptoolkit"), ("python", "")):
        program = home / "bin" / name
        program.write_text(f'#!/bin/sh\n{before}exec "{interpreter}" {call} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return home


def shell(code: str, folder: Path, home: Path) -> str:
    """Run a block of shell as a reader types it and return its standard output.

    Args:
        code: The lines of the block.
        folder: Working directory of the first block; each later block starts where the one before ended.
        home: Folder made by :func:`programs`.
    """
    where = home / "where"
    at = where.read_text(encoding="utf-8").strip() if where.exists() else str(folder)
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])
    script = f"set -eu\ncd {shlex.quote(at)}\n{code}\npwd > {shlex.quote(str(where))}\n"
    done = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"PATH": path, "COLUMNS": "100", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(blocks: list[str], folder: Path) -> list[str]:
    """Run blocks of Python in one process in ``folder`` and return what each prints."""
    end = "-- end of a block --"
    script = "".join(f"{code}\nprint({end!r})\n" for code in blocks)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(f"{end}\n")[:-1]
