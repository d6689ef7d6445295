"""Reads Parquet files in batches of columns of texts. Arrow is imported when a file is read, since it is large."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.columns import places_of
from kptoolkit.storage.text_tables import BATCH_ROWS, BadRows, Table


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
    except (pa.ArrowInvalid, OSError) as error:
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
    import pyarrow.parquet as pq

    found, row = parquet_columns(path, columns, optional), 1
    required = [name for name in found if name not in may_be_empty]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(found.values()))):
            texts = {
                name: [_text(value) for value in batch.column(column).to_pylist()] for name, column in found.items()
            }
            kept = []
            for at in range(batch.num_rows):
                empty = next((name for name in required if not texts[name][at].strip()), None)
                if empty is None:
                    kept.append(at)
                else:
                    (bad_rows or BadRows()).add(path, row + at, f"the {empty} is empty")
            lines = [row + at for at in kept]
            yield Table({name: [column[at] for at in kept] for name, column in texts.items()}, lines, str(path))
            row += batch.num_rows


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
