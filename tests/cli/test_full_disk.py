"""A full disk: one line names the path, and nothing half-written is used later."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from worlds.command import sets
from worlds.full_disk import OTHERS
from worlds.ring import load_graph, write_world

from kptoolkit.graph.embedded import EmbeddedServer
from kptoolkit.runs.run import Run

PASSWORD = "no-room-for-9-words"
SCRIPT = Path(__file__).parents[1] / "worlds" / "full_disk.py"


def way_to_no_room(place: Path) -> tuple[str, list[str]]:
    """A file system of our own where the kernel allows one, else a limit on the size of files."""
    unshare = [found, "--map-root-user", "--mount"] if (found := shutil.which("unshare")) else []
    test = [*unshare, "mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(place)]
    if unshare and subprocess.run(test, capture_output=True, check=False).returncode == 0:
        return "disk", unshare
    return "limit", []


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system, or limits the size of files")
def test_no_room_names_the_path_and_the_same_commands_continue_with_room(tmp_path: Path) -> None:
    data = write_world(tmp_path / "data")
    load_graph(data, tmp_path / "kg")
    way, started_by = way_to_no_room(tmp_path)
    server = EmbeddedServer(tmp_path / "kg", password=PASSWORD)
    try:
        common = ["--data", str(data), "--graph", server.uri, *sets(training__epochs=1)]
        common += ["--set", f"graph.username={server.username}", "--set", f"graph.database={server.database}"]
        path = [str(SCRIPT.parents[1]), str(SCRIPT.parents[2])]
        done = subprocess.run(
            [*started_by, sys.executable, str(SCRIPT), way, str(tmp_path), *common],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**inherited(), "PYTHONPATH": ":".join(path), "NEO4J_PASSWORD": PASSWORD},
        )
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout.splitlines()[-1])
    parts = ("cache", "prompts", "run", *OTHERS, "kg")
    assert [each["code"] for each in (*reports[:2], *reports[-2:])] == [0, 0, 0, 0], reports
    reason = "No space left on device" if way == "disk" else "File too large"
    for each, part in zip(reports[2:-2], parts, strict=True):
        errors = [line for line in each["said"].splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, (part, each)
        assert each["code"] == (2 if part == "import" else 1), part
        assert str(tmp_path / "place" / part) in errors[0]
        assert reason in errors[0] or part == "kg"
        assert "Traceback" not in each["said"]
        assert each["files"] == [] or part == "kg", "nothing is left half-written"
    kept = tmp_path / "kept"
    for part in ("cache", "prompts"):
        assert contents(kept / part) == contents(tmp_path / part)
        assert contents(kept / part)
    one, other = Run.load(tmp_path / "run").manifest.files, Run.load(kept / "run").manifest.files
    weights = "backend/model.safetensors"
    different = {name for name in one | other if one.get(name) != other.get(name)} - {weights}
    assert different == {"config.toml", "training.json"}, "one names the folders, one has seconds; nothing else differs"
    pair = [load_file(folder / weights) for folder in (tmp_path / "run", kept / "run")]  # their headers have no order
    assert pair[0].keys() == pair[1].keys()
    assert all(np.array_equal(array, pair[1][name]) for name, array in pair[0].items())


def inherited() -> dict[str, str]:
    """This process's variables without what says where a graph is."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("NEO4J_", "KPTOOL_"))}
