"""Reads events from whatever layout they have: a table, JSON lines, a list of items per user, or a split in files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import DataConfig
from kptoolkit.data.tables import Table, join_tables, read_recognized, read_table, tables_in
from kptoolkit.errors import DataError, shorten
from kptoolkit.graph import folder_reader
from kptoolkit.graph.sources.json_readers.playlists import Playlists
from kptoolkit.graph.sources.layouts import whole_layouts
from kptoolkit.graph.sources.readers.kgat import KgatFolder
from kptoolkit.names import quantity
from kptoolkit.storage import text_tables as text
from kptoolkit.storage.columns import INTERACTION_COLUMNS, locate
from kptoolkit.storage.dialects import Dialect, Reading, Sample, in_split_order, suffix_of
from kptoolkit.storage.layouts.item_blocks import is_item_blocks, read_item_blocks
from kptoolkit.storage.layouts.item_lists import read_item_lists
from kptoolkit.storage.layouts.json_events import JsonEvents
from kptoolkit.storage.layouts.json_rows import JSON_SUFFIXES
from kptoolkit.storage.layouts.order_tables import ORDER_TIMES, OrderTables, order_tables
from kptoolkit.storage.layouts.table_layouts import COLUMNS, header_cells, recognize_table

#: Endings of files that may have events.
EVENT_SUFFIXES = (".csv", ".tsv", ".parquet", ".txt", ".dat", ".data", *sorted(JSON_SUFFIXES))
_SPLIT = (".train.inter", ".valid.inter", ".test.inter")
_LIST = {"items": ("item_id_list", "prev_items"), "item_id": ("item_id", "next_item")}
_QUOTED = re.compile(r"[^\s,'\"\[\]]+")
"""Items of a list such as ``['B09' 'B08']``, with or without commas."""
_BLOCKS = "blocks of one item each, as those of the Netflix Prize: ITEM:, then USER,RATING,DATE"


@dataclass(frozen=True)
class EventTable:
    """Events as read.

    Attributes:
        path: The file or folder.
        table: Columns ``user_id``, ``item_id`` and, if there are times, ``timestamp``.
        layout: What was recognized; ``""`` for the usual header line.
    """

    path: Path
    table: Table
    layout: str = ""


def reading_of(settings: DataConfig) -> Reading:
    """Return what ``[data]`` says about columns, encoding and dates.

    Raises:
        ConfigError: ``columns``, ``encoding`` or ``date_format`` is wrong.
    """
    found = Reading.of(settings.columns, settings.encoding, date_format=settings.date_format)
    return replace(found, skip_bad_rows=settings.skip_bad_rows, min_rating=settings.min_rating)


def split_files(folder: Path) -> list[Path]:
    """Return the files of RecBole's split of one data set, in the order of time; empty if the folder has none."""
    found = [path for path in folder.iterdir() if path.name.lower().removesuffix(".gz").endswith(_SPLIT)]
    names = {path.name.lower().removesuffix(".gz").rsplit(".", 2)[0] for path in found}
    whole = any(suffix_of(path) == ".inter" and path not in found for path in folder.iterdir())
    return in_split_order(found) if len(names) == 1 and len(found) > 1 and not whole else []


def read_folder_events(folder: Path, reading: Reading) -> EventTable | None:
    """Read the events of a folder in a layout of its own, ``None`` if it has no such layout.

    Raises:
        DataError: A file is wrong; with file and line.
    """
    reader = folder_reader(folder, reading=reading)
    if reader is not None:
        found = join_tables(folder, _named(reader.interactions()), ("user_id", "item_id"))
        return None if found is None else EventTable(folder, found, reader.said)
    if files := split_files(folder):
        said = f"a split by RecBole: {', '.join(file.name for file in files)} as one set of events"
        return _joined(folder, files, reading, f"{said}, split again by data.split")
    if blocks := block_files(folder, reading):
        shown = f"{blocks[0].name} to {blocks[-1].name}" if len(blocks) > 1 else blocks[0].name
        return _joined(folder, blocks, reading, f"{_BLOCKS} ({shown})")
    orders = None if _has_own_events(folder, reading) else order_tables(folder, reading)
    return None if orders is None else EventTable(folder, read_joined(orders, folder, reading), orders.said)


def users_said(folder: Path, reading: Reading) -> str:
    """Return the option for a table of a folder that has users and no known column of items; "" without one."""
    for path in tables_in(folder, (".csv", ".tsv", ".dat", ".txt")) if folder.is_dir() else ():
        names = header_cells(path, reading)
        if names and locate(names, _required(reading)).keys() == {"user_id"}:
            try:
                recognize_table(path, "interactions", reading)
            except DataError as error:
                return f"; {error}"
    return ""


