"""Tables on disk as columns of strings: RecBole atomic files, CSV, TSV, gzip of these, and Parquet.

Text is read by :mod:`kptoolkit.storage.text_tables`; here it becomes whole columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.foreign_formats import foreign_said
from kptoolkit.names import quantity
from kptoolkit.storage import text_tables as text
from kptoolkit.storage.columns import places_of
from kptoolkit.storage.dialects import TAB_SUFFIXES, Dialect, Reading, Sample, suffix_of
from kptoolkit.storage.layouts.date_columns import join_dates
from kptoolkit.storage.layouts.known_layouts import Kind
from kptoolkit.storage.layouts.parquet_tables import check_expansion
from kptoolkit.storage.layouts.table_layouts import COLUMNS, OPTIONAL, recognize_parquet, recognize_table
from kptoolkit.storage.text_tables import TextReader, header_of
from kptoolkit.storage.values.cells import ID_COLUMNS, clean_columns, is_missing
from kptoolkit.storage.values.times import SKIP_ADVICE, advice_for, other_unit, seconds_of, since_1970

SUFFIXES = TAB_SUFFIXES | {".csv", ".txt", ".dat", ".data", ".parquet"}
_BLOCK = text.BLOCK_BYTES


@dataclass(frozen=True)
class Table:
    """Columns of one file.

    Attributes:
        path: The file.
        columns: Values by column name, ``(E,)``: strings, or the type of the Parquet column. An optional column that
            the file lacks is missing.
        lines: ``(E,)`` line of each row, from 1; the row number for Parquet.
    """

    path: Path
    columns: Mapping[str, NDArray[Any]]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)

    def strings(self, name: str) -> NDArray[Any]:
        """Return a column as strings, none of them empty.

        Raises:
            DataError: A value is empty, and the message names the line; or the column holds dates.
        """
        values = self.columns[name]
        if values.dtype.kind == "M":
            raise DataError(f"the column of {name} holds dates; ids are texts or numbers", self.path)
        blank = {value for value in set(values) if is_missing(value)}
        if blank:
            rows = [row for row, value in enumerate(values) if value in blank]
            shown = f" ({values[rows[0]]} stands for no value)" if values[rows[0]].strip() else ""
            more = f"; {quantity(len(rows) - 1, 'more rows')} likewise" if len(rows) > 1 else ""
            advice = "correct it, or skip such rows (--skip-bad-rows, data.skip_bad_rows)"
            raise DataError(f"no {name} in this row{shown}{more}; {advice}", self.path, int(self.lines[rows[0]]))
        return values

    def filled(self, names: Sequence[str]) -> Table:
        """Return the rows with a value in each of these columns that the table has."""
        kept = np.ones(len(self), dtype=bool)
        for values in (self.columns[name] for name in names if name in self.columns):
            if values.dtype.kind == "M":
                kept &= ~np.isnat(values)
            else:
                blank = {value for value in set(values) if is_missing(str(value))}
                kept &= np.array([value not in blank for value in values], dtype=bool)
        return self.rows(kept)

    def rows(self, kept: NDArray[np.bool_]) -> Table:
        """Return some of the rows."""
        return replace(
            self, columns={name: column[kept] for name, column in self.columns.items()}, lines=self.lines[kept]
        )

    def times(self, name: str, date_format: str = "", *, skip: bool = False) -> NDArray[np.float64]:
        """Return a column as seconds: numbers as they are, dates since 1970; see :func:`seconds_of`.

        Args:
            name: The column.
            date_format: Form of the dates, as for ``strptime``; ``""`` for ISO 8601.
            skip: Whether a value that is neither becomes NaN, unless most are.

        Raises:
            DataError: A value is neither, or some are seconds and some milliseconds; the message names the line.
        """
        values = self.columns[name]
        seconds = since_1970(values) if values.dtype.kind == "M" else seconds_of(values, date_format)
        bad = ~np.isfinite(seconds)
        most = int(bad.sum()) * 2 > len(bad)
        if most or (bad.any() and not skip):
            first = int(np.argmax(bad))
            advice = advice_for(str(values[first]), map(str, values)) if most else SKIP_ADVICE
            said = f"{name} '{shorten(str(values[first]))}' is neither a number nor a date{advice}"
            raise DataError(said, self.path, int(self.lines[first]))
        if values.dtype.kind != "M" and (other := other_unit(values.tolist(), seconds)) is not None:
            shown = shorten(str(values[other]))
            said = f"{name} {shown} is in another unit than most: some are seconds, some milliseconds; write one unit"
            raise DataError(said, self.path, int(self.lines[other]))
        return seconds


def tables_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """List the files of a folder with one of these suffixes, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in suffixes)


def read_recognized(path: Path, kind: Kind, reading: Reading) -> tuple[Table, str, bool]:
    """Read a table after recognizing its layout.

    Returns:
        The columns by their names in :data:`~kptoolkit.storage.layouts.table_layouts.COLUMNS`, what was recognized
        (``""`` for the usual header line), and whether rows with rating 0 are no events.

    Raises:
        DataError: As for :func:`read_table`, or the layout is not recognized.
    """
    columns, dialect, said, layout = reading.spellings(COLUMNS[kind]), None, "", None
    if path.is_file() and suffix_of(path) in SUFFIXES:
        recognize = recognize_parquet if suffix_of(path) == ".parquet" else recognize_table
        found = recognize(path, kind, reading)
        columns, dialect, said, layout = dict(found.columns), found.dialect, found.said, found.layout
    optional = {name: spellings for name, spellings in columns.items() if name in OPTIONAL}
    if kind == "interactions" and not (reading.has_ratings or (layout and layout.only_positive)):
        optional.pop("rating", None)
    required = {name: spellings for name, spellings in columns.items() if name not in OPTIONAL}
    bad_rows = text.BadRows(skip=reading.skip_bad_rows) if kind == "interactions" else None
    table = read_table(path, required, optional, dialect, bad_rows)
    said = with_skipped(said, 0 if bad_rows is None else bad_rows.count)
    columns_read = {
        name: _objects(column) if isinstance(column, list) else column
        for name, column in join_dates(table.columns).items()
    }
    return replace(table, columns=columns_read), said, bool(layout and layout.only_positive)


