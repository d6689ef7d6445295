"""Reads GraphML, as networkx, Gephi, yEd and ``apoc.export.graphml`` write it, element by element."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar
from xml.parsers import expat

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.readers.neo4j_files import NODE_NAMES
from kptoolkit.graph.sources.readers.path_reader import NO_LABEL, NUMBER, PathReader, tables_of
from kptoolkit.graph.sources.xml_limits import XmlLimits
from kptoolkit.limits import current
from kptoolkit.storage.columns import TRIPLE_COLUMNS, locate
from kptoolkit.storage.dialects import first_bytes, suffix_of
from kptoolkit.storage.open_files import file_failures, open_bytes, too_long
from kptoolkit.storage.text_tables import Table

_SPELLED = (*TRIPLE_COLUMNS["relation"], "label", "label_e", "type", "relationship", "edge_type", "interaction")
_KINDS = tuple(name for name in _SPELLED if len(name) > 1 and name != "rel")
_RELATIONS = (*_KINDS, "shared_interaction", "name", "rel", *(name for name in _SPELLED if len(name) == 1))
_READ = (*NODE_NAMES, "item_id", *_RELATIONS)
_MOST_DEFAULTS = 100
_CHUNK = 1 << 16
_LABELS = ("NodeLabel", "EdgeLabel")
"""Elements of yEd with the text of a node or an edge."""


@lru_cache(maxsize=1000)
def _place(names: tuple[str, ...], spellings: tuple[str, ...]) -> int | None:
    """The position of the name that is spelled in one of these ways; nodes of one kind have the same names."""
    return locate(names, {"value": spellings}).get("value")


def _value(data: Mapping[str, str], spellings: tuple[str, ...]) -> str:
    names = tuple(data)
    place = _place(names, spellings)
    return "" if place is None else data[names[place]]


@dataclass
class _Element:
    """A node or an edge: its attributes, and its data by name."""

    kind: str
    line: int
    attributes: Mapping[str, str]
    data: dict[str, str] = field(default_factory=dict)

    def value(self, spellings: tuple[str, ...]) -> str:
        """Return the data with the first of these names that there is; else ``""``."""
        return _value(self.data, spellings)

    def relation(self) -> str:
        """Return the relation of an edge: a text if there is one, since a number may be its weight; else ``""``."""
        texts = {name: text for name, text in self.data.items() if not NUMBER.fullmatch(text)}
        return _value(texts, _RELATIONS) or _value(self.data, _KINDS)


class GraphMl(PathReader):
    """A GraphML file: its edges are triples, its nodes entities with their own ids."""

    label: ClassVar[str] = "GraphML"
    parts: ClassVar[str] = (
        f"edges as triples, relations of their label or type, else {NO_LABEL}; ids are those of the nodes, names of "
        "name, label or title"
    )

    @staticmethod
    def matches(path: Path) -> bool:
        """Return whether a file is GraphML by its name, or by its beginning if its name ends in ``.xml``."""
        suffix = suffix_of(path)
        return suffix == ".graphml" or (suffix == ".xml" and b"<graphml" in first_bytes(path)[0])

    def triples(self) -> Iterator[Table]:
        """Yield the edges."""
        yield from tables_of(("head", "relation", "tail"), self._triples(), self.path)

    def names(self) -> Iterator[Table]:
        """Yield the names of the nodes that have one."""
        found = ((node.line, (node.attributes["id"], node.value(NODE_NAMES))) for node in self._nodes())
        yield from tables_of(("entity_id", "name"), (row for row in found if row[1][1]), self.path)

    def links(self) -> Iterator[Table]:
        """Yield the item of each node with the data ``item_id``."""
        found = ((node.line, (node.value(("item_id",)), node.attributes["id"])) for node in self._nodes())
        yield from tables_of(("item_id", "entity_id"), (row for row in found if row[1][0]), self.path)

    def _triples(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        for edge in self._elements():
            if edge.kind == "node":
                continue
            head, tail = edge.attributes.get("source", ""), edge.attributes.get("target", "")
            if edge.kind == "edge" and head and tail:
                yield edge.line, (head, edge.relation() or edge.attributes.get("label") or NO_LABEL, tail)
            else:
                said = "an edge without source or target" if edge.kind == "edge" else "a hyperedge, which is no triple"
                self.bad_rows.add(self.path, edge.line, said)

    def _nodes(self) -> Iterator[_Element]:
        return (one for one in self._elements() if one.kind == "node" and one.attributes.get("id"))

    def _elements(self) -> Iterator[_Element]:
        """Yield nodes, edges and hyperedges as they end.

        Raises:
            DataError: It is no XML, or breaks a limit; with its line.
        """
        parser = _GraphParser(self.path)
        with file_failures(self.path, lambda: None), open_bytes(self.path) as file:
            while data := file.read(_CHUNK):
                parser.check(data)
                yield from parser.taken()
            parser.finish()
            yield from parser.taken()


class _GraphParser(XmlLimits):
    """Collects the nodes and edges of GraphML; nothing outside the file is fetched."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "GraphML")
        self._parser.CharacterDataHandler = self._text
        self._parser.SkippedEntityHandler = self._skipped
        self._fed = 0
        self._names: dict[str, str] = {}
        self._defaults: dict[tuple[str, str], str] = {}
        self._key: tuple[str, str] | None = None
        self._open: list[_Element] = []
        self._done: list[_Element] = []
        self._into: str | None = None
        self._pieces: list[str] = []
        self._size = 0
        self._is_graph = False

    def check(self, data: bytes) -> None:
        """Check and parse the next bytes.

        Raises:
            DataError: As in :class:`XmlLimits`; or there is a NUL byte, an element is too long, or it is no GraphML.
        """
        if b"\x00" in data:
            raise DataError("not UTF-8 text (it holds NUL bytes); save the file as UTF-8", self.path)
        super().check(data)
        self._fed += len(data)
        if self._fed - self._parser.CurrentByteIndex > current().line_bytes:
            self._refuse(too_long("element", current().line_bytes))

    def finish(self) -> None:
        """Check that the file is complete.

        Raises:
            DataError: It is not.
        """
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            reason = shorten(expat.ErrorString(error.code))
            raise DataError(f"no GraphML: {reason}; it ends early", self.path, error.lineno) from error

    def taken(self) -> list[_Element]:
        """Return the elements that ended since the last call."""
        done, self._done = self._done, []
        return done

    def _enter(self, name: str, attributes: dict[str, str]) -> None:
        super()._enter(name, attributes)
        kind = name.rpartition(":")[2]
        if not self._is_graph and kind != "graphml":
            self._refuse(f"no GraphML: it begins with <{shorten(kind, 40)}>")
        self._is_graph = True
        if kind in ("node", "edge", "hyperedge"):
            self._open.append(_Element(kind, self._parser.CurrentLineNumber, attributes))
            self._into, self._size = None, 0
        elif kind == "key":
            self._key = (attributes.get("for", "all"), attributes.get("id", ""))
            self._names[self._key[1]] = attributes.get("attr.name", self._key[1])
        elif kind == "data" and self._open:
            key = attributes.get("key", "")
            self._into = self._names.get(key, key)
            self._pieces = []
        elif kind in _LABELS and self._open:
            self._into, self._pieces = "label", []
        elif kind == "default" and self._key:
            self._into, self._pieces, self._size = "", [], 0

    def _leave(self, name: str) -> None:
        super()._leave(name)
        kind = name.rpartition(":")[2]
        text = "".join(self._pieces).strip()
        if kind == "default" and self._key:
            self._add_default(self._key, text)
        elif kind == "key":
            self._key = None
        elif kind in ("data", *_LABELS) and self._open and self._into is not None:
            if text:
                self._open[-1].data.setdefault(self._into, text)
        elif kind in ("node", "edge", "hyperedge"):
            self._end()
            return
        else:
            return
        self._into, self._pieces = None, []

    def _add_default(self, key: tuple[str, str], text: str) -> None:
        """Keep a default of what is read; every element is compared with all of them."""
        if text and _place((self._names[key[1]],), _READ) is not None:
            self._defaults[key] = text
            if len(self._defaults) > _MOST_DEFAULTS:
                self._refuse(f"more than {_MOST_DEFAULTS} keys of names and relations with a default")

    def _end(self) -> None:
        element = self._open.pop()
        for (of, key), value in self._defaults.items():
            if of in (element.kind, "all"):
                element.data.setdefault(self._names[key], value)
        self._done.append(element)

    def _text(self, text: str) -> None:
        if self._into is None:
            return
        self._pieces.append(text)
        self._size += len(text)
        if self._size > current().literal_characters:
            self._refuse(
                f"an element with more than {current().literal_characters:,} characters (limits.literal_characters)"
            )

    def _skipped(self, name: str, is_parameter: bool) -> None:
        self._refuse(f"refers to the entity {shorten(name, 40)}, which is not in the file; nothing is fetched")

    def _refuse(self, said: str) -> None:
        raise DataError(said, self.path, self._parser.CurrentLineNumber)
