"""Tables on disk as columns of strings: RecBole atomic files, CSV, TSV, gzip of these, and Parquet.

RecBole files and TSV are split at tabs and know no quotes, so a title such as ``"Heroes"`` keeps its marks; CSV follows
RFC 4180 with a comma, a semicolon or a tab, whichever the header shows. Line numbers are those of an editor.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kptoolkit.errors import DataError, shorten

TAB_SUFFIXES = frozenset({".inter", ".item", ".link", ".ent", ".kg", ".user", ".tsv"})
SUFFIXES = TAB_SUFFIXES | {".csv", ".parquet"}
_CHUNK = 20_000
_BLOCK = 1 << 22
_GZIP_MAGIC = b"\x1f\x8b"
_Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Table:
    """Columns of one file.

    Attributes:
        path: The file.
        columns: Wanted name to values, ``(E,)``; strings, or what Parquet holds for a column read as it is.
            An optional column that the file lacks is missing here.
        lines: ``(E,)`` line of each row, from 1; the row number for Parquet.
    """

    path: Path
    columns: Mapping[str, NDArray[Any]]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)

    def strings(self, name: str) -> NDArray[Any]:
        """A column as strings, none of them empty.

        Raises:
            DataError: A value is empty; the message names the line.
        """
        values = self.columns[name]
        blank = {value for value in set(values) if not value.strip()}
        if blank:
            first = next(row for row, value in enumerate(values) if value in blank)
            raise DataError(f"no {name} in this row", self.path, int(self.lines[first]))
        return values

    def times(self, name: str) -> NDArray[np.float64]:
        """A column as seconds: numbers as they are, ISO 8601 dates since 1970.

        Raises:
            DataError: A value is neither; the message names the line.
        """
        values = self.columns[name]
        if values.dtype.kind == "M":
            found = values.astype("datetime64[ns]")
            seconds = np.where(np.isnat(found), np.nan, found.astype(np.int64) / 1e9)
        else:
            seconds = _numbers(values)
            if len(seconds) and np.isnan(seconds[0]):
                seconds = _dates(values)
        bad = ~np.isfinite(seconds)
        if bad.any():
            first = int(np.argmax(bad))
            given = shorten(str(values[first]))
            raise DataError(f"{name} '{given}' is neither a number nor a date", self.path, int(self.lines[first]))
        return seconds


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(pd.Series(values), errors="coerce"), dtype=np.float64)


def _dates(values: NDArray[Any]) -> NDArray[np.float64]:
    found = pd.to_datetime(pd.Series(values), errors="coerce", format="ISO8601", utc=True)
    seconds = (found - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(seconds, dtype=np.float64)


def suffix_of(path: Path) -> str:
    """The suffix that tells the format, lower case, ``.gz`` aside."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def tables_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of a folder with one of these formats, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in suffixes)


def read_table(
    path: Path, required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]] | None = None
) -> Table:
    """Read the wanted columns of a file.

    Args:
        path: The file; the format follows its suffix, gzip its first bytes.
        required: Name to accepted spellings of columns that must be there.
        optional: The same for columns that may be missing.

    Raises:
        DataError: No such file, an unknown format, a damaged or empty file, wrong encoding, a missing column or a row
            with another number of fields than the header; with file and line.
    """
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        raise DataError(f"unknown format; known: {', '.join(sorted(SUFFIXES))}, and gzip of the text formats", path)
    if not path.is_file():
        raise DataError("no such file", path)
    try:
        if suffix == ".parquet":
            return _read_parquet(path, required, optional or {})
        return _read_text(path, required, optional or {})
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path) from error


def columns_of(path: Path) -> list[str]:
    """Names of a file's columns, without RecBole's types.

    Raises:
        DataError: The file is empty or cannot be read.
    """
    if suffix_of(path) == ".parquet":
        try:
            return [str(name).split(":")[0] for name in pq.read_schema(path).names]
        except pa.ArrowInvalid as error:
            raise DataError("is not a Parquet file", path) from error
    with _rows(path) as rows:
        return _header(path, rows)