def block_files(folder: Path, reading: Reading) -> list[Path]:
    """Return the files of a folder with the events of one item after the other, as those of the Netflix Prize."""
    if any(suffix_of(path) == ".inter" for path in folder.iterdir()):
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and is_item_blocks(path, reading))


def event_files_of(folder: Path, reading: Reading) -> list[Path]:
    """Return the files of a folder whose events are read as one, as :func:`read_folder_events` does."""
    orders = order_tables(folder, reading)
    joined = [] if orders is None else [orders.orders, *orders.lines]
    return split_files(folder) or block_files(folder, reading) or joined


def _has_own_events(folder: Path, reading: Reading) -> bool:
    files = tables_in(folder, (".inter", *EVENT_SUFFIXES))
    return any(suffix_of(path) == ".inter" or has_events(path, reading) for path in files)


def _joined(folder: Path, files: Sequence[Path], reading: Reading, said: str) -> EventTable:
    """Read several files of events as one."""
    parts = [read_file_events(file, reading) for file in files]
    names = set.intersection(*(set(part.table.columns) for part in parts))
    columns = {name: np.concatenate([part.table.columns[name] for part in parts]) for name in names}
    lines = np.concatenate([part.table.lines for part in parts])
    return EventTable(folder, Table(folder, columns, lines), said)


def read_file_events(path: Path, reading: Reading) -> EventTable:
    """Read the events of a file.

    Raises:
        DataError: It is wrong or not recognized; with file and line.
    """
    if suffix_of(path) in JSON_SUFFIXES and Playlists.matches(path):
        slices = Playlists(path, reading=reading)
        return EventTable(path, _whole(path, _named(slices.interactions())), slices.said)
    if suffix_of(path) in JSON_SUFFIXES:
        found = JsonEvents.find(path, reading)
        return EventTable(path, _whole(path, _named(found.tables())), found.said)
    if is_item_blocks(path, reading):
        return EventTable(path, _whole(path, _named(read_item_blocks(path))), _BLOCKS)
    if is_user_lists(path, reading):
        known = KgatFolder.matches(path.parent)
        counted = not known and _are_counted(path, reading)
        tables = KgatFolder(path.parent).events_of(path) if known else read_item_lists(path, counted=counted)
        said = "one user per line, then the items" + ", with the ids of KGAT next to it" * known
        said = "the number of items of a user, then the items; users are called by their lines" if counted else said
        return EventTable(path, _whole(path, _named(tables)), said)
    if is_item_lists(path, reading):
        tables = read_sequences(path, reading)
        said = "a sequence of items per row, then the next item; repeats are left out"
        return EventTable(path, _whole(path, tables), said)
    with whole_layouts(path), _whole_orders(path, reading):
        table, said, only_positive = read_recognized(path, "interactions", reading)
    columns = {"timestamp" if name == "time" else name: column for name, column in table.columns.items()}
    if only_positive:
        kept = np.array([value.strip() not in ("0", "0.0") for value in columns["rating"]])
        return EventTable(
            path, replace(table, columns={n: c[kept] for n, c in columns.items()}, lines=table.lines[kept]), said
        )
    return EventTable(path, replace(table, columns=columns), said)


def read_joined(found: OrderTables, folder: Path, reading: Reading) -> Table:
    """Read the events: items in the order of the file, with the user of their order, and its time if it has one.

    Raises:
        DataError: A table is wrong, an order has two users, or an item belongs to no order; with file and line.
    """
    dialect = Sample.read(found.orders, reading.encoding).dialect()
    wanted = reading.spellings({"user_id": INTERACTION_COLUMNS["user_id"], "time": ORDER_TIMES})
    columns = {"item_id": (found.key,), "user_id": wanted["user_id"]}
    orders = read_table(found.orders, columns, {"time": wanted["time"]}, dialect)
    place = {key: at for at, key in enumerate(orders.columns["item_id"].tolist())}
    if len(place) < len(orders):
        raise DataError(f"has several rows with the same {found.key}, so that it does not tell the user", found.orders)
    parts = [_ordered_items(found, path, place, reading) for path in found.lines]
    at, items, lines = (np.concatenate(column) for column in zip(*parts, strict=True))
    joined = {"user_id": orders.columns["user_id"][at], "item_id": items}
    if "time" in orders.columns:
        joined["timestamp"] = orders.columns["time"][at]
    return Table(folder, joined, lines)


