"""Reads the KGAT layout: numbers in ``kg_final.txt`` and ``train.txt``, the ids in ``*_list.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from kptoolkit.graph.sources.path_reader import PathReader, tables_of, translated
from kptoolkit.storage.dialects import Dialect
from kptoolkit.storage.layouts.item_lists import read_item_lists
from kptoolkit.storage.text_tables import Table, read_table

TRIPLES = "kg_final.txt"
EVENTS = ("train.txt", "valid.txt", "test.txt")
_TRIPLES = Dialect("", header=("head", "relation", "tail"))
_LIST = {"org_id": ("org_id",), "remap_id": ("remap_id",)}


class KgatFolder(PathReader):
    """A folder in the KGAT layout; ids are those of the ``org_id`` columns.

    The item with number n is the entity with number n.
    """

    label: ClassVar[str] = "KGAT"
    parts: ClassVar[str] = "triples of kg_final.txt, ids of *_list.txt (also as names), a user and items per line"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        return all((folder / name).is_file() for name in (TRIPLES, "entity_list.txt", "relation_list.txt"))

    def triples(self) -> Iterator[Table]:
        """Yield the triples."""
        columns = {name: (name,) for name in _TRIPLES.header}
        ids = {"head": self._entities, "relation": _ids(self.path / "relation_list.txt"), "tail": self._entities}
        for table in read_table(self.path / TRIPLES, columns, bad_rows=self.bad_rows, dialect=_TRIPLES):
            yield translated(table, ids)

    def names(self) -> Iterator[Table]:
        """Yield the ids as names, since the layout has no names."""
        rows = ((line, (name, name)) for line, name in enumerate(self._entities.values(), 2))
        yield from tables_of(("entity_id", "name"), rows, self.path / "entity_list.txt")

    def links(self) -> Iterator[Table]:
        """Yield the entity of each item that has one."""
        known = [(item, number) for number, item in self._items.items() if number in self._entities]
        rows = ((line, (item, self._entities[number])) for line, (item, number) in enumerate(known, 2))
        yield from tables_of(("item_id", "entity_id"), rows, self.path / "item_list.txt")

    def interactions(self) -> Iterator[Table]:
        """Yield the events: those of ``train.txt``, then those of the other files."""
        users = self.path / "user_list.txt"
        known = _ids(users) if users.is_file() else None
        for file in (self.path / name for name in EVENTS):
            if file.is_file():
                yield from read_item_lists(file, self.bad_rows, known, self._items or None)

    @cached_property
    def _entities(self) -> dict[str, str]:
        return _ids(self.path / "entity_list.txt")

    @cached_property
    def _items(self) -> dict[str, str]:
        file = self.path / "item_list.txt"
        return _ids(file) if file.is_file() else {}


def _ids(path: Path) -> dict[str, str]:
    """Return the original id by number."""
    tables = read_table(path, _LIST, dialect=Dialect(""))
    return {number: given for table in tables for number, given in zip(table["remap_id"], table["org_id"], strict=True)}
