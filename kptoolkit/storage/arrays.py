"""Folders of numpy arrays: checksummed, written atomically, memory-mapped when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError, KptoolError, shorten
from kptoolkit.storage.atomic import atomic_folder

_INDEX = "index.json"
_KINDS = {"i": np.integer, "f": np.floating, "b": np.bool_}


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> None:
    """Write ``arrays`` and JSON-able ``extra`` to ``folder``, as :func:`atomic_folder` does.

    Raises:
        OSError: The folder cannot be written, and the error names it.
    """
    with atomic_folder(folder) as temporary:
        for name, array in arrays.items():
            _write_array(temporary / f"{name}.npy", array)
        sums = {name: checksum(temporary / f"{name}.npy") for name in arrays}
        index = {"sha256": sums, "extra": dict(extra), "extra_sha256": json_hash(dict(extra))}
        (temporary / _INDEX).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


def read_arrays(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays (memory-mapped) and ``extra`` of a folder that :func:`write_arrays` wrote.

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
def fitting(folder: Path) -> Iterator[None]:
    """Turn any failure to build an object from stored arrays into one error that names their folder.

    Raises:
        DataError: In place of the failure.
    """
    try:
        yield
    except KptoolError:
        raise
    except Exception as error:  # a file may hold anything
        said = f"holds values that no training writes ({shorten(f'{type(error).__name__}: {error}', 200)})"
        raise DataError(f"{said}; delete its folder and run again", folder) from error


def check_arrays(value: Any, equal: Sequence[str] = (), square: Sequence[str] = (), **below: tuple[str, int]) -> None:
    """Check arrays that were read from a file before other code, also code without checks of its own, indexes by them.

    Args:
        value: A dataclass with arrays. Each must have one dimension, unless it is named here, and the kind of numbers
            of its annotation.
        equal: Names of arrays of one length.
        square: Names of arrays of two dimensions.
        below: For arrays by name: a reason for the message, and the number that all values are below. They are at
            least -1.

    Raises:
        ValueError: They do not fit.
    """
    for name, kind in get_type_hints(type(value)).items():
        array = getattr(value, name)
        if get_origin(kind) is not np.ndarray:
            continue
        wanted = getattr(get_args(get_args(kind)[1])[0], "__name__", "") if len(get_args(kind)) > 1 else ""
        if not isinstance(array, np.ndarray) or array.ndim != 1 + (name in square):
            raise ValueError(f"{name} has not the dimensions that it needs")
        if wanted and hasattr(np, wanted) and not np.issubdtype(array.dtype, _KINDS[np.dtype(wanted).kind]):
            raise ValueError(f"{name} holds {array.dtype} in place of {wanted}")
    lengths = {len(getattr(value, name)) for name in equal}
    if len(lengths) > 1:
        raise ValueError(f"{' and '.join(equal)} differ in length")
    for name, (reason, most) in below.items():
        array = getattr(value, name)
        if len(array) and not (array.min() >= -1 and array.max() < most):
            raise ValueError(f"{name} holds a number that is none of the {reason}")


def written(folder: Path) -> float:
    """Return when :func:`write_arrays` wrote a folder, in seconds since the epoch; 0 if there is none."""
    try:
        return (folder / _INDEX).stat().st_mtime
    except OSError:
        return 0.0


def _write_array(path: Path, array: NDArray[Any]) -> None:
    """Write one array as ``np.save`` does, but with the operating system's reason in errors."""
    plain = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(plain))
        file.write(plain.reshape(-1).view(np.uint8).data)


def json_hash(value: Any, *, sort_keys: bool = False) -> str:
    """Return the SHA-256 of a value as JSON, hexadecimal."""
    return hashlib.sha256(json.dumps(value, sort_keys=sort_keys).encode()).hexdigest()


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
