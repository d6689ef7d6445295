"""Reads files in blocks of one item each, as those of the Netflix Prize: ``1:``, then ``user,rating,date`` per line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.dialects import Dialect, Reading, Sample, suffix_of
from kptoolkit.storage.text_tables import BATCH_ROWS, Table, TextReader

_ITEM = re.compile(r"(\w+):\s*")
_EVENT = re.compile(r"(\w+),\d+(?:\.\d+)?,(\d{4}-\d\d-\d\d)\s*")
_LINES = Dialect("\t", header=("line",))
_LOOKED_AT = 20


def is_item_blocks(path: Path, reading: Reading) -> bool:
    """Return whether a file has this layout, by its first lines."""
    if suffix_of(path) not in (".txt", ".data", ".dat") or reading.columns:
        return False
    lines = Sample.read(path, reading.encoding).filled[:_LOOKED_AT]
    known = all(_EVENT.fullmatch(line) or _ITEM.fullmatch(line) for line in lines)
    return len(lines) > 1 and known and _ITEM.fullmatch(lines[0]) is not None


def read_item_blocks(path: Path) -> Iterator[Table]:
    """Yield the columns ``user_id``, ``item_id`` and ``time``.

    Raises:
        DataError: The file cannot be read, or a line is neither an item nor an event; with its number.
    """
    item = ""
    rows: list[tuple[str, str, str]] = []
    lines: list[int] = []
    reader = TextReader(path, {}, dialect=_LINES)
    with reader.cells() as found:
        for text, *_ in found:
            event, block = _EVENT.fullmatch(text), _ITEM.fullmatch(text)
            if event is not None and item:
                rows.append((event[1], item, event[2]))
                lines.append(reader.line)
            elif block is not None:
                item = block[1]
            else:
                said = f"neither ITEM: nor USER,RATING,YEAR-MONTH-DAY: {shorten(text, 40)}; correct it"
                raise DataError(said, path, reader.line)
            if len(lines) == BATCH_ROWS:
                yield _table(path, rows, lines)
                rows, lines = [], []
    if lines:
        yield _table(path, rows, lines)


def _table(path: Path, rows: list[tuple[str, str, str]], lines: list[int]) -> Table:
    users, items, times = (list(column) for column in zip(*rows, strict=True))
    return Table({"user_id": users, "item_id": items, "time": times}, lines, str(path))
