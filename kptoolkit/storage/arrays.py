"""Folders of numpy arrays: checksummed, memory-mapped when read, written beside and renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError

_INDEX = "index.json"


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> None:
    """Write ``arrays`` and JSON-able ``extra`` so that ``folder`` is either whole or not there.

    Raises:
        OSError: The folder cannot be written, and the error names it; nothing half-written stays under ``folder``.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with naming(folder):
            beside.mkdir(parents=True)
            for name, array in arrays.items():
                _write_array(beside / f"{name}.npy", array)
            sums = {name: checksum(beside / f"{name}.npy") for name in arrays}
            index = {"sha256": sums, "extra": dict(extra), "extra_sha256": json_hash(dict(extra))}
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
        sums, extra = dict(index["sha256"]), index["extra"]
        if index.get("extra_sha256", expected := json_hash(extra)) != expected:
            raise ValueError("extra differs from its checksum")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("is missing or damaged; delete its folder and run again", folder / _INDEX) from error
    arrays = {}
    for name, expected in sums.items():
        path = folder / f"{name}.npy"
        if not path.is_file() or checksum(path) != expected:
            raise DataError("is missing or damaged; delete its folder and run again", path)
        try:
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise DataError("is no array; delete its folder and run again", path) from error
    return arrays, extra


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let a failure to write that names no file, such as a full disk, name ``path``."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def _write_array(path: Path, array: NDArray[Any]) -> None:
    """As ``np.save``, whose errors do not say why."""
    plain = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(plain))
        file.write(plain.reshape(-1).view(np.uint8).data)


def json_hash(value: Any, *, sort_keys: bool = False) -> str:
    """SHA-256 of a value as JSON, hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=sort_keys).encode()).hexdigest()


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
