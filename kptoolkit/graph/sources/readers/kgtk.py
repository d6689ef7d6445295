"""Reads edges in the KGTK format: names are edges with the label ``label``, or columns such as ``node1;label``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.rdf import RankedNames, rank_of_language
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.storage.columns import locate
from kptoolkit.storage.dialects import Sample
from kptoolkit.storage.text_tables import Table, header_of, read_table

_EDGE = {"node1": ("node1",), "label": ("label",), "node2": ("node2",)}
_NAMING = frozenset({"label", "rdfs:label", "skos:prefLabel", "P_label"})
_LIFTED = ("node1;label", "label;label", "node2;label")
_TEXT = re.compile(r"'(.*)'@([A-Za-z-]+)|\"(.*)\"", re.DOTALL)
_LITERAL = re.compile(r"['\"^!].*|@[+-]?\d.*|[+-]?\d+(?:\.\d+)?(?:[\[e].*)?|True|False", re.DOTALL)


class KgtkEdges(PathReader):
    """A file of KGTK edges. Texts, numbers, dates and places are literals and left out."""

    label: ClassVar[str] = "KGTK edges"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Return whether the header line of a file has the columns of edges."""
        try:
            names = header_of(path)
        except DataError:
            return False
        return len(locate(names, _EDGE)) == len(_EDGE)

    @property
    def said(self) -> str:
        """The layout and what is read."""
        lifted = "".join(f", {name} as name" for name in self._lifted)
        return f"{self.label}: node1 as head, label as relation, node2 as tail; edges named label are names{lifted}"

    def triples(self) -> Iterator[Table]:
        """Yield the edges between nodes, and count literals."""
        self.left_out = 0
        yield from tables_of(("head", "relation", "tail"), self._triples(), self.path)

    def names(self) -> Iterator[Table]:
        """Yield the names of nodes and relations."""
        found = RankedNames()
        for _, (head, relation, tail) in self._rows():
            if relation in _NAMING and (text := _TEXT.fullmatch(tail)) is not None:
                self._add(found, head, text)
        for names in self._lifted:
            columns = {"id": (names.partition(";")[0],), "name": (names,)}
            for table in read_table(self.path, columns, may_be_empty=("name",), bad_rows=self.bad_rows):
                for one, name in zip(table["id"], table["name"], strict=True):
                    for part in re.split(r"(?<!\\)\|", name):
                        if (text := _TEXT.fullmatch(part)) is not None:
                            self._add(found, one, text)
        yield found.table(str(self.path))

    def _add(self, found: RankedNames, one: str, text: re.Match[str]) -> None:
        plain = re.sub(r"\\(.)", r"\1", text[3] if text[1] is None else text[1])
        if plain.strip():
            found.add(one, (rank_of_language(text[2] or "", self.language), 0), plain)

    def _triples(self) -> Iterator[tuple[int, Sequence[str]]]:
        for line, (head, relation, tail) in self._rows():
            if relation in _NAMING and _TEXT.fullmatch(tail):
                continue
            if _LITERAL.fullmatch(tail) and not self.keep_literals:
                self.left_out += 1
                continue
            yield line, (head, relation, tail)

    def _rows(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        for table in read_table(self.path, _EDGE, bad_rows=self.bad_rows, dialect=Sample.read(self.path).dialect()):
            yield from zip(table.lines, zip(*(table[name] for name in _EDGE), strict=True), strict=True)

    @cached_property
    def _lifted(self) -> list[str]:
        names = header_of(self.path)
        return [name for name in _LIFTED if name in names]
