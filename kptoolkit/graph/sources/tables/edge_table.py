"""Reads tables of edges without a column of relations, such as ``Source, Target, Weight`` of Gephi or an edge list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.sources.readers.path_reader import NO_LABEL, PathReader
from kptoolkit.storage.columns import TRIPLE_COLUMNS, check_candidates, locate
from kptoolkit.storage.dialects import Dialect, Reading, Sample, suffix_of
from kptoolkit.storage.layouts.known_layouts import layout_of
from kptoolkit.storage.layouts.table_layouts import COLUMNS, header_cells, numbered
from kptoolkit.storage.text_tables import BadRows, Table, read_table
from kptoolkit.storage.values.cells import is_missing
from kptoolkit.storage.values.times import is_date

_ENDS: Mapping[str, tuple[str, ...]] = {name: tuple(TRIPLE_COLUMNS[name]) for name in ("head", "tail")}
_LABEL = {"label": ("label", "edge_label", "type", "edge_type")}
_GIVEN = {"head", "tail"}
_KINDS = frozenset({"", "directed", "undirected"})
"""Labels that do not say what an edge means."""
_NO_RELATIONS = _KINDS | {"true", "false", "yes", "no", "y", "n", "t", "f"}


def _are_relations(cells: Sequence[str]) -> bool:
    """Return whether the values of a column are words that occur again, twice each on average."""
    distinct = {cell.casefold() for cell in cells} - _NO_RELATIONS
    words = all(any(map(str.isalpha, cell)) and not is_date(cell[:10]) for cell in distinct)
    return bool(distinct) and words and 2 * len(distinct) <= len(cells)


class EdgeTable(PathReader):
    """A table with the two ends of an edge in each row; the relation is its label, else ``related_to``."""

    label: ClassVar[str] = "edges without relations"
    dialect: Dialect
    columns: Mapping[str, tuple[str, ...]]
    header: list[str]
    line: str = ""

    @classmethod
    def find(cls, path: Path, bad_rows: BadRows, reading: Reading) -> EdgeTable | None:
        """Return the reader of a table with both ends of edges and no relation, ``None`` if it is no such table.

        Args:
            path: The file.
            bad_rows: What to do with bad rows.
            reading: What the user says about the file; with columns for ``head`` and ``tail`` only, these are read
                whatever they are.

        Raises:
            DataError: Two columns may be the same end, or another column may be the relation.
        """
        given = reading.columns.keys() & {"head", "relation", "tail", "item", "user"}
        if suffix_of(path) == ".parquet" or given not in (set(), _GIVEN):
            return None
        found = cls(path, bad_rows, reading)
        found.header = header_cells(path, reading)
        sample = Sample.read(path, reading.encoding) if found.header else None
        if sample is None:
            return None
        found.dialect, wanted = sample.dialect(), reading.spellings(_ENDS)
        if given and reading.numbered(_ENDS):
            found.dialect, found.line = numbered(sample, found.dialect)
            found.header = list(found.dialect.header)
        at = locate(found.header, wanted)
        known = locate(found.header, {"relation": TRIPLE_COLUMNS["relation"]})
        events = locate(found.header, {"user_id": COLUMNS["interactions"]["user_id"]})
        if len(at) < len(_ENDS) or (not given and (known or events or layout_of(path, "triples") is not None)):
            return None
        check_candidates(found.header, wanted, path, 1)
        found.columns = {name: (found.header[place],) for name, place in at.items()}
        if not given:
            found._find_label(sample)
        return found

    def _find_label(self, sample: Sample) -> None:
        """Take the column of labels, and check that there is no other column of relations if there is none."""
        others = [name for name in self.header if (name,) not in self.columns.values()]
        if label := [others[place] for place in locate(others, _LABEL).values()]:
            self.columns = {**self.columns, "label": (label[0],)}
        else:
            self._check_relations(sample, others)

    def _check_relations(self, sample: Sample, others: Sequence[str]) -> None:
        """Check that no other column has texts that occur again, as the relations of edges do."""
        head, tail = (names[0] for names in self.columns.values())
        rows = [row for row in sample.rows(self.dialect)[1:] if len(row) == len(self.header)]
        for name in others:
            cells = [row[self.header.index(name)].strip() for row in rows]
            of_end = name.casefold().startswith((head.casefold(), tail.casefold()))
            if name and not of_end and _are_relations([cell for cell in cells if not is_missing(cell)]):
                said = f"has edges, and {shorten(name)} may be their relation; give --columns relation={shorten(name)}"
                other = f"--columns head={shorten(head)},tail={shorten(tail)} if they have none"
                raise DataError(f"{said}, or {other}", self.path, 1)

    @property
    def said(self) -> str:
        """The layout and what is read."""
        read = ", ".join(f"{names[0]} as {name}" for name, names in self.columns.items())
        others = [name for name in self.header if (name,) not in self.columns.values()]
        left = f"; not read: {', '.join(others)}" if others and not self.line else ""
        relation = f"an edge without a label is {NO_LABEL}; --columns relation=HEADER names another column"
        return f"{self.label}: {read}; {relation}{left}{self.line}"

    def triples(self) -> Iterator[Table]:
        """Yield the edges."""
        tables = read_table(
            self.path, self.columns, may_be_empty=("label",), bad_rows=self.bad_rows, dialect=self.dialect
        )
        for table in tables:
            labels = table.columns.get("label", [""] * len(table))
            relations = [NO_LABEL if label.strip().casefold() in _KINDS else label for label in labels]
            columns = {"head": table["head"], "relation": relations, "tail": table["tail"]}
            yield Table(columns, table.lines, table.path, table.cleaned)
