"""Reads the OpenKE layout: numbered triples, and the number of each entity and relation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from kptoolkit.graph.sources.readers.path_reader import PathReader, translated
from kptoolkit.storage.dialects import Dialect, Sample
from kptoolkit.storage.text_tables import Table, read_table

_TRIPLES = ("triple2id.txt", "train2id.txt", "valid2id.txt", "test2id.txt")
_IDS = Dialect("\t", header=("id", "number"), skip=1)
_LABELLED = Dialect("\t", header=("id", "name", "number"), skip=1)
_COLUMNS = {"id": ("id",), "name": ("name",)}
_NUMBERS = Dialect("", header=("head", "tail", "relation"), skip=1)


class OpenKeFolder(PathReader):
    """A folder in the OpenKE layout; ids are those of ``entity2id.txt`` and ``relation2id.txt``."""

    label: ClassVar[str] = "OpenKE"
    parts: ClassVar[str] = "triples of train2id.txt, valid2id.txt and test2id.txt (or triple2id.txt), ids of *2id.txt"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        has = [(folder / name).is_file() for name in _TRIPLES]
        return any(has) and all((folder / name).is_file() for name in ("entity2id.txt", "relation2id.txt"))

    def triples(self) -> Iterator[Table]:
        """Yield the triples of all files."""
        columns = {name: (name,) for name in _NUMBERS.header}
        ids = {"head": self._entities, "relation": self._ids("relation2id.txt"), "tail": self._entities}
        for file in (self.path / name for name in _TRIPLES):
            if file.is_file():
                for table in read_table(file, columns, bad_rows=self.bad_rows, dialect=_NUMBERS):
                    yield translated(table, ids)

    def names(self) -> Iterator[Table]:
        """Yield the names of entities and relations, if the files of ids have them between id and number."""
        for name in ("relation2id.txt", "entity2id.txt"):
            if self._dialect(name) is _LABELLED:
                for table in read_table(self.path / name, _COLUMNS, may_be_empty=("name",), dialect=_LABELLED):
                    yield Table({"entity_id": table["id"], "name": table["name"]}, table.lines, table.path)

    @cached_property
    def _entities(self) -> dict[str, str]:
        return self._ids("entity2id.txt")

    def _ids(self, name: str) -> dict[str, str]:
        columns = {"id": ("id",), "number": ("number",)}
        tables = read_table(self.path / name, columns, may_be_empty=("id",), dialect=self._dialect(name))
        return {number: one for table in tables for one, number in zip(table["id"], table["number"], strict=True)}

    def _dialect(self, name: str) -> Dialect:
        rows = Sample.read(self.path / name).rows(_IDS)
        return _LABELLED if rows and len(rows[0]) == len(_LABELLED.header) else _IDS
