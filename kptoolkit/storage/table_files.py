"""Writes tables to CSV, TSV, JSON Lines or Parquet files, some rows at a time; the suffix decides the format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kptoolkit.errors import InputError
from kptoolkit.storage.atomic import atomic_write


def write_table_file(path: str | Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write frames with the same columns one after the other, atomically, in UTF-8.

    Args:
        path: ``.csv``, ``.tsv``, ``.jsonl`` (one JSON object per line) or ``.parquet``.
        frames: At least one; they are read as they are written.

    Raises:
        InputError: See :func:`check_table_file`.
        OSError: The file cannot be written; the error names it.
    """
    path = check_table_file(path)
    with atomic_write(path) as temporary:
        _FORMATS[path.suffix.lower()](temporary, frames)


def check_table_file(path: str | Path) -> Path:
    """Check that a table can be written to a file of this name, and return its path.

    Raises:
        InputError: The suffix is that of no format, or the folder of the file does not exist.
    """
    return check_output(path, *_FORMATS)


def check_output(path: str | Path, *suffixes: str) -> Path:
    """Check the name of a file that will be written, and return its path.

    Args:
        path: The file.
        suffixes: What its name may end in, in lower case.

    Raises:
        InputError: It ends in something else, or the folder of the file does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        *first, last = suffixes
        allowed = f"{', '.join(first)} or {last}" if first else last
        raise InputError(f"{path}: the name must end in {allowed}")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}")
    return path


def _write_separated(path: Path, frames: Iterable[pd.DataFrame], separator: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            frame.to_csv(file, sep=separator, index=False, header=number == 0, lineterminator="\n")


def _write_json_lines(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for frame in frames:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in frame.to_dict(orient="records"))


def _write_parquet(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    writer = None
    try:
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


_FORMATS: dict[str, Callable[[Path, Iterable[pd.DataFrame]], None]] = {
    ".csv": partial(_write_separated, separator=","),
    ".tsv": partial(_write_separated, separator="\t"),
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
