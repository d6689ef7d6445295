"""Runs of several seeds that are overwritten: all earlier ones go at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from worlds.killed import moments

from kptoolkit.runs.manifest import write_json
from kptoolkit.runs.several_runs import SeedsFolder

SEEDS = (7, 8, 9)


@pytest.mark.process
def test_a_process_killed_while_runs_are_deleted_leaves_all_or_none(tmp_path: Path) -> None:
    folder = SeedsFolder(tmp_path / "grid")
    locked = folder.run(SEEDS[0])

    def before() -> None:
        shutil.rmtree(folder.path, ignore_errors=True)
        for seed in SEEDS:
            checkpoint = folder.run(seed).checkpoints / "checkpoint-1"
            checkpoint.mkdir(parents=True)
            (checkpoint / "complete").touch()
            write_json(folder.run(seed).path / "manifest.json", {"status": "finished"})
        for name in ("metrics-test.json", "notes.txt"):
            (folder.path / name).touch()

    def clear() -> None:
        with locked.writing():
            folder.clear(locked)

    counts = set()
    for _ in moments(before, clear):
        left = [run.path.name for run in folder.runs() if run.is_finished]
        counts.add(len(left))
        assert left in ([], [f"seed-{seed}" for seed in SEEDS])
        assert (folder.path / "metrics-test.json").exists() is bool(left)
    assert counts == {0, len(SEEDS)}
    assert [path.relative_to(folder.path).as_posix() for path in sorted(folder.path.rglob("*"))] == [
        "notes.txt",
        "seed-7",
    ]
