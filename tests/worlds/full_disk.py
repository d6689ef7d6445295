"""Started by a test: ``kptool compile`` and ``kptool fit`` where there is no room, and again where there is.

``disk`` mounts a small file system in a mount namespace of this process's own, and the kernel says ENOSPC. ``limit``
sets the largest size of a file, and the kernel says EFBIG; that is no full disk, but as much as can be had where
namespaces are not allowed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from kptoolkit.cli.app import app

ROOM = "64m"
OTHERS = {
    "tree.html": ["tree", "--item", "Book 1", "--output", "PLACE"],
    "tree.png": ["tree", "--item", "Book 1", "--output", "PLACE"],
    "all.csv": ["recommend", "RUN", "--all-users", "-k", "20", "--output", "PLACE"],
    "all.parquet": ["recommend", "RUN", "--all-users", "--set", "evaluation.batch_size=1", "--output", "PLACE"],
    "report.html": ["report", "RUN", "--users", "0", "--output", "PLACE"],
    "project": ["init", "PLACE"],
    "import": ["export-csv", "DATA", "--output", "PLACE"],
    "mine": ["templates", "new", "PLACE"],
}
"""Commands that write one file or folder: its name, and their words."""
_UNLIMITED = resource.RLIM_INFINITY


def on_a_disk(place: Path) -> Callable[[bool], None]:
    """Mount a file system at ``place``; what is given makes it small or large."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", place], check=True)

    def make(small: bool) -> None:
        size = "8k" if small else ROOM
        subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)

    return make


def by_a_limit(place: Path) -> Callable[[bool], None]:
    """What is given limits the size of files, or does not."""
    return lambda small: resource.setrlimit(resource.RLIMIT_FSIZE, (300 if small else _UNLIMITED, _UNLIMITED))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def main(way: str, out: Path, common: list[str]) -> list[dict[str, Any]]:
    """What every command said, and which files then stood in the place without room."""
    place = out / "place"
    place.mkdir()
    make = (on_a_disk if way == "disk" else by_a_limit)(place)
    messages = []

    def tell(command: str, small: bool, cache: Path, prompts: Path, *more: object) -> None:
        call(command, *common, "--set", f"graph.cache={cache}", "--set", f"prompts.cache={prompts}", *more, small=small)

    def call(*words: object, small: bool = True) -> None:
        make(small)
        result = CliRunner().invoke(app, list(map(str, words)))
        make(False)
        found = {"code": result.exit_code, "said": result.stderr, "files": files(place)}
        messages.append(found)

    cache, prompts = out / "cache", out / "prompts"
    tell("compile", False, cache, prompts)
    tell("fit", False, cache, prompts, "--run", out / "run")
    tell("compile", True, place / "cache", prompts)
    tell("compile", True, cache, place / "prompts")
    tell("fit", True, cache, prompts, "--run", place / "run")
    graph = [*common[2:4], *common[-4:]]
    for name, words in OTHERS.items():
        given = {"DATA": common[1], "RUN": out / "run", "PLACE": place / name}
        call(*(given.get(word, word) for word in words), *(graph if words[0] in ("tree", "templates") else ()))
    call("load-kg", common[1], "--graph", f"embedded:{place / 'kg'}")
    shutil.rmtree(place / "kg", ignore_errors=True)
    tell("compile", False, place / "cache", place / "prompts")
    tell("fit", False, place / "cache", place / "prompts", "--run", place / "run")
    subprocess.run(["cp", "-r", place, out / "kept"], check=True)  # the file system goes with this process
    return messages


if __name__ == "__main__":
    os.environ["COLUMNS"] = "1000"
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])))
