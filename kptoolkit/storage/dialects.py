"""How a text table is written: separator, quoting, header line, encoding; and the options with which a user says so."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from kptoolkit.errors import ConfigError, shorten
from kptoolkit.storage.open_files import PACKED_SUFFIXES, file_failures, open_bytes

_PROBE = 1 << 16
"""Bytes of a file that are looked at to recognize its layout."""
_SHOWN = 3
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_QUOTED_CELL = re.compile(r'(?:(?<=\t)|(?<=^))"(?:[^"]|"")*"(?=\t|$)')
_OPEN_CELL = re.compile(r'(?:^|\t)"')
_DATE_PARTS = ("%d", "%j", "%m", "%b", "%B", "%Y", "%y", "%x", "%c", "%D", "%F", "%U", "%W", "%V")
TAB_SUFFIXES = frozenset({".inter", ".item", ".link", ".ent", ".kg", ".user", ".tsv"})
"""Endings of files that are tab-separated whatever their first line is."""
ROLES = ("head", "relation", "tail", "entity", "name", "item", "title", "user", "time", "rating")


@dataclass(frozen=True)
class Dialect:
    """How the rows of a text table are written.

    Attributes:
        separator: What separates two cells; ``""`` means any number of spaces and tabs.
        quoted: Whether cells may be quoted as in CSV.
        header: Names of the columns, for a file without a header line.
        skip: Lines before the first row, or before the header line.
        encoding: Encoding of the text.
        backslash: Whether a backslash makes a quotation mark part of a cell.
    """

    separator: str = "\t"
    quoted: bool = False
    header: tuple[str, ...] = ()
    skip: int = 0
    encoding: str = "utf-8"
    backslash: bool = False

    @property
    def in_blocks(self) -> bool:
        """Whether the file is plain tab-separated UTF-8, which is read block by block."""
        return self.separator == "\t" and not self.quoted and not self.skip and self.encoding == "utf-8"

    def cells(self, line: str) -> list[str]:
        """Divide a line into cells; a quoted cell may not contain a line break here."""
        if self.quoted:
            return _csv_cells(line, self.separator, "\\" if self.backslash else None)
        return line.split(self.separator) if self.separator else line.split()


def _csv_cells(line: str, separator: str, escape: str | None) -> list[str]:
    """Divide a line of CSV into cells, whatever the limit of a cell is; at the separators if it is no CSV."""
    longest = csv.field_size_limit(len(line) + 1)
    try:
        return next(csv.reader([line], delimiter=separator, escapechar=escape), [])
    except csv.Error:
        return line.split(separator)
    finally:
        csv.field_size_limit(longest)


@dataclass(frozen=True)
class Reading:
    """What a user says about files; all of it is optional.

    Attributes:
        columns: Header, or number from 1, of a column by role, see :data:`ROLES`.
        encoding: Encoding of text files, e.g. ``"latin-1"``; ``None`` finds UTF-8 and UTF-16.
        split: Separator of several values in the tail of a triple, e.g. ``"|"``; ``""`` leaves tails as they are.
        date_format: Form of dates, as for ``strptime``, e.g. ``"%d.%m.%Y"``; ``""`` for ISO 8601.
        skip_bad_rows: Whether bad rows of interactions are left out and counted.
        min_rating: Lowest rating of events that are read; ``None`` reads all.
        counts_ratings: Whether ratings are counted although they are not used.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    split: str = ""
    date_format: str = ""
    skip_bad_rows: bool = False
    min_rating: float | None = None
    counts_ratings: bool = False

    def __post_init__(self) -> None:
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError as error:
                said = f"--encoding {shorten(self.encoding)}: no such encoding; try latin-1 or utf-16"
                raise ConfigError(said) from error
        if self.date_format and "%" not in self.date_format:
            said = f"--date-format {shorten(self.date_format)}: write day, month and year as %d, %m, %Y"
            raise ConfigError(f"{said}, e.g. --date-format %d.%m.%Y")
        if self.date_format and not any(part in self.date_format for part in _DATE_PARTS):
            said = f"--date-format {shorten(self.date_format)} has no date; a date in a column of its own is read with"
            raise ConfigError(f"{said} its time of day if they are called date and time; else --columns time=HEADER")

    @classmethod
    def of(
        cls,
        columns: str | None = None,
        encoding: str | None = None,
        split: str | None = None,
        date_format: str | None = None,
    ) -> Reading:
        """Create from the texts of options.

        Args:
            columns: ``"item=track_id,user=3"``, or ``None``.
            encoding: As the attribute.
            split: As the attribute, ``None`` for ``""``.
            date_format: As the attribute, ``None`` for ``""``.

        Raises:
            ConfigError: ``columns`` is not written like that or names another role, or there is no such encoding.
        """
        found: dict[str, str] = {}
        for part in (columns or "").split(","):
            role, equals, name = (text.strip() for text in part.partition("="))
            role = role.removesuffix("_id")
            role = "time" if role == "timestamp" else role
            if not part.strip():
                continue
            if not equals or not name or role not in ROLES or role in found:
                said = f"--columns {shorten(part)}: write ROLE=COLUMN,…, each role once"
                raise ConfigError(f"{said}; roles are {', '.join(ROLES)}")
            found[role] = name
        return cls(found, encoding or None, split or "", date_format or "")

    @property
    def has_ratings(self) -> bool:
        """Whether the ratings of events are read."""
        return self.counts_ratings or self.min_rating is not None

    def spellings(self, wanted: Mapping[str, Sequence[str]], *, usual_too: bool = False) -> dict[str, Sequence[str]]:
        """Return accepted headers by column.

        Args:
            wanted: The usual headers by column.
            usual_too: Whether they are accepted, after the given one, where :attr:`columns` has the role.
        """
        return {
            name: (self.columns[role_of(name)], *(spellings if usual_too else ()))
            if role_of(name) in self.columns
            else spellings
            for name, spellings in wanted.items()
        }

    def numbered(self, wanted: Mapping[str, Sequence[str]]) -> bool:
        """Return whether :attr:`columns` gives numbers for these columns: the file then has no header line."""
        given = [self.columns[role_of(name)] for name in wanted if role_of(name) in self.columns]
        return bool(given) and all(name.isdecimal() for name in given)


