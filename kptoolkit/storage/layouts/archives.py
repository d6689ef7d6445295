"""Unpacks tar and zip archives into a temporary folder that is deleted when the process ends."""

from __future__ import annotations

import shutil
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import IO, cast

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.open_files import DAMAGED, most_bytes, open_bytes, too_large

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_FAILURES = (*DAMAGED, OSError, tarfile.TarError, zipfile.BadZipFile, RuntimeError, ValueError, struct.error)
_unpacked: dict[tuple[Path, int, int], tempfile.TemporaryDirectory[str]] = {}
"""Temporary folder by path, time of change and size of the archive."""


def is_archive(path: Path) -> bool:
    """Return whether a file is named like an archive."""
    return path.name.lower().endswith(_SUFFIXES) and path.is_file()


def unpack(path: Path) -> Path:
    """Unpack an archive, once per process.

    Returns:
        The folder, or what is in it if that is only one file or one folder.

    Raises:
        DataError: It cannot be read, has names that lead out of the folder, has content that is too large for the
            archive, or does not fit on the disk.
    """
    about = path.stat()
    key = (path.resolve(), about.st_mtime_ns, about.st_size)
    if key not in _unpacked:
        folder = tempfile.TemporaryDirectory(prefix="kptool-")
        try:
            _extract(path, Path(folder.name))
        except _FAILURES as error:
            folder.cleanup()
            raise DataError(f"cannot be unpacked: {shorten(str(error))}; fetch or pack it again", path) from error
        except DataError:
            folder.cleanup()
            raise
        _unpacked[key] = folder
    found = Path(_unpacked[key].name)
    while found.is_dir() and len(inside := [one for one in found.iterdir() if one.name != "__MACOSX"]) == 1:
        found = inside[0]
    return found


def _extract(path: Path, folder: Path) -> None:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            _check_size(sum(one.file_size for one in archive.infolist()), path, folder)
            for one in archive.infolist():
                archive.extract(one, folder)  # a name that leads out of the folder is changed
        return
    with open_bytes(path) as content, tarfile.open(fileobj=cast("IO[bytes]", content), mode="r:") as tar:
        _check_size(sum(one.size for one in tar), path, folder)
        for member in tar:
            tar.extract(member, folder, filter="data")


def _check_size(size: int, path: Path, folder: Path) -> None:
    if size > most_bytes(path):
        raise DataError(too_large("unpacks"), path)
    free = shutil.disk_usage(folder).free
    if size > free:
        needed, there = size / 1e9, free / 1e9
        raise DataError(f"needs {needed:.1f} GB unpacked, {there:.1f} GB are free in {folder.parent}; unpack it", path)
