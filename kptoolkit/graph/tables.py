"""Reads tables: tab-separated RecBole files, TSV and CSV, gzip of each, in batches of columns."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kptoolkit.errors import DataError, shorten

BATCH_ROWS = 50_000
_LISTED = 1000
_GZIP = b"\x1f\x8b"

#: Column -> the headers taken for it, compared without case and underscores; RecBole's ``:type`` is cut off first.
TRIPLE_COLUMNS: Mapping[str, Sequence[str]] = {
    "head": ("head_id", "head", "h", "subject", "subject_id", "source", "head_entity"),
    "relation": ("relation_id", "relation", "r", "rel", "predicate", "predicate_id", "relation_type"),
    "tail": ("tail_id", "tail", "t", "object", "object_id", "target", "tail_entity"),
}
NAME_COLUMNS: Mapping[str, Sequence[str]] = {
    "entity_id": ("entity_id", "entity", "id"),
    "name": ("name", "entity_name", "label", "title"),
}
LINK_COLUMNS: Mapping[str, Sequence[str]] = {
    "item_id": ("item_id", "item"),
    "entity_id": ("entity_id", "entity"),
}
ITEM_COLUMNS: Mapping[str, Sequence[str]] = {
    "item_id": ("item_id", "item", "id"),
    "title": ("title", "name", "item_name", "movie_title", "book_title", "track_title", "artist_name"),
}
INTERACTION_COLUMNS: Mapping[str, Sequence[str]] = {
    "user_id": ("user_id", "user", "uid"),
    "item_id": ("item_id", "item", "iid"),
    "time": ("timestamp", "time", "ts", "date"),
    "rating": ("rating", "score", "label", "weight"),
}


@dataclass(frozen=True)
class Table:
    """Some rows of a file.

    Attributes:
        columns: One list of texts a column, all of the same length; an optional column that the file lacks is absent.
        lines: Line number in the file of each row, from 1.
        path: The file, ``""`` when there is none.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    path: str = ""

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
    """What to do with bad rows: raise, or skip, count and list them.

    Attributes:
        skip: Whether to go on.
        count: Rows skipped.
        rows: The first thousand of them.
    """

    skip: bool = False
    count: int = 0
    rows: list[BadRow] = field(default_factory=list)

    def add(self, path: str | Path, line: int, reason: str) -> None:
        """Note one bad row.

        Raises:
            DataError: Bad rows are not to be skipped.
        """
        if not self.skip:
            raise DataError(f"{reason}; correct it, or skip such rows (--skip-bad-rows)", path, line)
        self.count += 1
        if len(self.rows) < _LISTED:
            self.rows.append(BadRow(str(path), line, reason))


