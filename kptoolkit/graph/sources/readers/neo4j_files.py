"""Reads exports of Neo4j: CSV for ``neo4j-admin database import``, and JSON lines of ``apoc.export.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.storage.columns import NAME_COLUMNS, locate
from kptoolkit.storage.dialects import Dialect, Sample
from kptoolkit.storage.layouts.json_rows import read_objects
from kptoolkit.storage.text_tables import Table, read_table

_FIELD = re.compile(r"(?P<name>[^:]*):(?P<type>ID|START_ID|END_ID|TYPE|LABEL)(?:\((?P<space>[^)]*)\))?.*")
_META = "Kptool"
NODE_NAMES = (*NAME_COLUMNS["name"], "full_name", "product_name", "company_name")
"""Properties of nodes that are their names."""


@dataclass(frozen=True)
class _Sheet:
    """One CSV file: its columns by what they are, with the ID space of the first node that it names."""

    path: Path
    dialect: Dialect
    places: dict[str, str]
    properties: dict[str, str]
    spaces: dict[str, str]

    @classmethod
    def of(cls, path: Path) -> _Sheet | None:
        """Read the header line; ``None`` if it is not one of the import tool."""
        sample = Sample.read(path)
        found = sample.dialect(csv=True)
        cells = found.cells(sample.first)
        header = tuple(f"column {number}" for number in range(len(cells)))
        places, properties, spaces = dict[str, str](), dict[str, str](), dict[str, str]()
        for cell, column in zip(cells, header, strict=True):
            match = _FIELD.fullmatch(cell)
            if match is None:
                properties.setdefault(cell.split(":")[0], column)
                continue
            places.setdefault(match["type"], column)
            spaces[match["type"]] = match["space"] or ""
        dialect = Dialect(found.separator, quoted=True, header=header, skip=1)
        return cls(path, dialect, places, properties, spaces) if places else None

    @property
    def space(self) -> str:
        """ID space of the nodes of a file of nodes."""
        return self.spaces.get("ID", "")

    def name(self) -> str | None:
        """Return the column with the names of nodes: ``name``, ``title`` or the like, else the first property."""
        known = list(self.properties)
        at = locate(known, {"name": NODE_NAMES})
        return self.properties[known[at["name"]]] if at else None


class Neo4jCsv(PathReader):
    """CSV files for the import tool of Neo4j, a folder or single files; also those of ``kptool export-csv``."""

    label: ClassVar[str] = "Neo4j CSV"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Return whether a folder has this layout: a file with ``:START_ID``; a file may be one of nodes as well."""
        sheets = _sheets(path)
        return bool(sheets) if path.is_file() else any("START_ID" in sheet.places for sheet in sheets)

    def add(self, path: Path) -> None:
        """Read one more file, given on its own."""
        self._all.extend(_sheets(path))

    @property
    def said(self) -> str:
        """The layout and what is read."""
        nodes = ", ".join(sheet.path.name for sheet in self._nodes)
        edges = ", ".join(sheet.path.name for sheet in self._edges)
        prefixed = "; ids are SPACE:ID, since ID spaces share ids" if self._prefixed else ""
        known = {sheet.path for sheet in self._all}
        others = ", ".join(path.name for path in _csv_files(self.path) if path not in known)
        left_out = f"; not read, without a header line of ids in it: {others}" if others else ""
        return f"{self.label}: relationships of {edges or 'no file'}, nodes of {nodes or 'no file'}{prefixed}{left_out}"

    def triples(self) -> Iterator[Table]:
        """Yield the relationships; the relation is the property of that name in our own export, else the type."""
        for sheet in self._edges:
            own = sheet.properties.get("relation") if "source" in sheet.properties else None
            relation = own or sheet.places.get("TYPE")
            columns = {"head": (sheet.places["START_ID"],), "tail": (sheet.places["END_ID"],)}
            columns |= {"relation": (relation,)} if relation else {}
            for table in read_table(sheet.path, columns, bad_rows=self.bad_rows, dialect=sheet.dialect):
                ends = {
                    "head": self._ids(table["head"], sheet.spaces["START_ID"]),
                    "relation": table["relation"] if relation else [sheet.path.stem] * len(table),
                    "tail": self._ids(table["tail"], sheet.spaces["END_ID"]),
                }
                yield Table(ends, table.lines, table.path, table.cleaned)

    def names(self) -> Iterator[Table]:
        """Yield the names of the nodes, and the labels of the relations of our own export."""
        yield from tables_of(("entity_id", "name"), self._labels(), self.path)
        for sheet in self._nodes:
            if (name := sheet.name()) is not None:
                columns = {"entity_id": (sheet.places["ID"],), "name": (name,)}
                for table in self._rows(sheet, columns, "name"):
                    ids = self._ids(table["entity_id"], sheet.space)
                    yield Table({"entity_id": ids, "name": table["name"]}, table.lines, table.path)

    def links(self) -> Iterator[Table]:
        """Yield the items of our own export that are linked."""
        for sheet in self._nodes:
            if "item_id" in sheet.properties:
                columns = {"item_id": (sheet.properties["item_id"],), "entity_id": (sheet.places["ID"],)}
                for table in map(_filled, self._rows(sheet, columns, "item_id")):
                    ids = self._ids(table["entity_id"], sheet.space)
                    yield Table({"item_id": table["item_id"], "entity_id": ids}, table.lines, table.path)
        for sheet in self._items:
            columns = {"item_id": (sheet.places["ID"],), "entity_id": (sheet.properties["entity_id"],)}
            yield from map(_filled, self._rows(sheet, columns, "entity_id"))

    def items(self) -> Iterator[Table]:
        """Yield the items of our own export."""
        for sheet in self._items:
            columns = {"item_id": (sheet.places["ID"],), "title": (sheet.properties["name"],)}
            yield from self._rows(sheet, columns, "title")

    def _labels(self) -> Iterator[tuple[int, tuple[str, str]]]:
        for sheet in self._all:
            if sheet.space == _META and "relation_labels" in sheet.properties:
                columns = {"labels": (sheet.properties["relation_labels"],)}
                for table in self._rows(sheet, columns, "labels"):
                    for line, text in zip(table.lines, table["labels"], strict=True):
                        yield from ((line, (one, str(label))) for one, label in _mapping(text).items())

    @cached_property
    def _all(self) -> list[_Sheet]:
        return _sheets(self.path)

    @property
    def _edges(self) -> list[_Sheet]:
        return [sheet for sheet in self._all if {"START_ID", "END_ID"} <= sheet.places.keys()]

    @property
    def _nodes(self) -> list[_Sheet]:
        sheets = [sheet for sheet in self._all if "ID" in sheet.places and sheet not in self._items]
        return [sheet for sheet in sheets if sheet.space != _META]

    @property
    def _items(self) -> list[_Sheet]:
        """The file of our own export with the items that are no entities."""
        return [sheet for sheet in self._all if sheet.space == "Item" and "entity_id" in sheet.properties]

    @cached_property
    def _prefixed(self) -> bool:
        """Whether two ID spaces have an id in common."""
        space_of: dict[str, str] = {}
        if len({sheet.space for sheet in self._nodes}) < 2:
            return False
        for sheet in self._nodes:
            for table in self._rows(sheet, {"id": (sheet.places["ID"],)}):
                if any(space_of.setdefault(one, sheet.space) != sheet.space for one in table["id"]):
                    return True
        return False

    def _ids(self, ids: list[str], space: str) -> list[str]:
        return [f"{space}:{one}" for one in ids] if self._prefixed and space else ids

    def _rows(self, sheet: _Sheet, columns: Mapping[str, Sequence[str]], *may_be_empty: str) -> Iterator[Table]:
        return read_table(sheet.path, columns, may_be_empty=may_be_empty, bad_rows=self.bad_rows, dialect=sheet.dialect)


