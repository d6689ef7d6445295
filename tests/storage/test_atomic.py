"""Atomic writes: complete or as before, no temporary file left, and errors that name the path."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kptoolkit.storage.atomic import atomic_folder, atomic_write, path_in_errors, remove_folder, written_meanwhile
from kptoolkit.storage.replacement import atomic_parts

AtomicWriter = Callable[[Path], AbstractContextManager[Path]]


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_written_replaced_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    for text in ("one", "two"):
        with atomic_write(path) as temporary:
            assert temporary.parent == path.parent
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert tree(tmp_path) == {"a/b/file.txt": text}


def test_a_file_with_the_longest_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ß" * 127)
    with atomic_write(path) as temporary:
        temporary.write_text("x")
    assert tree(tmp_path) == {path.name: "x"}


def test_nothing_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with atomic_write(tmp_path / "file"):
        pass
    with atomic_write(tmp_path / "other"):
        pass
    assert tree(tmp_path) == {"file": "old"}


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "kg"
    for name in ("one", "two"):
        with atomic_folder(folder) as temporary:
            (temporary / name).write_text(name)
        assert tree(tmp_path) == {f"a/kg/{name}": name}


def test_a_folder_replaces_a_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "kg").write_text("a file")
    with atomic_folder(tmp_path / "kg") as temporary:
        (temporary / "x").write_text("x")
    assert tree(tmp_path) == {"kg/x": "x"}


@pytest.mark.parametrize("error", [full_disk(), ValueError("a bad value"), KeyboardInterrupt()])
@pytest.mark.parametrize(
    ("writer", "name", "inside"), [(atomic_write, "f", ""), (atomic_folder, "kg", "x"), (atomic_parts, "", "kg")]
)
def test_a_failure_leaves_everything_as_it_was(
    tmp_path: Path, writer: AtomicWriter, name: str, inside: str, error: BaseException
) -> None:
    (tmp_path / "f").write_text("old")
    (tmp_path / "kg").mkdir()
    (tmp_path / "kg" / "x").write_text("old")
    before = tree(tmp_path)

    def fail(temporary: Path) -> None:
        (temporary / inside).write_text("half")
        raise error

    with pytest.raises(type(error)), writer(tmp_path / name) as temporary:
        fail(temporary)
    assert tree(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "kg"]


@pytest.mark.parametrize("writer", [atomic_write, atomic_folder])
def test_a_full_disk_names_the_path_and_not_the_temporary_one(tmp_path: Path, writer: AtomicWriter) -> None:
    place = tmp_path / "place"
    with pytest.raises(OSError, match="No space") as caught, writer(place):
        raise full_disk()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(place))
    with pytest.raises(FileNotFoundError) as missing, writer(place) as temporary:
        (temporary / "no" / "such").write_text("x")
    assert missing.value.filename == str(place)


def test_an_error_that_names_another_file_stays(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic_write(tmp_path / "out"):
        (tmp_path / "input").read_text()
    assert caught.value.filename == str(tmp_path / "input")
    with pytest.raises(OSError, match="No space") as plain, path_in_errors(tmp_path):
        raise full_disk()
    assert plain.value.filename == str(tmp_path)


def test_a_parent_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="file"), atomic_write(tmp_path / "file" / "out") as temporary:
        temporary.write_text("y")
    assert tree(tmp_path) == {"file": "x"}


def test_a_folder_that_cannot_be_moved_into_place_restores_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kg").mkdir()
    (tmp_path / "kg" / "x").write_text("old")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise OSError(errno.EIO, "input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input/output error"), atomic_folder(tmp_path / "kg") as temporary:
        (temporary / "new").write_text("new")
    assert tree(tmp_path) == {"kg/x": "old"}


def test_another_process_that_was_faster_is_recognized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)

    def write_twice(temporary: Path) -> None:
        (temporary / "x").write_text("ours")
        (tmp_path / "kg").mkdir()
        (tmp_path / "kg" / "x").write_text("theirs")

    with pytest.raises(OSError, match="kg") as caught, atomic_folder(tmp_path / "kg") as temporary:
        write_twice(temporary)
    assert written_meanwhile(caught.value)
    assert not written_meanwhile(full_disk())
    assert tree(tmp_path) == {"kg/x": "theirs"}


def test_a_folder_is_removed_as_a_whole_and_one_that_is_missing_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "kg" / "inner").mkdir(parents=True)
    (tmp_path / "kg" / "inner" / "x").write_text("x")
    for _ in range(2):
        remove_folder(tmp_path / "kg")
        assert list(tmp_path.iterdir()) == []
