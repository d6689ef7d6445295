"""Reads graphs in JSON that are one document: nodes and links, results of SPARQL, lists of head, relation and tail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.readers.path_reader import NO_LABEL, NUMBER, PathReader, tables_of
from kptoolkit.storage.columns import TRIPLE_COLUMNS, locate
from kptoolkit.storage.dialects import Sample
from kptoolkit.storage.layouts.json_rows import read_json
from kptoolkit.storage.text_tables import Table

_LISTS = re.compile(r'\s*\[\s*\[\s*"')
_DOCUMENT = re.compile(r'\s*\{(?=.*"(?:nodes|elements|bindings|triples)"\s*:)', re.DOTALL)
_KINDS = ("relation", "label", "type", "relationship", "predicate", "interaction", "shared_interaction")
_RELATION = (*_KINDS, "shared interaction", "key", "name")
_NAME = ("name", "label", "title")
_WIDTH = 3


class JsonGraph(PathReader):
    """One document of JSON that is a graph, as networkx, d3, Cytoscape and SPARQL servers write it."""

    label: ClassVar[str] = "a graph in JSON"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Return whether the beginning of a file is that of such a document."""
        try:
            start = "\n".join(Sample.read(path).lines)
        except DataError:
            return False
        return bool(_LISTS.match(start) or (_DOCUMENT.match(start) and not _is_whole(start)))

    @property
    def said(self) -> str:
        """The layout and what is read."""
        return f"{self.label}: {self._kind}"

    def triples(self) -> Iterator[Table]:
        """Yield the triples."""
        yield from tables_of(("head", "relation", "tail"), enumerate(self._triples, 1), self.path)

    def names(self) -> Iterator[Table]:
        """Yield the names of nodes."""
        rows = ((number, (_text(one.get("id")), _first(one, _NAME))) for number, one in enumerate(self._nodes, 1))
        yield from tables_of(("entity_id", "name"), (row for row in rows if all(row[1])), self.path)

    @cached_property
    def _parts(self) -> dict[str, Any]:
        found = read_json(self.path)
        inner = found.get("elements", found) if isinstance(found, dict) else {"triples": found}
        return inner if isinstance(inner, dict) else {}

    @property
    def _kind(self) -> str:
        if "results" in self._parts:
            return "results of SPARQL, one triple each"
        if "triples" in self._parts:
            return "lists of head, relation and tail"
        return f"edges of nodes as triples, relations of their label or type, else {NO_LABEL}; names of name or label"

    @property
    def _nodes(self) -> list[dict[str, Any]]:
        """The nodes; where none has an id, links name their places."""
        nodes = [_data(one) for one in self._list(self._parts, "nodes")] if "nodes" in self._parts else []
        if any("id" in one for one in nodes):
            return nodes
        return [{**one, "id": place} for place, one in enumerate(nodes)]

    @cached_property
    def _triples(self) -> list[Sequence[str]]:
        if "results" in self._parts:
            return self._bindings()
        if "triples" in self._parts:
            return [self._row(number, one) for number, one in enumerate(self._list(self._parts, "triples"), 1)]
        edges = self._list(self._parts, "links" if "links" in self._parts else "edges")
        return [self._edge(number, _data(one)) for number, one in enumerate(edges, 1)]

    def _bindings(self) -> list[Sequence[str]]:
        results = self._parts["results"]
        rows = self._list(results if isinstance(results, dict) else {}, "bindings")
        keys = list(rows[0]) if rows and isinstance(rows[0], dict) else []
        at = locate(keys, self.reading.spellings(TRIPLE_COLUMNS))
        if len(at) < _WIDTH:
            said = f"has results of SPARQL for {', '.join(keys)}, and not for a head, a relation and a tail"
            raise DataError(f"{said}; write them as CSV, where columns may be items and their labels", self.path)
        wanted = [keys[place] for place in at.values()]
        return [[_text((one.get(key) or {}).get("value")) for key in wanted] for one in rows if isinstance(one, dict)]

    def _edge(self, number: int, one: dict[str, Any]) -> Sequence[str]:
        ends = [_text(one.get(key)) for key in ("source", "target")]
        if not all(ends):
            raise DataError("an edge without source and target; correct it", self.path, number)
        texts = {key: text for key, text in one.items() if not NUMBER.fullmatch(_text(text))}
        return ends[0], _first(texts, _RELATION) or _first(one, _KINDS) or NO_LABEL, ends[1]

    def _row(self, number: int, one: Any) -> Sequence[str]:
        if isinstance(one, dict):
            keys = list(one)
            one = [one[keys[place]] for place in locate(keys, self.reading.spellings(TRIPLE_COLUMNS)).values()]
        cells = [_text(cell) for cell in one] if isinstance(one, list) else []
        if len(cells) != _WIDTH:
            raise DataError("no list of head, relation and tail; correct it", self.path, number)
        return cells

    def _list(self, found: dict[str, Any], key: str) -> list[Any]:
        values = found.get(key)
        if not isinstance(values, list):
            raise DataError(f"has no list of {key}; correct it", self.path)
        return values


def _is_whole(start: str) -> bool:
    """Return whether the first line is an object of its own, as in JSON lines."""
    first = start.partition("\n")
    return first[0].rstrip().endswith("}") and first[2].lstrip().startswith("{")


def _data(one: Any) -> dict[str, Any]:
    """Return the content of a node or an edge, which Cytoscape writes below ``data``."""
    inner = one.get("data", one) if isinstance(one, dict) else {}
    return inner if isinstance(inner, dict) else {}


def _first(one: dict[str, Any], keys: Sequence[str]) -> str:
    return next((found for key in keys if (found := _text(one.get(key)))), "")


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
