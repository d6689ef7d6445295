"""Reads the KGAT layout: numbers in ``kg_final.txt`` and ``train.txt``, the ids in ``*_list.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of, translated
from kptoolkit.names import quantity
from kptoolkit.storage.dialects import Dialect
from kptoolkit.storage.layouts.item_lists import read_item_lists
from kptoolkit.storage.text_tables import Table, TextReader, read_table
from kptoolkit.storage.values.cells import is_missing

TRIPLES = "kg_final.txt"
EVENTS = ("train.txt", "valid.txt", "test.txt")
_TRIPLES = Dialect("", header=("head", "relation", "tail"))


class KgatFolder(PathReader):
    """A folder in the KGAT layout; ids are those of the ``org_id`` columns, or numbers if it has no lists.

    The item with number n is the entity with number n.
    """

    label: ClassVar[str] = "KGAT"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        return all((folder / name).is_file() for name in (TRIPLES, "train.txt")) or all(
            (folder / name).is_file() for name in (TRIPLES, "entity_list.txt", "relation_list.txt")
        )

    @property
    def said(self) -> str:
        """The layout and what is read."""
        lists = "ids of *_list.txt (also as names)" if self._entities else "numbers as ids, no names"
        return f"{self.label}: triples of {TRIPLES}, {lists}, events of train.txt and test.txt"

    def triples(self) -> Iterator[Table]:
        """Yield the triples."""
        columns = {name: (name,) for name in _TRIPLES.header}
        known = {"head": self._entities, "relation": self._list("relation"), "tail": self._entities}
        ids = {column: listed for column, listed in known.items() if listed}
        for table in read_table(self.path / TRIPLES, columns, bad_rows=self.bad_rows, dialect=_TRIPLES):
            yield translated(table, ids)

    def names(self) -> Iterator[Table]:
        """Yield the ids as names, since the layout has no names; nothing without lists."""
        rows = ((line, (name, name)) for line, name in enumerate(self._entities.values(), 2) if not is_missing(name))
        yield from tables_of(("entity_id", "name"), rows, self.path / "entity_list.txt")

    def links(self) -> Iterator[Table]:
        """Yield the entity of each item that has one."""
        entities = self._entities or {number: number for number in self._items}
        known = [(item, number) for number, item in self._items.items() if number in entities]
        rows = ((line, (item, entities[number])) for line, (item, number) in enumerate(known, 2))
        yield from tables_of(("item_id", "entity_id"), rows, self.path / "item_list.txt")

    def interactions(self) -> Iterator[Table]:
        """Yield the events: those of ``train.txt``, then those of the other files."""
        for file in (self.path / name for name in EVENTS):
            if file.is_file():
                yield from self.events_of(file)

    def events_of(self, file: Path) -> Iterator[Table]:
        """Yield the events of one file of the folder."""
        yield from read_item_lists(file, self.bad_rows, self._list("user"), self._list("item") or None)

    @cached_property
    def _entities(self) -> dict[str, str]:
        return self._list("entity")

    @cached_property
    def _items(self) -> dict[str, str]:
        """Original id of an item by number; without a list the numbers of the items in the events."""
        listed = self._list("item")
        return listed or {item: item for table in self.interactions() for item in table["item_id"]}

    def _list(self, what: str) -> dict[str, str]:
        """Return the original ids by number, none without the file."""
        file = self.path / f"{what}_list.txt"
        return _ids(file) if file.is_file() else {}


def _ids(path: Path) -> dict[str, str]:
    """Return the original id by number; an original id may contain spaces.

    Raises:
        DataError: The columns are not named as in this layout, or a row is too short.
    """
    found: dict[str, str] = {}
    reader = TextReader(path, {"org_id": ("org_id",), "remap_id": ("remap_id",)}, dialect=Dialect(""))
    with reader.cells() as rows:
        width, at = len(reader.names), reader.names.index("remap_id")
        for row in rows:
            if len(row) < width:
                raise DataError(f"{quantity(len(row), 'columns')} instead of {width}; correct it", path, reader.line)
            cut = len(row) - width + 1
            found[[" ".join(row[:cut]), *row[cut:]][at]] = " ".join(row[:cut])
    return found