class ApocJson(PathReader):
    """A file of JSON lines of ``apoc.export.json``; the id of an entity is the internal one of its node."""

    label: ClassVar[str] = "APOC JSON"
    parts: ClassVar[str] = "relationships as triples; ids are the internal ids of the nodes"

    @staticmethod
    def matches(one: dict[str, Any]) -> bool:
        """Return whether the first object of a file is a node or a relationship."""
        return one.get("type") in ("node", "relationship") and "id" in one

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield line and content of each object."""
        yield from read_objects(self.path, self.bad_rows)

    def triples(self) -> Iterator[Table]:
        """Yield the relationships."""
        yield from tables_of(("head", "relation", "tail"), self._triples(), self.path)

    def names(self) -> Iterator[Table]:
        """Yield the names of the nodes."""
        rows = ((line, (one, name)) for line, one, name, _ in self._nodes() if name)
        yield from tables_of(("entity_id", "name"), rows, self.path)

    def links(self) -> Iterator[Table]:
        """Yield the item of each node with the property ``item_id``."""
        rows = ((line, (item, one)) for line, one, _, item in self._nodes() if item)
        yield from tables_of(("item_id", "entity_id"), rows, self.path)

    def _triples(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        for line, one in self.objects():
            if one.get("type") == "relationship":
                try:
                    yield line, (str(one["start"]["id"]), str(one["label"]), str(one["end"]["id"]))
                except (KeyError, TypeError):
                    self.bad_rows.add(self.path, line, "a relationship without start, label or end")

    def _nodes(self) -> Iterator[tuple[int, str, str, str]]:
        for line, one in self.objects():
            if one.get("type") == "node":
                properties = one.get("properties") or {}
                if "id" not in one or not isinstance(properties, dict):
                    raise DataError(f"a node without id or properties: {shorten(str(one), 60)}", self.path, line)
                texts = {key: value for key, value in properties.items() if isinstance(value, str)}
                at = locate(list(texts), {"name": NAME_COLUMNS["name"]})
                name = list(texts.values())[at["name"]] if at else ""
                yield line, str(one["id"]), name, str(properties.get("item_id") or "")


def _csv_files(given: Path) -> list[Path]:
    return sorted([*given.glob("*.csv"), *given.glob("*.csv.gz")]) if given.is_dir() else [given]


def _sheets(given: Path) -> list[_Sheet]:
    found = []
    for path in _csv_files(given):
        sheet = _Sheet.of(path)
        if sheet is not None:
            found.append(sheet)
    return found


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _filled(table: Table) -> Table:
    """Leave out the rows with an empty cell."""
    columns = list(table.columns.values())
    kept = [at for at in range(len(table)) if all(column[at].strip() for column in columns)]
    lines = [table.lines[at] for at in kept]
    return Table({name: [column[at] for at in kept] for name, column in table.columns.items()}, lines, table.path)
