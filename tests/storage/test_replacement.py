"""Several parts of a folder are replaced together, whatever happens meanwhile; one process at a time writes into it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from worlds.killed import killed, moments

from kptoolkit.errors import DataError, LockedError
from kptoolkit.storage.atomic import atomic_write, remove_folder
from kptoolkit.storage.replacement import (
    LOCK,
    atomic_parts,
    finish_replacement,
    folder_lock,
    part_name,
    remove_left_overs,
)

OLD = {"backend/old": "old", "stays": "old", "becomes a folder": "old", "becomes a file/x": "old", "goes/a": "old"}
OLD |= {"changes": "old", "packs/other": "old", "gone": "old"}
NEW = {"backend/weights": "new", "stays": "old", "becomes a folder/y": "new", "becomes a file": "new", "fresh": "new"}
NEW |= {"changes": "new", "packs/other": "old", "packs/own/z": "new"}


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def again(folder: Path, like: Path | None = None) -> None:
    """Make the folder as it was at the start, or as another one is."""
    shutil.rmtree(folder, ignore_errors=True)
    if like is None:
        write(folder, OLD)
    else:
        shutil.copytree(like, folder)


def replace(folder: Path) -> None:
    with atomic_parts(folder, ["goes", "gone", "never was there"]) as new:
        write(new, {name: text for name, text in NEW.items() if text == "new" and "packs" not in name})
        write(new / part_name("packs/own"), {"z": "new"})


def test_parts_of_a_folder_are_replaced_and_others_stay(tmp_path: Path) -> None:
    replace(write(tmp_path, OLD))
    assert tree(tmp_path) == NEW
    assert not (tmp_path / "goes").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.process
def test_a_process_killed_at_any_operation_leaves_the_old_or_the_new_parts(tmp_path: Path) -> None:
    folder, found = tmp_path / "folder", []
    for _ in moments(lambda: again(folder), lambda: replace(folder)):
        finish_replacement(folder)
        with folder_lock(folder):
            found.append(tree(folder))
            del found[-1][LOCK]
            assert found[-1] in (OLD, NEW)
    assert found[0] == OLD
    assert found[-1] == NEW
    assert [each == NEW for each in found] == sorted(each == NEW for each in found), "new once it was new"
    assert len(found) > 20


@pytest.mark.process
def test_a_command_killed_while_it_finishes_a_replacement_can_be_followed_by_another(tmp_path: Path) -> None:
    folder, pending = tmp_path / "folder", tmp_path / "pending"
    for _ in moments(lambda: again(pending), lambda: replace(pending), every=5):
        if not (pending / ".replacing").is_dir():
            continue
        for _ in moments(lambda: again(folder, pending), lambda: finish_replacement(folder), every=4):
            finish_replacement(folder)
            with folder_lock(folder):
                assert {name: text for name, text in tree(folder).items() if name != LOCK} == NEW


@pytest.mark.parametrize("error", [OSError(errno.EIO, os.strerror(errno.EIO)), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", range(1, 9))
def test_a_rename_that_fails_leaves_the_old_or_the_new_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, error: BaseException
) -> None:
    write(tmp_path, OLD)
    calls = 0

    def failing_at(real: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def renamed(path: Path, target: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise error
            return real(path, target)

        return renamed

    with monkeypatch.context() as patch:
        for name in ("rename", "replace"):
            patch.setattr(Path, name, failing_at(getattr(Path, name)))
        with pytest.raises(type(error)):
            replace(tmp_path)
    finish_replacement(tmp_path)
    assert tree(tmp_path) == (OLD if failing == 1 else NEW)


def test_a_second_writer_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"
    with folder_lock(folder):
        with pytest.raises(LockedError, match=f"another command is writing into {folder}; wait"), folder_lock(folder):
            raise AssertionError("two have the lock")
        (folder / "x").write_text("x")
    with folder_lock(folder):
        pass
    assert tree(tmp_path) == {"runs/first/x": "x"}


@pytest.mark.process
def test_another_process_is_refused_and_a_killed_one_holds_no_lock(tmp_path: Path) -> None:
    def refused() -> None:
        with pytest.raises(LockedError), folder_lock(tmp_path):
            raise AssertionError("two processes have the lock")

    def killed_while_it_writes() -> None:
        with folder_lock(tmp_path):
            for name in "abc":
                (tmp_path / name).touch()

    with folder_lock(tmp_path):
        assert not killed(1000, refused)
    assert killed(3, killed_while_it_writes)
    with folder_lock(tmp_path):
        pass
    assert LOCK not in tree(tmp_path)


def test_a_lock_on_a_folder_that_stays_empty_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no data"), folder_lock(tmp_path / "runs" / "first"):
        raise ValueError("no data")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, {".x.0123abcd.tmp": "", ".y.0123abcd.tmp/half": "", ".mine.tmp": "mine", "z.0123abcd.tmp": "mine"})
    with folder_lock(tmp_path):
        pass
    assert tree(tmp_path) == {".mine.tmp": "mine", "z.0123abcd.tmp": "mine"}


def test_a_folder_that_is_only_read_loses_what_a_killed_process_left_unless_somebody_writes(tmp_path: Path) -> None:
    left = {"..replacing.0123abcd.tmp/old/x": "old", ".run.json.0123abcd.tmp": "half"}
    write(tmp_path, left | {"stays": "1"})
    with folder_lock(tmp_path):
        write(tmp_path, left)
        remove_left_overs(tmp_path)
        assert tree(tmp_path).keys() >= left.keys()
    remove_left_overs(tmp_path)
    assert tree(tmp_path) == {"stays": "1"}
    remove_left_overs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stays"]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "link/outside"])
def test_a_replacement_never_writes_outside_its_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"outside": "old", "run/.replacing/removed/x": "", "run/x": "old"})
    new = tmp_path / "run" / ".replacing" / "new"
    write(new, {part_name(name): "new"})
    (tmp_path / "run" / "link").symlink_to(tmp_path)
    with pytest.raises(DataError, match="is outside"):
        finish_replacement(tmp_path / "run")
    assert (tmp_path / "outside").read_text() == "old"


@pytest.mark.process
def test_single_files_and_removed_folders_survive_a_kill_too(tmp_path: Path) -> None:
    folder, old = tmp_path / "run", {"file": "old", "kg/a": "old", "kg/b": "old"}

    def before() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        write(folder, old)

    def work() -> None:
        with atomic_write(folder / "file") as temporary:
            temporary.write_text("new")
        remove_folder(folder / "kg")

    for _ in moments(before, work):
        with folder_lock(folder):
            found = tree(folder)
        assert found.pop("file") in ("old", "new")
        assert found in ({"kg/a": "old", "kg/b": "old", LOCK: ""}, {LOCK: ""})
