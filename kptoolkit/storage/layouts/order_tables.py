"""Finds events in two tables: the items of each order (or basket, or session), and the user of each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kptoolkit.storage.columns import INTERACTION_COLUMNS, locate
from kptoolkit.storage.dialects import Reading, suffix_of
from kptoolkit.storage.layouts.table_layouts import header_cells

_KEY_ENDINGS = ("id", "key", "no", "number")
#: Accepted headers of the time of an order.
ORDER_TIMES = (*INTERACTION_COLUMNS["time"], "order_purchase_timestamp", "order_number")


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
    for path in sorted(path for path in folder.iterdir() if suffix_of(path) in (".csv", ".tsv")):
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
