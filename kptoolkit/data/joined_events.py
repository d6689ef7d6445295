"""Events in two tables: the items of each order (or basket, or session), and the user of each order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kptoolkit.data.tables import Table, read_table, tables_in
from kptoolkit.errors import DataError, shorten
from kptoolkit.names import quantity
from kptoolkit.storage.columns import INTERACTION_COLUMNS, locate
from kptoolkit.storage.dialects import Reading, Sample
from kptoolkit.storage.layouts.table_layouts import header_cells

_KEY_ENDINGS = ("id", "key", "no", "number")
_TIMES = (*INTERACTION_COLUMNS["time"], "order_purchase_timestamp", "order_number")


@dataclass(frozen=True)
class OrderTables:
    """Tables that a column joins.

    Attributes:
        key: Header of the column that both kinds of tables have, such as ``order_id``.
        orders: The table with a user for each key.
        lines: The tables with items for each key.
    """

    key: str
    orders: Path
    lines: Sequence[Path]

    @property
    def said(self) -> str:
        """What is read."""
        files = ", ".join(path.name for path in self.lines)
        return f"events in several tables: items of {files}, users of {self.orders.name}, joined by {self.key}"


def order_tables(folder: Path, reading: Reading) -> OrderTables | None:
    """Find tables with items and one with users that share a column; ``None`` if there are none, or several of these.

    Args:
        folder: The folder.
        reading: Columns and encoding, where the files do not tell them.
    """
    users, items = dict[Path, list[str]](), dict[Path, list[str]]()
    wanted = reading.spellings({name: INTERACTION_COLUMNS[name] for name in ("user_id", "item_id")})
    for path in tables_in(folder, (".csv", ".tsv")):
        names = header_cells(path, reading)
        found = locate(names, wanted).keys()
        if found == {"user_id"}:
            users[path] = names
        elif found == {"item_id"}:
            items[path] = names
    pairs: dict[tuple[str, Path], list[Path]] = {}
    for orders, names in users.items():
        user = names[locate(names, wanted)["user_id"]]
        for key in (name for name in names if name.casefold().endswith(_KEY_ENDINGS) and name != user):
            for path, others in items.items():
                if key in others and others[locate(others, wanted)["item_id"]] != key:
                    pairs.setdefault((key, orders), []).append(path)
    if len(pairs) != 1:
        return None
    (key, orders), lines = next(iter(pairs.items()))
    return OrderTables(key, orders, lines)


def read_joined(found: OrderTables, folder: Path, reading: Reading) -> Table:
    """Read the events: items in the order of the file, with the user of their order, and its time if it has one.

    Raises:
        DataError: A table is wrong, an order has two users, or an item belongs to no order; with file and line.
    """
    dialect = Sample.read(found.orders, reading.encoding).dialect()
    wanted = reading.spellings({"user_id": INTERACTION_COLUMNS["user_id"], "time": _TIMES})
    columns = {"item_id": (found.key,), "user_id": wanted["user_id"]}
    orders = read_table(found.orders, columns, {"time": wanted["time"]}, dialect)
    place = {key: at for at, key in enumerate(orders.columns["item_id"].tolist())}
    if len(place) < len(orders):
        raise DataError(f"has several rows with the same {found.key}, so that it does not tell the user", found.orders)
    parts = [_items(found, path, place, reading) for path in found.lines]
    at, items, lines = (np.concatenate(column) for column in zip(*parts, strict=True))
    joined = {"user_id": orders.columns["user_id"][at], "item_id": items}
    if "time" in orders.columns:
        joined["timestamp"] = orders.columns["time"][at]
    return Table(folder, joined, lines)


def _items(
    found: OrderTables, path: Path, place: Mapping[str, int], reading: Reading
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