def role_of(column: str) -> str:
    """Return the role of a column for :attr:`Reading.columns`, e.g. ``item`` of ``item_id``."""
    return "time" if column == "timestamp" else column.removesuffix("_id")


@dataclass(frozen=True)
class Sample:
    """The beginning of a text file.

    Attributes:
        path: The file.
        lines: Its first lines, without line breaks and without the last one if it is incomplete.
        encoding: The encoding in which they were read.
    """

    path: Path
    lines: tuple[str, ...]
    encoding: str

    @classmethod
    def read(cls, path: Path, encoding: str | None = None) -> Sample:
        """Read the first 64 KiB of a file, packed or not.

        Args:
            path: The file.
            encoding: Its encoding; ``None`` finds UTF-16 by its byte order mark, else assumes UTF-8.

        Raises:
            DataError: It cannot be read.
        """
        start, whole = first_bytes(path)
        found = encoding or ("utf-16" if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8")
        utf8 = codecs.lookup(found).name == "utf-8"
        text = start.decode("utf-8-sig" if utf8 else found, "surrogateescape" if utf8 else "replace")
        lines = text.splitlines() if "\n" not in text else text.split("\n")
        if not whole and len(lines) > 1:
            lines = lines[:-1]
        return cls(path, tuple(line.rstrip("\r") for line in lines), "utf-8" if utf8 else found)

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The lines that are not empty."""
        return tuple(line for line in self.lines if line.strip())

    @property
    def first(self) -> str:
        """The first line that is not empty, ``""`` without one."""
        return self.filled[0] if self.filled else ""

    def rows(self, dialect: Dialect) -> list[list[str]]:
        """Return the cells of the first lines, without those that the dialect skips."""
        return [dialect.cells(line) for line in self.lines[dialect.skip :] if line.strip()]

    def dialect(self, csv: bool | None = None) -> Dialect:
        """Return the dialect that the name and the first line suggest; the file is assumed to have a header line.

        Args:
            csv: Whether the file is CSV; ``None`` means files named ``.csv`` and ``.csv.gz``.
        """
        found = Dialect(encoding=self.encoding, quoted=suffix_of(self.path) == ".csv" if csv is None else csv)
        for number, line in enumerate(self.lines):
            if self._is_comment(line, number):
                found = replace(found, skip=number + 1)
            elif line.strip():
                break
        first = next((line for line in self.lines[found.skip :] if line.strip()), "")
        outside = outside_quotes(first)
        if found.quoted:
            mark = max(",;\t|", key=outside.count)
            return replace(found, separator=mark, backslash=self._has_backslash_quotes(mark))
        if suffix_of(self.path) not in TAB_SUFFIXES and "\t" not in first:
            marks = [mark for line in (outside, first) for mark in ("::", ";", "|", ",") if mark in line]
            mark = next(iter(marks), "" if " " in first else "\t")
            return replace(found, separator=mark, quoted=mark in (";", ","))
        recbole = suffix_of(self.path) in TAB_SUFFIXES - {".tsv"}
        return found if recbole else replace(found, quoted=self._has_quoted_cells(found))

    def _has_quoted_cells(self, plain: Dialect) -> bool:
        """Return whether cells between tabs are quoted as in CSV: each is whole, and some have ``""`` or a tab inside.

        Programs write a title such as ``"Heroes"`` in the same way, so that quotation marks alone say nothing.
        """
        lines = [line for line in self.lines[plain.skip :] if line.strip()]
        cells = [cell for line in lines for cell in _QUOTED_CELL.findall(line)]
        if not any('""' in cell[1:-1] or "\t" in cell for cell in cells):
            return False
        quoted = replace(plain, quoted=True)
        whole = not any(_OPEN_CELL.search(_QUOTED_CELL.sub("", line)) for line in lines)
        return whole and len({len(quoted.cells(line)) for line in lines}) == 1

    @staticmethod
    def _is_comment(line: str, number: int) -> bool:
        return (line.startswith("# ") and "\t" not in line) or (
            number == 0 and line.lower().startswith("sep=") and len(line.strip()) == 5
        )

    def _has_backslash_quotes(self, mark: str) -> bool:
        """Return whether a quotation mark after a backslash is neither the end of a cell nor doubled."""
        inside = re.compile(rf'\\"(?!"|\s*(?:{re.escape(mark)}|$))')
        return any(map(inside.search, self.filled))

    def shown(self) -> str:
        """Return the first three lines for a message."""
        lines = [
            f"{number}: {shorten(line, 100)}" for number, line in enumerate(self.lines[:_SHOWN], 1) if line.strip()
        ]
        return f"its first lines are {' / '.join(lines)}" if lines else "its first lines are empty"


def outside_quotes(line: str) -> str:
    """Return a line without what is between quotation marks."""
    return _QUOTED.sub("", line)


def first_bytes(path: Path, size: int = _PROBE) -> tuple[bytes, bool]:
    """Return the first bytes of a file, unpacked, and whether that is all of it.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    with file_failures(path, lambda: None), open_bytes(path) as content:
        found = content.read(size)
        return found, len(found) < size


def unpacked_name(path: Path) -> str:
    """Return the name of a file in lower case without the ending of a packed file."""
    name = path.name.lower()
    return next((name.removesuffix(suffix) for suffix in PACKED_SUFFIXES if name.endswith(suffix)), name)


def suffix_of(path: Path) -> str:
    """Return the suffix of a file name in lower case, without that of a packed file."""
    return Path(unpacked_name(path)).suffix


def in_split_order(paths: Sequence[Path]) -> list[Path]:
    """Return the files of a split in the order of time: ``.train``, ``.valid``, ``.test``; others come first."""
    order = {".train": 1, ".valid": 2, ".test": 3}
    return sorted(paths, key=lambda path: (order.get(Path(Path(unpacked_name(path)).stem).suffix, 0), path))
