"""Reads text tables in batches of columns: tab-separated RecBole files, TSV and CSV, packed or not.

Tab-separated files have no quoting, so a title such as ``"Heroes"`` keeps its quotation marks. As long as their lines
are regular they are split block by block, several times as fast as row by row. CSV follows RFC 4180; the separator is
the comma, semicolon, tab or bar that the header contains most often. Other tables are read with a
:class:`~kptoolkit.storage.dialects.Dialect`. Line numbers are those of an editor. In every table, ids and times are
cleaned of quotation marks and of what else surrounds them (:mod:`kptoolkit.storage.values.cells`).
"""

from __future__ import annotations

import csv
import io
import itertools
from codecs import BOM_UTF8
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

import numpy as np

from kptoolkit.errors import DataError
from kptoolkit.limits import current
from kptoolkit.names import quantity
from kptoolkit.storage.columns import places_of
from kptoolkit.storage.dialects import Dialect, outside_quotes, suffix_of
from kptoolkit.storage.open_files import DAMAGED, LimitedFile, file_failures, limited_lines, open_bytes
from kptoolkit.storage.values.cells import ID_COLUMNS, are_plain, clean_columns, fault_of

BATCH_ROWS = 50_000
BLOCK_BYTES = 1 << 22
_LISTED = 1000
_NOT_TEXT = "not UTF-8 text"
ENCODING_ADVICE = "save the file as UTF-8, or give its encoding, e.g. --encoding latin-1"
_NUL_ADVICE = "save the file as UTF-8, or give its encoding, e.g. --encoding utf-16-le"


