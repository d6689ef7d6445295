"""Replaces several files and folders of one folder together: a killed process leaves the old or the new ones.

New parts are written into a hidden folder. One rename to ``.replacing`` makes them valid; then each takes the place of
its old part. A process that is killed before that rename leaves the old parts, one that is killed after it leaves
``.replacing``, and the next command that reads or writes the folder finishes the replacement.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from filelock import FileLock, Timeout

from kptoolkit.errors import DataError, LockedError
from kptoolkit.storage.atomic import path_in_errors, remove_quietly, temporary_name

LOCK = ".lock"
_JOURNAL = ".replacing"
_NEW, _OLD, _REMOVED = "new", "old", "removed"
_LEFT_OVER = re.compile(r"\..{1,50}\.[0-9a-f]{8}\.tmp")
_PATIENCE = 60.0
"""Seconds that a reader waits for another process to finish a replacement, which takes a few renames."""


@contextmanager
def folder_lock(folder: Path, seconds: float = 0.0) -> Iterator[None]:
    """Keep other processes from writing into ``folder``, which is created if it is missing.

    A replacement that a killed process left is finished, its temporary files are removed. A folder that is empty at
    the end is removed again.

    Args:
        folder: The folder.
        seconds: How long to wait for a process that has the lock.

    Raises:
        LockedError: Another process writes into the folder.
        OSError: The folder cannot be written.
    """
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=seconds)
    except Timeout as error:
        raise LockedError(
            f"another command is writing into {folder}; wait until it has ended, or name another folder"
        ) from error
    try:
        _finish(folder)
        for entry in folder.iterdir():
            if _LEFT_OVER.fullmatch(entry.name):
                remove_quietly(entry)
        yield
    finally:
        remove_quietly(folder / LOCK)  # while it is held: who waits for it notices that and tries again
        lock.release()
        for created in missing:
            with suppress(OSError):
                created.rmdir()


@contextmanager
def atomic_parts(folder: Path, removed: Iterable[str] = ()) -> Iterator[Path]:
    """Replace some files and folders of ``folder`` together, after all of them were written.

    A process that is killed at any moment leaves the old parts, or a replacement that :func:`finish_replacement` or the
    next :func:`folder_lock` finishes. Two processes must not write into one folder: hold its lock.

    Args:
        folder: Existing folder; parts that are not written again stay.
        removed: Names of parts to remove together with the replacement.

    Yields:
        An empty folder; each entry of it replaces the one of the same name. For a part inside another folder the name
        is that of :func:`part_name`.

    Raises:
        OSError: A part cannot be written or renamed; the error names ``folder``. The old parts stay, or the
            replacement can be finished later.
    """
    staged = temporary_name(folder / _JOURNAL)
    try:
        with path_in_errors(folder, staged):
            for name in (_NEW, _OLD, _REMOVED):
                (staged / name).mkdir(parents=True)
            yield staged / _NEW
            for name in removed:
                (staged / _REMOVED / quote(name, safe="")).touch()
            staged.rename(folder / _JOURNAL)
            _finish(folder)
    finally:
        remove_quietly(staged)


def part_name(path: str) -> str:
    """Return the name, for :func:`atomic_parts`, of a part inside another folder, such as ``templates/own``."""
    return quote(path, safe="")


def finish_replacement(folder: Path) -> None:
    """Finish a replacement that a killed process left; return at once if there is none.

    Raises:
        LockedError: Another process is still busy with it.
        OSError: The folder cannot be written.
    """
    end = time.monotonic() + _PATIENCE
    while _is_pending(folder):
        try:
            with folder_lock(folder, 0.1):
                pass
        except LockedError:
            if time.monotonic() > end:
                raise


def remove_left_overs(folder: Path) -> None:
    """Remove temporary files that a killed process left in a folder, unless another process is writing there.

    For a folder that is only read from here on. What cannot be removed stays: it harms nobody.
    """
    if any(_LEFT_OVER.fullmatch(entry.name) for entry in folder.iterdir()):
        with suppress(LockedError, OSError), folder_lock(folder):
            pass


def is_own(name: str) -> bool:
    """Whether an entry of a folder is the lock, or temporary."""
    return name in (LOCK, _JOURNAL) or _LEFT_OVER.fullmatch(name) is not None


def _is_pending(folder: Path) -> bool:
    return (folder / _JOURNAL).is_dir() and not (folder / _JOURNAL).is_symlink()


def _finish(folder: Path) -> None:
    """Put every new part into its place; can be repeated after it was interrupted anywhere."""
    journal = folder / _JOURNAL
    if not _is_pending(folder):
        return
    for entry in sorted((journal / _NEW).iterdir()):
        place = _place(folder, entry.name)
        if place.is_dir() and not place.is_symlink():
            place.rename(journal / _OLD / entry.name)
        elif entry.is_dir():
            place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        entry.replace(place)
    for entry in sorted((journal / _REMOVED).iterdir()):
        _delete(_place(folder, entry.name))
    finished = temporary_name(journal)
    journal.rename(finished)
    remove_quietly(finished)


def _place(folder: Path, name: str) -> Path:
    """The path that a part replaces.

    Raises:
        DataError: It is not inside the folder.
    """
    place = folder / unquote(name)
    if ".." in place.parts[len(folder.parts) :] or not place.parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"would replace {place}, which is outside; remove it", folder / _JOURNAL)
    return place


def _delete(path: Path) -> None:
    """Delete a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
