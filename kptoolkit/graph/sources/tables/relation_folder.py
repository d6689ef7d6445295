"""Reads folders with a table of pairs per relation, such as ``movie_actor.dat`` and ``user_movie.dat`` of HERec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import ClassVar

from kptoolkit.graph.sources.readers.path_reader import PathReader, first_rows
from kptoolkit.graph.sources.tables.table_items import TableItems
from kptoolkit.storage.dialects import Sample, suffix_of, unpacked_name
from kptoolkit.storage.text_tables import Table, read_table

_COLUMNS = ("user_id", "item_id", "rating", "time")


class RelationFolder(PathReader):
    """Tables of numbers named by both of their columns; those of a user and of an item with others are the events."""

    label: ClassVar[str] = "HERec"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has a table of users and items, and one of these items and their values."""
        return bool(_item_kind(_tables(folder)))

    @property
    def said(self) -> str:
        """The layout and what is read."""
        used = [self._events, *(reader.path for reader in self._readers)]
        others = [path.name for path in self._tables.values() if path not in used]
        files = ", ".join(reader.path.name for reader in self._readers)
        left = f"; not read: {', '.join(others)}" if others else ""
        return f"{self.label}: triples of {files}, without weights; events of {self._events.name}{left}"

    def triples(self) -> Iterator[Table]:
        """Yield a triple per pair; ids of values have their kind before them, since each kind counts from 1."""
        for reader in self._readers:
            yield from reader.triples()

    def links(self) -> Iterator[Table]:
        """Yield each item as the entity with its id."""
        yield from first_rows(chain.from_iterable(reader.links() for reader in self._readers), "item_id")

    def items(self) -> Iterator[Table]:
        """Yield the items."""
        yield from first_rows(chain.from_iterable(reader.items() for reader in self._readers), "item_id")

    def interactions(self) -> Iterator[Table]:
        """Yield the pairs of users and items, in the order of the file unless it has times."""
        sample = Sample.read(self._events, self.reading.encoding)
        header = _COLUMNS[: len(sample.rows(sample.dialect())[0])]
        dialect = replace(sample.dialect(), header=header)
        columns = {name: (name,) for name in header}
        yield from read_table(self._events, columns, bad_rows=self.bad_rows, dialect=dialect)

    @cached_property
    def _tables(self) -> Mapping[tuple[str, str], Path]:
        return _tables(self.path)

    @property
    def _events(self) -> Path:
        return self._tables["user", _item_kind(self._tables)]

    @cached_property
    def _readers(self) -> list[TableItems]:
        reading = replace(self.reading, columns={"item": "1", "tail": "2"})
        item = _item_kind(self._tables)
        paths = [path for (first, _), path in self._tables.items() if first == item]
        found = (TableItems.find(path, self.bad_rows, reading) for path in paths)
        return [reader for reader in found if reader is not None]


def _tables(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the tables of numbers that are named by two kinds of things, by these."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in (".dat", ".txt")):
        first, _, second = unpacked_name(path).rpartition(".")[0].partition("_")
        if first and second.isalpha() and _has_numbers(path, 4 if first == "user" else 3):
            found[first, second] = path
    return found


def _item_kind(tables: Mapping[tuple[str, str], Path]) -> str:
    """Return the kind of things that users have, and that have values; ``""`` if there is none."""
    kinds = (second for first, second in tables if first == "user" and second != "user")
    return next((kind for kind in kinds if any(first == kind for first, _ in tables)), "")


def _has_numbers(path: Path, most: int) -> bool:
    sample = Sample.read(path)
    rows = sample.rows(sample.dialect())
    width = len(rows[0]) if rows else 0
    return 2 <= width <= most and all(
        len(row) == width and all(cell.strip().replace(".", "", 1).isdecimal() for cell in row) for row in rows
    )