def with_skipped(said: str, count: int, why: str = "") -> str:
    """Add the number of rows that were skipped, if there are any, to what was recognized.

    Args:
        said: What was recognized; ``""`` for the usual header line.
        count: Number of rows.
        why: Words after "rows" that say why.
    """
    return f"{said or 'a table with a header line'}; {quantity(count, 'rows')}{why} skipped" if count else said


def read_table(
    path: Path,
    required: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]] | None = None,
    dialect: Dialect | None = None,
    bad_rows: text.BadRows | None = None,
) -> Table:
    """Read the wanted columns of a file.

    Args:
        path: The file; its suffix decides the format, its first bytes whether it is gzip.
        required: Accepted spellings by name, of columns that must exist.
        optional: Accepted spellings by name, of columns that may be missing.
        dialect: How a text is written, as for :func:`kptoolkit.storage.text_tables.read_table`.
        bad_rows: What to do with rows of another width; ``None`` raises an error.

    Raises:
        DataError: No such file, an unknown format, a damaged or empty file, wrong encoding, a missing column or a bad
            row; with file and line.
    """
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        if path.is_file() and (said := foreign_said(Sample.read(path))):
            raise DataError(said, path)
        raise DataError(f"unknown format; known: {', '.join(sorted(SUFFIXES))}, and gzip of the text formats", path)
    if not path.is_file():
        raise DataError("no such file", path)
    try:
        if suffix == ".parquet":
            return _read_parquet(path, required, optional or {})
        columns = (path, required, optional or {}, dialect, bad_rows)
        return _read_regular(*columns) or _read_rows(*columns)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path) from error


def columns_of(path: Path) -> list[str]:
    """Read the names of a file's columns.

    Raises:
        DataError: The file is empty or cannot be read.
    """
    if suffix_of(path) == ".parquet":
        try:
            return [str(name) for name in pq.read_schema(path).names]
        except (pa.ArrowException, OSError) as error:
            raise DataError("is not a Parquet file, or is damaged; write it again", path) from error
    return header_of(path)


def _read_regular(
    path: Path,
    required: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]],
    dialect: Dialect | None = None,
    bad_rows: text.BadRows | None = None,
) -> Table | None:
    """Read a regular tab-separated file in blocks; ``None`` if it is not regular."""
    reader = _reader(path, required, optional, dialect, bad_rows)
    table = join_tables(path, reader.blocks(_BLOCK), required)
    return table if reader.ended else None


def _read_rows(
    path: Path,
    required: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]],
    dialect: Dialect | None = None,
    bad_rows: text.BadRows | None = None,
) -> Table:
    table = join_tables(path, _reader(path, required, optional, dialect, bad_rows).rows(), required)
    if table is None:
        raise DataError("no rows below the line that names the columns", path)
    return table


def _reader(
    path: Path,
    required: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]],
    dialect: Dialect | None = None,
    bad_rows: text.BadRows | None = None,
) -> TextReader:
    columns = {**required, **optional}
    return TextReader(path, columns, optional, columns, bad_rows, dialect)


def join_tables(path: Path, batches: Iterable[text.Table], shared: Collection[str]) -> Table | None:
    """Concatenate batches of one file or folder; ``None`` without rows.

    Equal texts of the ``shared`` columns become one object.
    """
    memo, values, lines = dict[str, str](), dict[str, list[str]](), list[NDArray[np.int64]]()
    for batch in batches:
        lines.append(np.asarray(batch.lines, dtype=np.int64))
        for name, column in batch.columns.items():
            values.setdefault(name, []).extend(map(memo.setdefault, column, column) if name in shared else column)
    if not lines:
        return None
    return Table(path, {name: _objects(column) for name, column in values.items()}, np.concatenate(lines))


def _objects(values: Sequence[str]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _read_parquet(path: Path, required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]]) -> Table:
    try:
        check_expansion(path, pq.read_metadata(path))
        names = [str(name) for name in pq.read_schema(path).names]
        positions = places_of([name.split(":")[0] for name in names], {**required, **optional}, optional, path)
        table = pq.read_table(path, columns=[names[position] for position in positions.values()])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"is not a readable Parquet file: {shorten(str(error))}", path) from error
    if not table.num_rows:
        raise DataError("the file has no rows", path)
    columns = {name: _cleaned(name, _from_arrow(table.column(names[position]))) for name, position in positions.items()}
    return Table(path, columns, np.arange(1, table.num_rows + 1))


def _cleaned(name: str, values: NDArray[Any]) -> NDArray[Any]:
    return (
        _objects(clean_columns({name: values.tolist()})[name])
        if name in ID_COLUMNS and values.dtype.kind == "O"
        else values
    )


def _from_arrow(column: Any) -> NDArray[Any]:
    """Convert dates to ``datetime64`` and other values to strings; whole floats without ``.0``, null as ``""``."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return np.asarray(column.to_numpy())
    values = column.to_pylist()
    if pa.types.is_floating(kind):
        values = [int(v) if v is not None and float(v).is_integer() else v for v in values]
    return _objects(["" if value is None or value != value else str(value) for value in values])
