"""Writes tables of pandas, polars and pyarrow to Parquet files, which are then read as other files are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from kptoolkit.errors import DataError, shorten

_RECBOLE_TYPE = re.compile(r":(?:token|float)(?:_seq)?$")
_KEEPS_INDEX = re.compile(r"__index_level_\d+__$")


@runtime_checkable
class DataFrame(Protocol):
    """A table of pandas, polars or pyarrow: whatever offers Arrow's C stream."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the table as a stream of Arrow."""
        ...


def write_frames(folder: Path, frames: Mapping[str, DataFrame]) -> None:
    """Write each table to ``NAME.parquet``.

    An index of pandas without a name is left out, one with a name is a column; RecBole's types after names of columns
    are cut off.

    Args:
        folder: Folder that exists.
        frames: Tables by name.

    Raises:
        DataError: A table cannot be converted, such as one with texts and numbers in one column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, frame in frames.items():
        try:
            table = pa.table(frame)
            kept = [column for column in table.column_names if not _KEEPS_INDEX.match(column)]
            columns = [_plain(table.column(column)) for column in kept]
            plain = pa.table(columns, names=[_RECBOLE_TYPE.sub("", column) for column in kept])
            pq.write_table(plain, folder / f"{name}.parquet")
        except (pa.ArrowException, TypeError, ValueError) as error:
            why = "; ".join(str(text) for text in error.args)
            said = f"is no table with one kind of values per column: {shorten(why, 200)}"
            raise DataError(f"{said}; convert the column, e.g. with astype(str)", described(name)) from error


def _plain(column: Any) -> Any:
    """Replace the categories of a column by their values: Parquet does not take those of polars."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return column
    kind = pa.string() if pa.types.is_string_view(column.type.value_type) else column.type.value_type
    return pa.chunked_array([chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks], kind)


def described(name: str) -> str:
    """Return what messages call a table."""
    return f"DataFrame {name}"


@contextmanager
def errors_of_frames(*folders: Path | None) -> Iterator[None]:
    """Let an error about a file of :func:`write_frames` name the table instead of the file.

    Args:
        folders: Folders with such files.

    Raises:
        DataError: In place of one that names a file.
    """
    try:
        yield
    except DataError as error:
        path = None if error.path is None else Path(error.path)
        if path is None or path.parent not in folders:
            raise
        message = str(error).removeprefix(str(path))
        if error.line is not None:
            message = message.removeprefix(f", line {error.line}").removeprefix(": ")
            raise DataError(message, described(path.stem), error.line) from error
        raise DataError(message.removeprefix(": "), described(path.stem)) from error
