"""Folders of numpy arrays: checksummed, memory-mapped when read, written beside and renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError

_INDEX = "index.json"


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> None:
    """Write ``arrays`` and JSON-able ``extra`` so that ``folder`` is either whole or not there.

    Raises:
        OSError: The folder cannot be written; nothing half-written stays under ``folder``.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        index = {"sha256": {name: checksum(beside / f"{name}.npy") for name in arrays}, "extra": dict(extra)}
        (beside / _INDEX).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_arrays(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays (memory-mapped) and ``extra`` of a folder that :func:`write_arrays` wrote.

    Raises:
        DataError: A file is missing or differs from its checksum.
    """
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        sums, extra = index["sha256"], index["extra"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("is missing or damaged; delete its folder and run again", folder / _INDEX) from error
    arrays = {}
    for name, expected in sums.items():
        path = folder / f"{name}.npy"
        if not path.is_file() or checksum(path) != expected:
            raise DataError("is missing or damaged; delete its folder and run again", path)
        arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
    return arrays, extra


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