@dataclass(frozen=True)
class Table:
    """Some rows of a file.

    Attributes:
        columns: Texts of each column, all of the same length; without optional columns that the file lacks.
        lines: Line number of each row in the file, from 1.
        path: Path of the file, ``""`` when there is none.
        cleaned: Number of ids that were cleaned, see :func:`kptoolkit.storage.values.cells.clean_id`.
    """

    columns: dict[str, list[str]]
    lines: Sequence[int]
    path: str = ""
    cleaned: int = 0

    @classmethod
    def of(cls, columns: dict[str, list[str]], lines: Sequence[int], path: str) -> Table:
        """Create from cells as they are in a file: clean ids and times, and count the ids that were changed."""
        clean = clean_columns(columns)
        changed = [name for name in clean if name in ID_COLUMNS and clean[name] is not columns[name]]
        pairs = (pair for name in changed for pair in zip(columns[name], clean[name], strict=True))
        return cls(clean, lines, path, sum(before != after for before, after in pairs))

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, column: str) -> list[str]:
        return self.columns[column]

    def __contains__(self, column: str) -> bool:
        return column in self.columns


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read."""

    path: str
    line: int
    reason: str


@dataclass
class BadRows:
    """What to do with bad rows: raise an error, or skip, count and list them.

    Attributes:
        skip: Whether to skip them.
        count: Number of skipped rows.
        rows: The first thousand skipped rows.
    """

    skip: bool = False
    count: int = 0
    rows: list[BadRow] = field(default_factory=list)
    _seen: set[tuple[str, int]] = field(default_factory=set, repr=False)

    def add(self, path: str | Path, line: int, reason: str) -> None:
        """Record one bad row; a row that is read again counts once.

        Raises:
            DataError: Bad rows are not skipped.
        """
        if not self.skip:
            raise DataError(f"{reason}; correct it, or skip such rows (--skip-bad-rows)", path, line)
        if (str(path), line) in self._seen:
            return
        self._seen.add((str(path), line))
        self.count += 1
        if len(self.rows) < _LISTED:
            self.rows.append(BadRow(str(path), line, reason))


def clean_table(table: Table, bad_rows: BadRows, may_be_empty: Collection[str] = ()) -> Table:
    """Clean the ids of a table that a reader made, and leave out rows with an id that stands for no value.

    Args:
        table: The table.
        bad_rows: What to do with these rows.
        may_be_empty: Columns whose cells may be empty.
    """
    names = [name for name in table.columns if name in ID_COLUMNS and name not in may_be_empty]
    if all(are_plain(set(table[name])) for name in names):
        return table
    kept = []
    for at, line in enumerate(table.lines):
        fault = next(filter(None, (fault_of(name, table[name][at]) for name in names)), None)
        if fault is None:
            kept.append(at)
        else:
            bad_rows.add(table.path, line, fault)
    columns = {name: [column[at] for at in kept] for name, column in table.columns.items()}
    found = Table.of(columns, [table.lines[at] for at in kept], table.path)
    return replace(found, cleaned=found.cleaned + table.cleaned)


def read_table(
    path: str | Path,
    columns: Mapping[str, Sequence[str]],
    *,
    optional: Collection[str] = (),
    may_be_empty: Collection[str] = (),
    bad_rows: BadRows | None = None,
    dialect: Dialect | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Table]:
    """Read some columns of a table in batches, with :class:`TextReader`: first by blocks, then by rows.

    Args:
        path: File in UTF-8, packed (gzip, bzip2, xz) or not.
        columns: Accepted headers by the name of the column in the result, see :func:`locate`.
        optional: Columns that the file may lack.
        may_be_empty: Columns whose cells may be empty; an empty cell in another column makes a bad row.
        bad_rows: What to do with bad rows; ``None`` raises an error.
        dialect: How the file is written; ``None``: with a header line, as CSV if it is named ``.csv`` or ``.csv.gz``,
            else tab-separated.
        batch_rows: Maximum number of rows per batch.

    Raises:
        DataError: No such file, empty, not UTF-8, cut off, a missing column or a bad row; with file and line.
    """
    reader = TextReader(Path(path), columns, optional, may_be_empty, bad_rows, dialect, batch_rows)
    yield from reader.blocks()
    if not reader.ended:
        yield from reader.rows()


def header_of(path: Path) -> list[str]:
    """Return the column names of a file.

    Raises:
        DataError: The file is empty or cannot be read.
    """
    reader = TextReader(path, {})
    with reader.cells():
        return reader.names


@dataclass
class TextReader:
    """One pass over a text file: :meth:`blocks` for its regular part, then :meth:`rows` for the rest; or rows alone.

    Attributes:
        path: As for :func:`read_table`, like the others up to ``batch_rows``.
        line: Current line, from 1.
        ended: Whether :meth:`blocks` reached the end of the file.
        names: Column names; empty until the header is read.
    """

    path: Path
    columns: Mapping[str, Sequence[str]]
    optional: Collection[str] = ()
    may_be_empty: Collection[str] = ()
    bad_rows: BadRows | None = None
    dialect: Dialect | None = None
    batch_rows: int = BATCH_ROWS
    line: int = field(default=1, init=False)
    ended: bool = field(default=False, init=False)
    names: list[str] = field(default_factory=list, init=False)
    _places: dict[str, int] = field(default_factory=dict, init=False)
    _offset: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._dialect = self.dialect or Dialect(quoted=suffix_of(self.path) == ".csv", separator="\t")

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[Table]:
        """Yield the regular part of a tab-separated file: UTF-8 lines with all cells, required ones not empty.

        Stops before the first block of about ``size`` bytes that has any other line or cannot be read, and yields
        nothing for CSV; :meth:`rows` continues from there.

        Raises:
            DataError: No such file, or a missing column.
        """
        if not self._dialect.in_blocks:
            return
        with self._failures(), open_bytes(self.path) as raw:
            for block in self._read_blocks(raw, size):
                cells = _split(block, len(self.names))
                found = {name: cells[at :: len(self.names)] for name, at in self._places.items()} if cells else {}
                if not cells or not all(name in self.may_be_empty or _sound(name, found[name]) for name in found):
                    return
                lines = range(self.line, self.line + len(cells) // len(self.names))
                self.line, self._offset = lines.stop, self._offset + len(block)
                for at in range(0, len(lines), self.batch_rows):
                    part = slice(at, at + self.batch_rows)
                    yield Table.of({name: column[part] for name, column in found.items()}, lines[part], str(self.path))

    def _read_blocks(self, raw: LimitedFile, size: int) -> Iterator[bytes]:
        """Read the header, then yield blocks of whole lines; ends early if the packed data is damaged."""
        try:
            header = self._mark(raw) if self._dialect.header else raw.readline()
            text = header.decode("utf-8-sig", "surrogateescape").rstrip("\r\n")
            if not text and not self._dialect.header:
                return
            self._take_header(text.split("\t"))
            self.line, self._offset = (1 if self._dialect.header else 2), len(header)
            while block := raw.read(size):
                block += raw.readline()
                if len(block) > current().line_bytes and max(map(len, block.split(b"\n"))) > current().line_bytes:
                    return
                yield block
            self.ended = True
        except DAMAGED:
            return

    @staticmethod
    def _mark(raw: LimitedFile) -> bytes:
        """Read a byte order mark if there is one."""
        if raw.read(len(BOM_UTF8)) == BOM_UTF8:
            return BOM_UTF8
        raw.seek(0)
        return b""

    def rows(self) -> Iterator[Table]:
        """Yield the rest of the file after :meth:`blocks`, row by row; empty lines are skipped.

        Raises:
            DataError: As for :func:`read_table`.
        """
        batch: list[list[str]] = []
        lines: list[int] = []
        with self.cells() as rows:
            required = [(name, at) for name, at in self._places.items() if name not in self.may_be_empty]
            for cells in rows:
                reason = _fault(cells, len(self.names), required)
                if reason is not None:
                    self._add_bad_row(reason)
                    continue
                batch.append(cells)
                lines.append(self.line)
                if len(batch) == self.batch_rows:
                    yield self._table(batch, lines)
                    batch, lines = [], []
        if batch:
            yield self._table(batch, lines)

    @contextmanager
    def cells(self) -> Iterator[Iterator[list[str]]]:
        """Open the file where :meth:`blocks` stopped, and give its rows, bad ones too; reads the header if needed."""
        with self._failures(), open_bytes(self.path) as raw:
            raw.seek(self._offset)
            lines = limited_lines(self._opened(raw), self.path, self.line)
            for _ in range(0 if self._offset else self._dialect.skip):
                next(lines, "")
                self.line += 1
            rows = self._csv_rows(lines) if self._dialect.quoted else self._plain_rows(lines)
            if not self.names:
                self._take_header([] if self._dialect.header else next(rows, None))
            yield rows

    def _opened(self, raw: LimitedFile) -> io.TextIOWrapper:
        encoding, errors = self._dialect.encoding, "strict"
        if encoding == "utf-8":
            encoding, errors = "utf-8" if self._offset else "utf-8-sig", "surrogateescape"
        return io.TextIOWrapper(cast("IO[bytes]", raw), encoding, errors, "" if self._dialect.quoted else "\n")

    def _plain_rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        for text in lines:
            stripped = text.rstrip("\r\n")
            if stripped:
                yield self._dialect.cells(stripped)
            self.line += 1

    def _csv_rows(self, lines: Iterator[str]) -> Iterator[list[str]]:
        first, before = next(lines, ""), self.line - 1
        csv.field_size_limit(current().line_bytes)
        mark = self._dialect.separator if self.dialect else max(",;\t|", key=outside_quotes(first).count)
        escape = "\\" if self._dialect.backslash else None
        reader = csv.reader(itertools.chain([first], lines), delimiter=mark, escapechar=escape, strict=True)
        for cells in reader:
            if cells:
                yield cells
            self.line = before + reader.line_num + 1

    def _take_header(self, cells: list[str] | None) -> None:
        if self._dialect.header:
            self.names = list(self._dialect.header)
            self._places = places_of(self.names, self.columns, self.optional, self.path)
            return
        if cells is None:
            raise DataError("the file is empty; its first line must name the columns", self.path)
        if (reason := _undecodable(cells)) is not None:
            raise DataError(f"{reason}; {_encoding_advice(reason)}", self.path, self.line)
        self.names = [cell.strip() for cell in cells]
        self._places = places_of(self.names, self.columns, self.optional, self.path, self.line)

    def _add_bad_row(self, reason: str) -> None:
        if reason.startswith(_NOT_TEXT) and (self.bad_rows is None or not self.bad_rows.skip):
            raise DataError(f"{reason}; {_encoding_advice(reason)}", self.path, self.line)
        if self.bad_rows is None:
            raise DataError(f"{reason}; correct it", self.path, self.line)
        self.bad_rows.add(self.path, self.line, reason)

    def _table(self, rows: list[list[str]], lines: list[int]) -> Table:
        by_place = list(zip(*rows, strict=True))
        columns = {name: list(by_place[at]) for name, at in self._places.items()}
        return Table.of(columns, lines, str(self.path))

    def _failures(self) -> AbstractContextManager[None]:
        return file_failures(self.path, lambda: self.line)


def _split(block: bytes, width: int) -> list[str] | None:
    """Return the cells of whole lines, line after line; ``None`` unless each line has ``width`` cells in UTF-8."""
    whole = block.replace(b"\r\n", b"\n").removesuffix(b"\n") + b"\n"
    if any(mark in whole for mark in (b"\r", b"\x00", b"\n\n")) or whole.startswith(b"\n"):
        return None
    marks = np.frombuffer(whole, dtype=np.uint8)
    separators = marks[(marks == ord("\t")) | (marks == ord("\n"))]
    if len(separators) % width:
        return None
    ends = (separators == ord("\n")).reshape(-1, width)
    if not ends[:, -1].all() or ends[:, :-1].any():
        return None
    try:
        return whole.decode("utf-8").replace("\n", "\t").split("\t")[:-1]
    except UnicodeDecodeError:
        return None


def _sound(name: str, column: list[str]) -> bool:
    distinct = set(column)
    return are_plain(distinct) or all(fault_of(name, text) is None for text in distinct)


def _fault(cells: list[str], width: int, required: Sequence[tuple[str, int]]) -> str | None:
    """Return why a row is bad, or ``None`` if it is not."""
    if len(cells) != width:
        return f"{quantity(len(cells), 'columns')} instead of {width}"
    for name, at in required:
        if (reason := fault_of(name, cells[at])) is not None:
            return reason
    return _undecodable(cells)


def _encoding_advice(reason: str) -> str:
    return _NUL_ADVICE if "NUL" in reason else ENCODING_ADVICE


def _undecodable(cells: list[str]) -> str | None:
    text = "".join(cells)
    if "\x00" in text:
        return f"{_NOT_TEXT} (it holds NUL bytes)"
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return _NOT_TEXT
    return None
