"""Reads tables of items, such as ``movies.csv`` with genres: each value of a known column becomes a triple."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.json_readers.json_items import LOOKED_AT, JsonItems, JsonMapping, value_id, values_at
from kptoolkit.graph.sources.readers.path_reader import first_rows
from kptoolkit.graph.sources.tables.column_words import (
    has_ids,
    has_names,
    known_relations,
    labelled_item,
    names_of,
    relation_of,
    title_next_to,
    words_of,
)
from kptoolkit.storage.columns import INTERACTION_COLUMNS, ITEM_COLUMNS, check_candidates, locate
from kptoolkit.storage.dialects import Dialect, Reading, Sample, suffix_of, unpacked_name
from kptoolkit.storage.layouts.known_layouts import layout_of
from kptoolkit.storage.layouts.table_layouts import header_cells, numbered, recognize_table
from kptoolkit.storage.text_tables import BadRows, Table, read_table
from kptoolkit.storage.values.cells import is_missing

#: Endings of tables that may be one of items.
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".dat"})
_USER = {"user_id": INTERACTION_COLUMNS["user_id"]}
_ITEM = {"item_id": ITEM_COLUMNS["item_id"]}
_PROPERTIES = {"relation": ("property", "attribute", "feature"), "tail": ("value",)}
_SHARES = {"share": ("relevance",)}
"""Headers of a number that says how much of each value an item has, so that all items have all values."""
_MARKS = ("|", ", ", ";", ",")
_LONGEST_LIST = 1 << 20
"""Characters of a list in a cell, which takes a hundred times as much memory while it is read."""


class TableItems(JsonItems):
    """A table with an item in each row; an item may have several rows. Ids are those of :class:`JsonItems`."""

    label: ClassVar[str] = "a table of items"
    header: Sequence[str]
    dialect: Dialect
    relation_key: str = ""
    header_line: str = ""

    @classmethod
    def find(cls, path: Path, bad_rows: BadRows, reading: Reading, mapping: Path | None = None) -> TableItems | None:
        """Return the reader of a table of items with columns that are given or known, ``None`` if it is no such table.

        Args:
            path: The file.
            bad_rows: What to do with bad rows.
            reading: What the user says about the file; columns for ``item`` and ``tail`` are read whatever they are.
            mapping: File that says which columns become triples.

        Raises:
            ConfigError: The mapping file is wrong.
            DataError: Two columns may be the item, or there is no such column.
        """
        given = {"item", "tail"} <= reading.columns.keys() and "head" not in reading.columns
        known = suffix_of(path) in (*TABLE_SUFFIXES, ".item") and (given or mapping or _has_items(path, reading))
        if suffix_of(path) == ".parquet" or not (known or given):
            return None
        found = cls(path, bad_rows, reading)
        found._take_header()
        if mapping is not None:
            found.mapping = JsonMapping.read(mapping)
            found._require(found.mapping.id, "the mapping")
            found.check_mapping()
        elif given:
            found._take_given()
        else:
            found._take_known()
        found._check_doubled()
        return found if found.mapping.relations or found.mapping.items else None

    def _take_header(self) -> None:
        """Find the columns: by the header line, by a layout without one, or by the numbers that the user gives."""
        sample = Sample.read(self.path, self.reading.encoding)
        self.dialect = sample.dialect()
        self.header = header_cells(self.path, self.reading)
        layout = layout_of(self.path, "items")
        if "tail" in self.reading.columns and self.reading.numbered({"item_id": (), "tail": ()}):
            self.dialect, self.header_line = numbered(sample, self.dialect)
            self.header = self.dialect.header
        elif layout is not None and layout.dialect is not None:
            self.header = layout.header
            self.dialect = replace(layout.dialect, header=self.header, encoding=sample.encoding)

    def _check_doubled(self) -> None:
        """Check that no header of a column that is read occurs twice."""
        for name in self._used():
            places = [place for place, header in enumerate(self.header, 1) if name and header == name]
            if len(places) > 1:
                said = f"columns {places[0]} and {places[1]} are both called {shorten(name)}"
                raise DataError(f"{said}; rename one of them", self.path, 1)

    def _require(self, name: str, where: str) -> None:
        if name not in self.header:
            shown = shorten(", ".join(self.header), 200)
            raise DataError(f"no column '{shorten(name)}' (header: {shown}); correct {where}", self.path, 1)

    def _take_given(self) -> None:
        """Read the columns that the user gives."""
        item, tail, self.relation_key = (self.reading.columns.get(role, "") for role in ("item", "tail", "relation"))
        for name in filter(None, (item, tail, self.relation_key)):
            self._require(name, "--columns")
        relation = relation_of(tail)
        if tail.isdecimal():  # movie_actor.dat has movies and their actors
            first, _, second = relation_of(unpacked_name(self.path).rpartition(".")[0]).partition("_")
            relation = second or first
        title = self.reading.columns.get("title") or title_next_to(item, [one for one in self.header if one != tail])
        self.mapping = JsonMapping(item, title, {relation or tail: tail}, split=self.reading.split)
        if name := title_next_to(tail, self.header) if not has_names(tail) else "":
            self.name_columns[relation] = name

    def _take_known(self) -> None:
        """Read the columns whose headers have words that are known."""
        wanted = self.reading.spellings({**_ITEM, "title": ITEM_COLUMNS["title"]})
        check_candidates(self.header, wanted, self.path, 1)
        at = {name: self.header[place] for name, place in locate(self.header, wanted).items()}
        item = at.get("item_id") or labelled_item(self.header)
        title = at.get("title") or title_next_to(item, self.header)
        others = [name for name in self.header if name not in (item, title)]
        properties = {name: others[place] for name, place in locate(others, _PROPERTIES).items()}
        if len(properties) == len(_PROPERTIES):
            self.relation_key = properties["relation"]
            relations: dict[str, str | list[str]] = {self.relation_key: properties["tail"]}
        else:
            relations = {name: self._keys_of(name, columns) for name, columns in known_relations(others).items()}
        self.mapping = JsonMapping(item, title, relations, split=self.reading.split)

    def _keys_of(self, relation: str, columns: list[str]) -> str | list[str]:
        """Return the keys of a relation: the id of an id and its name, the names in lists of objects."""
        ids = [name for name in columns if has_ids(name)] or [name for name in columns if not has_names(name)]
        if len(ids) == 1 and len(columns) == 2:
            self.name_columns[relation] = next(name for name in columns if name not in ids)
            return ids[0]
        keys = [f"{name}.name" if any(map(_has_names, self._first_cells(name))) else name for name in columns]
        return keys[0] if len(keys) == 1 else keys

    @cached_property
    def name_columns(self) -> dict[str, str]:
        """Column with the names of the values by relation, next to that with their ids."""
        return {}

    def _used(self) -> list[str]:
        return [*super()._used(), *self.name_columns.values(), self.relation_key]

    @property
    def said(self) -> str:
        """The layout and what is read."""
        keys = [key for key in self.mapping.relations.values() if isinstance(key, str) and key in self.header]
        marks = [mark for mark in _MARKS if any(_are_divided(self._first_cells(key), mark) for key in keys)]
        marks += [" "] * any(key.endswith(":token_seq") for key in keys)  # RecBole's type of several values
        advice = f"; if '{marks[0]}' divides several values, give --split '{marks[0]}'" if marks else ""
        return f"{super().said}{self.header_line}{advice if not self.mapping.split else ''}"

    def _name_places(self) -> list[str]:
        return [*self.name_columns.values(), *super()._name_places()]

    def _first_cells(self, name: str) -> list[Any]:
        return [one[name] for _, one in islice(self.objects(), LOOKED_AT)]

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield line and cells of each row; a cell without a value is empty, and a list in a cell is one."""
        columns = {name: (name,) for name in self.header if name}
        tables = read_table(self.path, columns, may_be_empty=columns, bad_rows=self.bad_rows, dialect=self.dialect)
        for table in tables:
            for line, *cells in zip(table.lines, *(table[name] for name in columns), strict=True):
                yield line, {name: _value(cell) for name, cell in zip(columns, cells, strict=True)}

    def items(self) -> Iterator[Table]:
        """Yield each item once, with its title."""
        yield from first_rows(super().items(), "item_id")

    def links(self) -> Iterator[Table]:
        """Yield each item once, as the entity with its id."""
        yield from first_rows(super().links(), "item_id")

    def _facts(self) -> Iterator[tuple[int, str, str, str, str]]:
        """Yield line, item, relation, id and name of each value; a column may name the relation."""
        if not self.relation_key:
            yield from super()._facts()
            return
        ((named, key),) = self.mapping.relations.items()
        for line, item, one in self._objects():
            relation = str(one[self.relation_key])
            for value in self.values(self.path, line, values_at(one, key, self.mapping.split)) if relation else ():
                name = self.name_of(one, named, value) if named in self.name_columns else self.readable(value)
                yield line, item, relation, value_id(relation, value), name

    def name_of(self, one: dict[str, Any], relation: str, value: str) -> str:
        """Return the name of a value: that next to its id, that in another table, else ``""`` for an id."""
        if relation in self.name_columns:
            split, column = self.mapping.split, self.name_columns[relation]
            ids, names = (list(values_at(one, key, split)) for key in (self.mapping.relations[relation], column))
            return names[ids.index(value)].strip() if len(names) == len(ids) and value in ids else ""
        return self._listed_names.get(relation, {}).get(value, "" if self._has_ids(relation) else self.readable(value))

    def _has_ids(self, relation: str) -> bool:
        key = self.mapping.relations[relation]
        return isinstance(key, str) and (key.isdecimal() or (has_ids(key) and words_of(key)[-1] != "code"))

    @cached_property
    def _name_tables(self) -> Mapping[str, tuple[Path, str, str]]:
        """The tables next to this one with names of values, such as ``tags.dat``, and their columns."""
        wanted = [] if self.relation_key else [name for name in self.mapping.relations if self._has_ids(name)]
        files = sorted(path for path in self.path.parent.iterdir() if suffix_of(path) in TABLE_SUFFIXES)
        headers = {path: header_cells(path, self.reading) for path in files if wanted and path != self.path}
        found = {name: names_of(name, headers) for name in wanted if name not in self.name_columns}
        return {name: table for name, table in found.items() if table is not None}

    @property
    def name_files(self) -> list[Path]:
        """The tables next to this one with names of values."""
        return list(dict.fromkeys(path for path, _, _ in self._name_tables.values()))

    @cached_property
    def _listed_names(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for relation, (path, first, second) in self._name_tables.items():
            columns = {"entity_id": (first,), "name": (second,)}
            dialect = Sample.read(path, self.reading.encoding).dialect()
            for table in read_table(path, columns, may_be_empty=("name",), bad_rows=self.bad_rows, dialect=dialect):
                found.setdefault(relation, {}).update(zip(table["entity_id"], table["name"], strict=True))
        return found


def _has_items(path: Path, reading: Reading) -> bool:
    """Return whether a table has a column of items, and neither events nor triples."""
    names = header_cells(path, reading)
    if not reading.columns.keys().isdisjoint({"head", "relation", "tail"}) or locate(names, _USER):
        return False
    known = locate(names, reading.spellings(_ITEM)) or labelled_item(names) or layout_of(path, "items")
    if known and (share := locate(names, _SHARES)):
        value = next((column for columns in known_relations(names).values() for column in columns), "HEADER")
        item = names[next(iter(locate(names, reading.spellings(_ITEM)).values()), 0)]
        said = (
            f"says in {names[share['share']]} how much of each value an item has, so that all items may have all values"
        )
        options = f"--columns item={item},tail={value}"
        raise DataError(f"{said}; leave out the rows with little, or make a triple of every row with {options}", path)
    if not known:
        return False
    try:
        recognize_table(path, "triples", reading)
    except DataError:
        return True
    return False


def _value(cell: str) -> Any:
    """Return the content of a cell: ``""`` for what stands for no value, a list, or the text."""
    if cell[:1] == "[" and cell[-1:] == "]" and len(cell) <= _LONGEST_LIST:
        try:
            found = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return cell
        return found if isinstance(found, list) else cell
    return "" if is_missing(cell) else cell


def _has_names(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) and "name" in one for one in value)


def _are_divided(cells: Sequence[Any], mark: str) -> bool:
    """Return whether half of the texts have a mark in them."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell]
    return bool(texts) and sum(mark in text for text in texts) * 2 >= len(texts)