def _ordered_items(
    found: OrderTables, path: Path, place: Mapping[str, int], reading: Reading
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the row of the order, the item and the line of each row of a table."""
    columns = {"user_id": (found.key,), **reading.spellings({"item_id": INTERACTION_COLUMNS["item_id"]})}
    table = read_table(path, columns, None, Sample.read(path, reading.encoding).dialect())
    keys = table.columns["user_id"].tolist()
    missing = [row for row, key in enumerate(keys) if key not in place]
    if missing:
        lacks = f"with a {found.key} that {found.orders.name} lacks, e.g. {shorten(keys[missing[0]])}"
        said = f"{quantity(len(missing), 'rows')} {lacks}"
        raise DataError(f"{said}; correct one of the files", path, int(table.lines[missing[0]]))
    return np.array([place[key] for key in keys], dtype=np.int64), table.columns["item_id"], table.lines


@contextmanager
def _whole_orders(path: Path, reading: Reading) -> Iterator[None]:
    """Tell who reads a table of orders or of their items alone to give the folder.

    Raises:
        DataError: In place of the error of such a table.
    """
    try:
        yield
    except DataError as error:
        found = order_tables(path.parent, reading) if path.is_file() else None
        if found is None or path not in (found.orders, *found.lines):
            raise
        raise DataError(f"has no events of its own; its folder has {found.said}: give {path.parent}", path) from error


def has_events(path: Path, reading: Reading) -> bool:
    """Return whether a file of a folder has events, by its header line or its layout."""
    if is_item_lists(path, reading) or (suffix_of(path) in JSON_SUFFIXES and Playlists.matches(path)):
        return True
    if suffix_of(path) in JSON_SUFFIXES:
        try:
            return bool(JsonEvents.find(path, reading).keys)
        except DataError:
            return False
    try:
        found = recognize_table(path, "interactions", reading)
    except DataError:
        return False
    return bool(found.dialect.header) or len(locate(header_cells(path, reading), _required(reading))) == 2


def _required(reading: Reading) -> Mapping[str, Sequence[str]]:
    wanted = reading.spellings(COLUMNS["interactions"])
    return {name: wanted[name] for name in ("user_id", "item_id")}


def is_user_lists(path: Path, reading: Reading) -> bool:
    """Return whether a file has a user and any number of items per line, as numbers with spaces between them."""
    if suffix_of(path) not in (".txt", ".dat") or reading.columns:
        return False
    rows = Sample.read(path, reading.encoding).rows(Dialect(""))
    widths = {len(row) for row in rows}
    return len(widths) > 1 and all(cell.isdecimal() for row in rows for cell in row)


def _are_counted(path: Path, reading: Reading) -> bool:
    """Return whether every line begins with the number of the others in it."""
    rows = Sample.read(path, reading.encoding).rows(Dialect(""))
    return all((first.lstrip("0") or "0") == str(len(row)) for first, *row in rows)


def is_item_lists(path: Path, reading: Reading) -> bool:
    """Return whether a table has a sequence of items in each row, as RecBole's ``item_id_list``."""
    names = header_cells(path, reading) if suffix_of(path) not in (".parquet", *JSON_SUFFIXES) else []
    return len(locate(names, _LIST)) == len(_LIST)


def read_sequences(path: Path, reading: Reading) -> Iterator[text.Table]:
    """Yield the columns ``user_id`` and ``item_id`` of a table with ``item_id_list``, oldest event first.

    Without a column of users, each row is a user, called by its line.
    """
    dialect = Sample.read(path, reading.encoding).dialect()
    wanted = {**_LIST, **reading.spellings({"user_id": INTERACTION_COLUMNS["user_id"]})}
    optional = ("user_id",) if "user" not in reading.columns else ()
    for table in text.read_table(path, wanted, optional=optional, may_be_empty=("items",), dialect=dialect):
        columns: dict[str, list[str]] = {"user_id": [], "item_id": []}
        lines: list[int] = []
        users = table.columns.get("user_id", [str(line) for line in table.lines])
        for user, items, item, line in zip(users, table["items"], table["item_id"], table.lines, strict=True):
            row = [*_QUOTED.findall(items)] if items[:1] == "[" else items.split()
            row.append(item)
            columns["user_id"] += [user] * len(row)
            columns["item_id"] += row
            lines += [line] * len(row)
        yield text.Table(columns, lines, table.path)


def _named(tables: Iterable[text.Table]) -> Iterator[text.Table]:
    for table in tables:
        columns = {"timestamp" if name == "time" else name: column for name, column in table.columns.items()}
        yield text.Table(columns, table.lines, table.path)


def _whole(path: Path, tables: Iterable[text.Table]) -> Table:
    found = join_tables(path, tables, ("user_id", "item_id"))
    if found is None:
        raise DataError("has no events", path)
    return found
