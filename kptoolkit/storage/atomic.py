"""Atomic writes: under a temporary name in the same folder, renamed when complete, removed when anything fails."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME_LENGTH = 50
"""Characters of a file's own name in its temporary name, so that a long name stays within what file systems allow."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file so that ``path`` is either complete or what it was before.

    Missing parent folders are created.

    Args:
        path: File to write or replace.

    Yields:
        The temporary path to write to. Nothing is renamed if nothing was written there.

    Raises:
        OSError: The file cannot be written; the error names ``path``.

    Example:
        >>> with atomic_write(Path("report.json")) as temporary:  # doctest: +SKIP
        ...     temporary.write_text("{}", encoding="utf-8")
    """
    temporary = temporary_name(path)
    try:
        with path_in_errors(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if temporary.exists():
                temporary.replace(path)
    finally:
        remove_quietly(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file, atomically, in UTF-8.

    Raises:
        OSError: The file cannot be written; the error names ``path``.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Write a folder so that ``folder`` is either complete or what it was before.

    Missing parent folders are created. A folder or file of that name is replaced as a whole.

    Args:
        folder: Folder to write or replace.

    Yields:
        The temporary folder, which exists and is empty.

    Raises:
        OSError: A file cannot be written, and the error names ``folder``; or another process has written the same
            folder in the meantime (``ENOTEMPTY`` or ``EEXIST``).
    """
    temporary, old = temporary_name(folder), temporary_name(folder)
    try:
        with path_in_errors(folder, temporary):
            temporary.mkdir(parents=True)
            yield temporary
            _replace(folder, temporary, old)
    finally:
        remove_quietly(temporary)


def remove_folder(folder: Path) -> None:
    """Delete a folder, if it exists; a process that is killed meanwhile leaves all of it, or none under its name.

    Raises:
        OSError: The folder cannot be renamed.
    """
    doomed = temporary_name(folder)
    with suppress(FileNotFoundError):
        folder.rename(doomed)
    remove_quietly(doomed)


def written_meanwhile(error: OSError) -> bool:
    """Return whether :func:`atomic_folder` failed only because another process wrote the same folder first."""
    return error.errno in (errno.ENOTEMPTY, errno.EEXIST)


@contextmanager
def path_in_errors(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Add ``path`` to a failure that names no file, such as a full disk, or that names a temporary one.

    Args:
        path: The file or folder that is being written.
        temporary: Its temporary name.

    Raises:
        OSError: As raised inside, with ``path`` as its file name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or (temporary and Path(error.filename).is_relative_to(temporary)):
            reason = str(error) if error.errno is None else os.strerror(error.errno)
            raise OSError(error.errno, reason, str(path)) from error
        raise


def temporary_name(path: Path) -> Path:
    """Return a new hidden name in the folder of ``path``, for what will be renamed to ``path``."""
    return path.with_name(f".{path.name[:_NAME_LENGTH]}.{secrets.token_hex(4)}.tmp")


def _replace(place: Path, new: Path, old: Path) -> None:
    """Rename ``new`` to ``place``; what was there is moved to ``old`` and removed, or moved back on failure."""
    if _exists(place):
        with suppress(FileNotFoundError):  # another process may have moved it first
            place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
    finally:
        remove_quietly(old)


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def remove_quietly(path: Path) -> None:
    """Remove a file or folder, if there is one and as far as that is possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
