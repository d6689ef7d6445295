"""Reads Parquet files in batches of columns of texts. Arrow is imported when a file is read, since it is large."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.columns import places_of
from kptoolkit.storage.open_files import most_bytes, too_large
from kptoolkit.storage.text_tables import BATCH_ROWS, BadRows, Table
from kptoolkit.storage.values.cells import fault_of


def parquet_columns(path: Path, columns: Mapping[str, Sequence[str]], optional: Collection[str] = ()) -> dict[str, str]:
    """Return the name in the file of each wanted column that it has.

    Args:
        path: The file.
        columns: Accepted headers by the name of the column in the result.
        optional: Columns that the file may lack.

    Raises:
        DataError: It is not Parquet, a column is missing, or one holds lists or records.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except FileNotFoundError as error:
        raise DataError("no such file", path) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"is not a readable Parquet file: {shorten(str(error))}", path) from error
    names = [str(name) for name in schema.names]
    found = {name: names[at] for name, at in places_of(names, columns, optional, path).items()}
    for name, column in found.items():
        if pa.types.is_nested(schema.field(column).type):
            said = f"the column {shorten(column)} for {name} has lists or records; write one value per row"
            raise DataError(said, path)
    return found


def read_parquet(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    *,
    optional: Collection[str] = (),
    may_be_empty: Collection[str] = (),
    bad_rows: BadRows | None = None,
) -> Iterator[Table]:
    """Yield some columns of a file as texts: whole floats without ``.0``, null as ``""``. Lines are rows, from 1.

    Args:
        path: The file.
        columns: As for :func:`parquet_columns`, like ``optional``.
        optional: Columns that the file may lack.
        may_be_empty: Columns whose cells may be empty.
        bad_rows: What to do with rows with other empty cells; ``None`` raises an error.

    Raises:
        DataError: As for :func:`parquet_columns`, or an empty cell; with the row.
    """
    found, row = parquet_columns(path, columns, optional), 1
    required = [name for name in found if name not in may_be_empty]
    for batch in _batches(path, list(dict.fromkeys(found.values()))):
        texts = {
            name: [_text(value, path) for value in batch.column(column).to_pylist()] for name, column in found.items()
        }
        kept = []
        for at in range(batch.num_rows):
            fault = next(filter(None, (fault_of(name, texts[name][at]) for name in required)), None)
            if fault is None:
                kept.append(at)
            else:
                (bad_rows or BadRows()).add(path, row + at, fault)
        lines = [row + at for at in kept]
        yield Table.of({name: [column[at] for at in kept] for name, column in texts.items()}, lines, str(path))
        row += batch.num_rows


def first_cells(path: Path, rows: int) -> dict[str, list[str]]:
    """Return the first cells of each column without lists and records, by its name.

    Args:
        path: The file.
        rows: Number of rows.

    Raises:
        DataError: It is not Parquet, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_expansion(path, file.metadata)
            plain = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
            batch = next(file.iter_batches(rows, columns=plain), None)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"is not a readable Parquet file: {shorten(str(error))}", path) from error
    columns = {} if batch is None else zip(batch.schema.names, batch.columns, strict=True)
    return {str(name): _shown(column) for name, column in columns}


def _shown(column: Any) -> list[str]:
    """Return the values of a column as texts; none if there is one that Python has not, such as a very late date."""
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError):
        return []
    return ["" if value is None or value != value else str(value) for value in values]


def _batches(path: Path, columns: list[str]) -> Iterator[Any]:
    """Yield some columns of a file in record batches.

    Raises:
        DataError: It is damaged, or expands too much.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_expansion(path, file.metadata)
            yield from file.iter_batches(BATCH_ROWS, columns=columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"is not a readable Parquet file: {shorten(str(error))}", path) from error


def check_expansion(path: Path, described: Any) -> None:
    """Check that a file does not expand beyond the limit, before it is read.

    Args:
        path: The file.
        described: Its metadata as Arrow has it.

    Raises:
        DataError: It does.
    """
    groups = [described.row_group(number) for number in range(described.num_row_groups)]
    size = max(sum(group.total_byte_size for group in groups), 8 * described.num_rows * described.num_columns)
    if size > most_bytes(path):
        raise DataError(too_large("expands"), path)


def _text(value: Any, path: Path) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"has a column of bytes that are no UTF-8 text: {shorten(repr(value), 40)}", path
            ) from error
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
