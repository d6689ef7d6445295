"""The items that can be recommended: those of the item file and of the interactions, linked to the graph or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kptoolkit.arguments import check_fields, checked
from kptoolkit.config import GRAPH_DATA
from kptoolkit.data.interactions import Interactions, write_parquet
from kptoolkit.data.tables import Table, read_recognized, tables_in
from kptoolkit.errors import AmbiguousNameError, DataError, RunError, UnknownNameError
from kptoolkit.names import compared, nearest
from kptoolkit.storage.arrays import json_hash
from kptoolkit.storage.columns import ITEM_COLUMNS, locate
from kptoolkit.storage.dialects import Reading, suffix_of
from kptoolkit.storage.layouts.table_layouts import header_cells

_ITEM = {"item_id": ITEM_COLUMNS["item_id"]}
_ITEM_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")


@runtime_checkable
class ItemRows(Protocol):
    """Items of a graph, columnar; ``kptoolkit.graph.GraphItems`` is one."""

    @property
    def item_id(self) -> Sequence[str | None]:
        """Item ids."""
        ...

    @property
    def entity_id(self) -> Sequence[str | None]:
        """Entity each item is linked to; ``None`` when it is not linked."""
        ...

    @property
    def name(self) -> Sequence[str | None]:
        """Names in the graph."""
        ...


@dataclass(frozen=True)
class Catalogue:
    """Items by catalogue row.

    Attributes:
        item_ids: ``(n,)`` ids as strings.
        titles: ``(n,)`` titles; ``""`` when an item has none.
        entity_ids: ``(n,)`` entity each item is linked to; ``None`` when it is not linked.
    """

    item_ids: NDArray[Any]
    titles: NDArray[Any]
    entity_ids: NDArray[Any]

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    @checked
    def build(
        cls,
        interactions: Interactions | None,
        items_file: str | Path | None = None,
        graph_items: ItemRows | None = None,
        reading: Reading | None = None,
    ) -> Catalogue:
        """Build the union of the items of the interactions and of the item file.

        The first rows are ``interactions.item_ids`` in their order, so that item numbers of interactions and splits are
        catalogue rows. The graph adds titles and links, but no items, because it may contain other catalogues as well.

        Args:
            interactions: Events, or ``None``.
            items_file: ``.item``, CSV, TSV or Parquet with item ids and titles, or ``None``.
            graph_items: Items of the graph, or ``None``.
            reading: Columns and encoding of the item file, where it does not tell them.

        Raises:
            DataError: The item file is wrong, or there is no item at all.
        """
        ids = [] if interactions is None else [str(item_id) for item_id in interactions.item_ids]
        titles: dict[str, str] = {}
        if items_file is not None:
            table = read_items(Path(items_file), reading)
            listed = table.strings("item_id")
            ids += listed.tolist()
            if "title" in table.columns:
                _add_names(titles, listed, table.columns["title"])
        entities: dict[str, str] = {}
        if graph_items is not None:
            _add_names(titles, graph_items.item_id, graph_items.name)
            _add_names(entities, graph_items.item_id, graph_items.entity_id)
        unique = list(dict.fromkeys(ids))
        if not unique:
            raise DataError("the catalogue is empty: no interactions and no item file")
        return cls(
            np.array(unique, dtype=object),
            np.array([titles.get(item_id, "") for item_id in unique], dtype=object),
            np.array([entities.get(item_id) for item_id in unique], dtype=object),
        )

    @checked
    def extended(self, graph_items: ItemRows) -> Catalogue:
        """Append the other items of the graph, sorted by item id; the rows of this catalogue stay.

        A row without a title or an entity gets that of the graph.

        Args:
            graph_items: Items of the graph.
        """
        titles: dict[str, str] = {}
        entities: dict[str, str] = {}
        _add_names(titles, graph_items.item_id, graph_items.name)
        _add_names(entities, graph_items.item_id, graph_items.entity_id)
        found = {str(item_id) for item_id in graph_items.item_id if item_id is not None}
        ids = [*self.item_ids.tolist(), *sorted(found - set(self.item_ids.tolist()))]
        new = len(ids) - len(self)
        old_titles, old_entities = [*self.titles, *[""] * new], [*self.entity_ids, *[None] * new]
        return Catalogue(
            np.array(ids, dtype=object),
            np.array([old or titles.get(i, "") for i, old in zip(ids, old_titles, strict=True)], dtype=object),
            np.array([old or entities.get(i) for i, old in zip(ids, old_entities, strict=True)], dtype=object),
        )

    def refreshed(self, graph_items: ItemRows, earlier_names: Mapping[str, str]) -> Catalogue:
        """Take the present links of the graph, and its present names where a title was the earlier name of the entity.

        Other titles, such as those of an item file, stay. Other items of the graph are appended, as by
        :meth:`extended`.

        Args:
            graph_items: Items of the graph.
            earlier_names: Names of the entities when the titles were read, by entity id.
        """
        names: dict[str, str] = {}
        _add_names(names, graph_items.item_id, graph_items.name)
        links = dict(zip(graph_items.item_id, graph_items.entity_id, strict=True))
        rows = list(zip(self.item_ids, self.titles, self.entity_ids, strict=True))
        titles = [names.get(item, title) if title == earlier_names.get(old) else title for item, title, old in rows]
        entities = [links.get(item, old) for item, _, old in rows]
        renewed = replace(self, titles=np.array(titles, dtype=object), entity_ids=np.array(entities, dtype=object))
        return renewed.extended(graph_items)

    def same_as(self, other: Catalogue) -> bool:
        """Return whether another catalogue has the same items, titles and links in the same order."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("item_ids", "titles", "entity_ids"))
        return all(np.array_equal(mine, theirs) for mine, theirs in pairs)

    def content_hash(self) -> str:
        """Return a SHA-256 of the items, titles and links in their order."""
        return json_hash([self.item_ids.tolist(), self.titles.tolist(), self.entity_ids.tolist()])

    def untitled(self) -> Catalogue:
        """Return the same items without titles."""
        return replace(self, titles=np.full(len(self), "", dtype=object))

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def names(self) -> NDArray[Any]:
        """``(n,)`` name of each item: its title, or its id if it has no title."""
        return np.where(self.titles == "", self.item_ids, self.titles)

    @property
    def linked(self) -> NDArray[np.bool_]:
        """``(n,)`` whether an item has an entity in the graph."""
        return np.array([entity is not None for entity in self.entity_ids], dtype=bool)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def _others(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Rows by entity id and by title as it is compared."""
        by_entity: dict[str, list[int]] = defaultdict(list)
        by_title: dict[str, list[int]] = defaultdict(list)
        for row, (entity, title) in enumerate(zip(self.entity_ids, self.titles, strict=True)):
            if entity is not None:
                by_entity[entity].append(row)
            if title:
                by_title[compared(title)].append(row)
        return by_entity, by_title

    @checked
    def holds(self, name: str) -> bool:
        """Whether one or several items have this name, as :meth:`resolve` understands names."""
        by_entity, by_title = self._others
        return name in self._rows or name in by_entity or compared(name) in by_title

    def item_of_entity(self) -> dict[str, int]:
        """Return the catalogue row of each entity that is linked to exactly one item."""
        by_entity, _ = self._others
        return {entity: rows[0] for entity, rows in by_entity.items() if len(rows) == 1}

    @checked
    def resolve(self, name: str) -> int:
        """Return the catalogue row of an item by item id, entity id or exact title; case does not matter.

        Raises:
            AmbiguousNameError: Several items have this name.
            UnknownNameError: No item has it; the message has the three nearest titles or ids.
        """
        if name in self._rows:
            return self._rows[name]
        by_entity, by_title = self._others
        rows = by_entity.get(name) or by_title.get(compared(name)) or []
        if len(rows) > 1:
            raise AmbiguousNameError("item", name, [str(self.item_ids[row]) for row in rows])
        if not rows:
            raise UnknownNameError("item", name, nearest(name, self.names.tolist()))
        return rows[0]

    @checked
    def rows_of(self, names: Iterable[str]) -> NDArray[np.int32]:
        """Return the rows of several items, ``(k,)``, as :meth:`resolve` does."""
        return np.array([self.resolve(name) for name in names], dtype=np.int32)

    def history_of(self, names: Iterable[str]) -> list[int]:
        """Return the rows of a history as :meth:`rows_of` does; of a repeated item the first stays, as in files."""
        return list(dict.fromkeys(self.rows_of(names).tolist()))

    @checked
    def save(self, path: Path) -> None:
        """Write a Parquet file with the columns item_id, title and entity_id."""
        columns = {"item_id": self.item_ids, "title": self.titles, "entity_id": self.entity_ids}
        write_parquet(pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}), path)

    @classmethod
    @checked
    def load(cls, path: Path) -> Catalogue:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: The file is missing or damaged.
        """
        try:
            table = pq.read_table(path)
            columns = [np.array(table.column(c).to_pylist(), dtype=object) for c in ("item_id", "title", "entity_id")]
            for column, kinds in zip(columns, (str, str, str | None), strict=True):
                if not all(isinstance(value, kinds) for value in column):
                    raise ValueError("a column holds other values than texts")
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise RunError(f"{path} is missing or damaged; fit the run again") from error
        return cls(*columns)


def read_items(path: Path, reading: Reading | None = None) -> Table:
    """Read the columns ``item_id`` and, if there is one, ``title`` of an item file.

    Args:
        path: The file.
        reading: Columns and encoding, where the file does not tell them.

    Raises:
        DataError: The file is wrong; with file and line.
    """
    return read_recognized(path, "items", reading or Reading())[0]


def find_items(path: Path) -> Path | None:
    """Find the item file next to the interactions: ``.item``, or ``items.csv`` (``.tsv``, ``.txt``, ``.parquet``).

    Returns:
        ``None`` if there is none.

    Raises:
        DataError: The folder contains several ``.item`` files.
    """
    if path == GRAPH_DATA:
        return None
    folder = path if path.is_dir() else path.parent
    found = tables_in(folder, (".item",))
    if len(found) > 1:
        raise DataError(f"several item files: {', '.join(file.name for file in found)}; keep one in the folder", folder)
    tables = [file for file in tables_in(folder, _ITEM_SUFFIXES) if file.name.lower().startswith("items.")]
    named = [file for file in tables if suffix_of(file) != ".txt" or locate(header_cells(file, Reading()), _ITEM)]
    return next(iter(found + named), None)


def _add_names(names: dict[str, str], ids: Iterable[str | None], values: Iterable[str | None]) -> None:
    """Add the first value of each id that is not empty."""
    for item_id, value in zip(ids, values, strict=True):
        if item_id is not None and value and value.strip():
            names.setdefault(str(item_id), value)
