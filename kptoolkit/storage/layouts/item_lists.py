"""Reads files whose lines are a user and then the items of that user, oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from kptoolkit.storage.dialects import Dialect
from kptoolkit.storage.text_tables import BATCH_ROWS, BadRows, Table, TextReader


def read_item_lists(
    path: Path,
    bad_rows: BadRows | None = None,
    users: Mapping[str, str] | None = None,
    items: Mapping[str, str] | None = None,
    *,
    counted: bool = False,
) -> Iterator[Table]:
    """Yield the columns ``user_id`` and ``item_id`` of a file, one row per item.

    Args:
        path: The file: a user and any number of items per line, separated by spaces.
        bad_rows: What to do with lines that have an item that is not in ``items``; ``None`` raises an error.
        users: Id of each user in the file; others keep what the file has.
        items: Id of each item in the file; ``None`` keeps what the file has.
        counted: Whether a line begins with the number of its items: then the user is the number of the line.

    Raises:
        DataError: The file cannot be read, or an item is not listed; with file and line.
    """
    bad = bad_rows or BadRows()
    reader = TextReader(path, {}, dialect=Dialect("", header=("user_id",)))
    columns: dict[str, list[str]] = {"user_id": [], "item_id": []}
    lines: list[int] = []
    with reader.cells() as rows:
        for first, *row in rows:
            user = str(reader.line) if counted else first
            unknown = next((item for item in row if items is not None and item not in items), None)
            if unknown is not None:
                bad.add(path, reader.line, f"the item '{unknown}' is not in the list of ids")
                continue
            columns["user_id"] += [user if users is None else users.get(user, user)] * len(row)
            columns["item_id"] += row if items is None else [items[item] for item in row]
            lines += [reader.line] * len(row)
            if len(lines) >= BATCH_ROWS:
                yield Table(columns, lines, str(path))
                columns, lines = {"user_id": [], "item_id": []}, []
    if lines:
        yield Table(columns, lines, str(path))