def locate(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Position of each wanted column that is there; spellings count in their order, case and ``_`` do not."""
    plain = [_plain(name) for name in names]
    found: dict[str, int] = {}
    for name, spellings in wanted.items():
        position = next((plain.index(_plain(s)) for s in spellings if _plain(s) in plain), None)
        if position is not None:
            found[name] = position
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace(" ", "")


def _positions(
    path: Path, names: Sequence[str], required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    found = locate(names, required)
    missing = [name for name in required if name not in found]
    if missing:
        there = shorten(", ".join(names), 200)
        text = f"no column {' and no column '.join(missing)}; the first line must name the columns, there are: {there}"
        raise DataError(text, path, None if suffix_of(path) == ".parquet" else 1)
    return found | locate(names, optional)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        magic = raw.read(2)
        raw.seek(0)
        if magic != _GZIP_MAGIC:
            yield raw
            return
        with gzip.open(raw, "rb") as unpacked:
            yield unpacked  # type: ignore[misc]


class _Lines:
    """Decoded lines of a file, counted, line ends included."""

    def __init__(self, path: Path, raw: Iterable[bytes]) -> None:
        self.path, self.number, self._raw = path, 0, raw

    def __iter__(self) -> Iterator[str]:
        try:
            for line in self._raw:
                self.number += 1
                text = line.decode("utf-8")
                yield text.removeprefix("\ufeff") if self.number == 1 else text
        except UnicodeDecodeError as error:
            raise DataError("is not UTF-8 text; save the file as UTF-8", self.path, self.number) from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            text = "the gzip file ends too early or is damaged; fetch or pack it again"
            raise DataError(text, self.path, self.number + 1) from error


@contextmanager
def _rows(path: Path) -> Iterator[Iterator[_Row]]:
    """Rows with the line they begin on, blank lines left out; the header first."""
    with _opened(path) as raw:
        lines = _Lines(path, raw)
        yield _csv_rows(lines) if suffix_of(path) == ".csv" else _tab_rows(lines)


def _tab_rows(lines: _Lines) -> Iterator[_Row]:
    for line in lines:
        text = line.rstrip("\r\n")
        if text:
            yield lines.number, text.split("\t")


def _csv_rows(lines: _Lines) -> Iterator[_Row]:
    texts = iter(lines)
    first = next(texts, None)
    if first is None:
        return
    delimiter = max(",;\t", key=first.count)
    begin = 1
    reader = csv.reader(_chain(first, texts), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield begin, row
            begin = lines.number + 1
    except csv.Error as error:
        raise DataError(f"is not CSV: {error}", lines.path, begin) from error


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _header(path: Path, rows: Iterator[_Row]) -> list[str]:
    first = next(rows, None)
    if first is None:
        raise DataError("the file is empty; its first line must name the columns", path)
    return [name.split(":")[0].strip() for name in first[1]]


def _read_text(path: Path, required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]]) -> Table:
    regular = None if suffix_of(path) == ".csv" else _read_regular(path, required, optional)
    return regular or _read_rows(path, required, optional)


def _read_regular(
    path: Path, required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]]
) -> Table | None:
    """A tab-separated file in which every line has every field, split block by block; ``None`` for any other.

    Several times as fast as row by row; what is wrong with other files is left to :func:`_read_rows` to find and name.
    """
    rows, memo = 0, dict[str, str]()
    try:
        with _opened(path) as raw:
            names = _header(path, _tab_rows(_Lines(path, iter([raw.readline()]))))
            positions = _positions(path, names, required, optional)
            values: dict[str, list[str]] = {name: [] for name in positions}
            while lines := raw.readlines(_BLOCK):
                block = b"".join(lines).replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
                if not _is_regular(block, len(names)):
                    return None
                cells = block.decode("utf-8").replace("\n", "\t").split("\t")[:-1]
                rows += len(cells) // len(names)
                for name, position in positions.items():
                    column = cells[position :: len(names)]
                    values[name].extend(map(memo.setdefault, column, column) if name in required else column)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error):
        return None
    if not rows:
        return None
    return Table(path, {name: _objects(column) for name, column in values.items()}, np.arange(2, rows + 2))


def _is_regular(block: bytes, width: int) -> bool:
    """Whether the separators of whole lines are ``width - 1`` tabs and a line end, over and over."""
    marks = np.frombuffer(block, dtype=np.uint8)
    separators = marks[(marks == ord("\t")) | (marks == ord("\n"))]
    if len(separators) % width or b"\r" in block:
        return False
    ends = (separators == ord("\n")).reshape(-1, width)
    return bool(ends[:, -1].all()) and not bool(ends[:, :-1].any())


def _read_rows(path: Path, required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]]) -> Table:
    memo: dict[str, str] = {}
    lines: list[NDArray[np.int64]] = []
    with _rows(path) as rows:
        names = _header(path, rows)
        positions = _positions(path, names, required, optional)
        values: dict[str, list[str]] = {name: [] for name in positions}
        while chunk := list(islice(rows, _CHUNK)):
            lines.append(np.array([number for number, _ in chunk], dtype=np.int64))
            _check_widths(path, chunk, len(names))
            for name, position in positions.items():
                values[name].extend([memo.setdefault(row[position], row[position]) for _, row in chunk])
    if not lines:
        raise DataError("no rows below the line that names the columns", path)
    columns = {name: _objects(column) for name, column in values.items()}
    return Table(path, columns, np.concatenate(lines))


def _check_widths(path: Path, chunk: list[_Row], width: int) -> None:
    for number, row in chunk:
        if len(row) != width:
            raise DataError(f"{len(row)} fields where the first line names {width} columns", path, number)


def _objects(values: Sequence[str]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _read_parquet(path: Path, required: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]]) -> Table:
    try:
        names = [str(name) for name in pq.read_schema(path).names]
        positions = _positions(path, [name.split(":")[0] for name in names], required, optional)
        table = pq.read_table(path, columns=[names[position] for position in positions.values()])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"is not a readable Parquet file: {shorten(str(error))}", path) from error
    if not table.num_rows:
        raise DataError("the file has no rows", path)
    columns = {name: _from_arrow(table.column(names[position])) for name, position in positions.items()}
    return Table(path, columns, np.arange(1, table.num_rows + 1))


def _from_arrow(column: Any) -> NDArray[Any]:
    """Dates as ``datetime64``, everything else as strings; whole floats without ``.0``, null as ``""``."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return np.asarray(column.cast(pa.timestamp("ns")).to_numpy())
    values = column.to_pylist()
    if pa.types.is_floating(kind):
        values = [int(v) if v is not None and float(v).is_integer() else v for v in values]
    return _objects(["" if value is None or value != value else str(value) for value in values])