def read_table(
    path: str | Path,
    columns: Mapping[str, Sequence[str]],
    *,
    optional: Collection[str] = (),
    may_be_empty: Collection[str] = (),
    bad_rows: BadRows | None = None,
    comma: bool | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[Table]:
    """Read some columns of a table, batch by batch.

    A comma-separated file may quote its cells, and separate them by semicolons if its header has no comma; in a
    tab-separated one quotes are ordinary characters. Empty lines are passed over.

    Args:
        path: File, UTF-8, gzip or not.
        columns: Name in the result -> headers taken for it, compared without case and underscores
            and without RecBole's ``:type``.
        optional: Columns the file may lack.
        may_be_empty: Columns whose cells may be empty; an empty cell elsewhere makes a bad row.
        bad_rows: What to do with bad rows; ``None`` raises.
        comma: Whether cells are separated by commas; ``None`` says so of files named ``.csv`` and ``.csv.gz``.
        batch_rows: Rows of one batch.

    Raises:
        DataError: No such file, empty, not UTF-8, truncated gzip, a missing column or a bad row; with file and line.
    """
    path = Path(path)
    if comma is None:
        comma = [suffix for suffix in path.suffixes if suffix.lower() != ".gz"][-1:] == [".csv"]
    return _Reader(path, columns, optional, may_be_empty, bad_rows or BadRows(), batch_rows, comma).batches()


@dataclass
class _Reader:
    path: Path
    columns: Mapping[str, Sequence[str]]
    optional: Collection[str]
    may_be_empty: Collection[str]
    bad_rows: BadRows
    batch_rows: int
    comma: bool
    line: int = 0

    def batches(self) -> Iterator[Table]:
        """The batches, with the failures of the file worded."""
        try:
            with _open(self.path, "" if self.comma else "\n") as file:
                yield from self._read(file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                "the gzip data ends early or is damaged; fetch the file again", self.path, self.line + 1
            ) from error
        except csv.Error as error:
            raise DataError(f"not a CSV row: {error}", self.path, self.line + 1) from error
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}", self.path) from error

    def _read(self, file: IO[str]) -> Iterator[Table]:
        rows = self._rows(file)
        header = next(rows, None)
        if header is None:
            raise DataError("is empty; a header line and rows are needed", self.path)
        if (reason := _undecodable(header)) is not None:
            raise DataError(f"{reason}; save the file as UTF-8", self.path, self.line)
        places = self._places(header)
        required = [(name, at) for name, at in places.items() if name not in self.may_be_empty]
        kept: list[list[str]] = []
        lines: list[int] = []
        for cells in rows:
            reason = _wrong(cells, len(header), required)
            if reason is not None:
                self.bad_rows.add(self.path, self.line, reason)
                continue
            kept.append(cells)
            lines.append(self.line)
            if len(kept) == self.batch_rows:
                yield _table(kept, lines, places, self.path)
                kept, lines = [], []
        if kept:
            yield _table(kept, lines, places, self.path)

    def _rows(self, file: IO[str]) -> Iterator[list[str]]:
        if self.comma:
            first = file.readline()
            mark = ";" if ";" in first and "," not in first else ","
            reader = csv.reader(itertools.chain([first], file), delimiter=mark, strict=True)
            for cells in reader:
                self.line = reader.line_num
                if cells:
                    yield cells
            return
        for text in file:
            self.line += 1
            stripped = text.rstrip("\r\n")
            if stripped:
                yield stripped.split("\t")

    def _places(self, header: list[str]) -> dict[str, int]:
        known = [_plain(cell.split(":")[0]) for cell in header]
        places = {}
        for name, spellings in self.columns.items():
            found = next((known.index(plain) for plain in map(_plain, spellings) if plain in known), None)
            if found is not None:
                places[name] = found
            elif name not in self.optional:
                raise DataError(
                    f"no column for '{name}' (header: {shorten(', '.join(header), 200)}); call it one of "
                    f"{', '.join(spellings)}",
                    self.path,
                    self.line,
                )
        return places


def _plain(header: str) -> str:
    """A header without case, spaces, underscores and hyphens: ``headId`` is ``head_id``."""
    return "".join(c for c in header.casefold() if c not in " _-\t")


def _open(path: Path, newline: str) -> IO[str]:
    if path.is_dir():
        raise DataError("is a folder; a file is needed", path)
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == _GZIP
    except FileNotFoundError as error:
        raise DataError("no such file", path) from error
    raw = gzip.GzipFile(path) if packed else path.open("rb")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _table(rows: list[list[str]], lines: list[int], places: Mapping[str, int], path: Path) -> Table:
    by_place = list(zip(*rows, strict=True))
    return Table({name: list(by_place[at]) for name, at in places.items()}, lines, str(path))


def _wrong(cells: list[str], width: int, required: Sequence[tuple[str, int]]) -> str | None:
    """Why a row is bad, or ``None``."""
    if len(cells) != width:
        return f"{len(cells)} columns instead of {width}"
    for name, at in required:
        if not cells[at].strip():
            return f"the {name} is empty"
    return _undecodable(cells)


def _undecodable(cells: list[str]) -> str | None:
    for cell in cells:
        if "\x00" in cell:
            return "not UTF-8 text (it holds NUL bytes)"
        if not cell.isascii():
            try:
                cell.encode("utf-8")
            except UnicodeEncodeError:
                return "not UTF-8 text"
    return None
