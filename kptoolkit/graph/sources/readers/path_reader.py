"""Base of the readers of one layout: a folder or a file with triples, names, links, items or events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

from kptoolkit.errors import DataError
from kptoolkit.storage.dialects import Reading
from kptoolkit.storage.text_tables import BATCH_ROWS, BadRows, Table
from kptoolkit.storage.values.cells import clean_id, fault_of

#: Relation of an edge that has no label.
NO_LABEL = "related_to"
#: What an edge has as its weight or its number, and rarely as its relation.
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


@dataclass
class PathReader:
    """Reads one layout. Each method yields the columns of :class:`TripleSource`; here none of them yields anything.

    Attributes:
        path: The folder or file.
        bad_rows: What to do with bad rows.
        reading: What the user says about columns and encoding.
        language: Preferred language of names.
        keep_literals: Whether literals that are not names become entities.
        left_out: Number of literals that :meth:`triples` left out.
        cleaned: Number of values that :meth:`values` cleaned.
        label: Name of the layout.
        parts: What the layout has, for messages.
    """

    path: Path
    bad_rows: BadRows = field(default_factory=BadRows)
    reading: Reading = field(default_factory=Reading)
    language: str = "en"
    keep_literals: bool = False
    left_out: int = field(default=0, init=False)
    cleaned: int = field(default=0, init=False)
    label: ClassVar[str]
    parts: ClassVar[str]

    @property
    def said(self) -> str:
        """The layout and what is read."""
        return f"{self.label}: {self.parts}"

    @property
    def name_files(self) -> list[Path]:
        """The files next to :attr:`path` with names of values."""
        return []

    def values(self, path: Path, line: int, values: Iterable[str]) -> Iterator[str]:
        """Yield distinct values, of which ids are made, after cleaning; one that stands for no value makes a bad row.

        Args:
            path: The file.
            line: Line of the values.
            values: The values; empty ones are left out.
        """
        for value in filter(None, dict.fromkeys(values)):
            if (fault := fault_of("tail", value)) is None:
                found = clean_id(value)
                self.cleaned += found != value
                yield found
            else:
                self.bad_rows.add(path, line, fault)

    def counted(self, tables: Iterator[Table]) -> Iterator[Table]:
        """Add to tables how many values were cleaned while their rows were read."""
        before = self.cleaned
        for table in tables:
            yield replace(table, cleaned=table.cleaned + self.cleaned - before)
            before = self.cleaned

    def warnings(self) -> list[str]:
        """Return what is probably wrong, a sentence each."""
        return []

    def triples(self) -> Iterator[Table]:
        """Yield the columns ``head``, ``relation``, ``tail``."""
        yield from ()

    def names(self) -> Iterator[Table]:
        """Yield the columns ``entity_id``, ``name``."""
        yield from ()

    def links(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``entity_id``."""
        yield from ()

    def items(self) -> Iterator[Table]:
        """Yield the columns ``item_id`` and, if there are titles, ``title``."""
        yield from ()

    def interactions(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id`` and, if there are times, ``time``."""
        yield from ()


def tables_of(
    columns: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]], path: Path, size: int = BATCH_ROWS
) -> Iterator[Table]:
    """Yield tables of rows, ``size`` rows each.

    Args:
        columns: Names of the columns.
        rows: Line number and cells of each row.
        path: The file, for messages.
        size: Maximum number of rows of a table.
    """
    whole = iter(rows)
    while batch := list(islice(whole, size)):
        lines, cells = zip(*batch, strict=True)
        values = zip(*cells, strict=True)
        yield Table({name: list(column) for name, column in zip(columns, values, strict=True)}, lines, str(path))


def first_rows(tables: Iterable[Table], column: str) -> Iterator[Table]:
    """Leave out rows whose id in a column an earlier row has."""
    seen = set[str]()
    for table in tables:
        first: dict[str, int] = {}
        for at, one in enumerate(table[column]):
            first.setdefault(one, at)
        kept = [at for one, at in first.items() if one not in seen]
        seen.update(first)
        columns = {name: [cells[at] for at in kept] for name, cells in table.columns.items()}
        yield Table(columns, [table.lines[at] for at in kept], table.path, table.cleaned)


def translated(table: Table, ids: Mapping[str, Mapping[str, str]]) -> Table:
    """Return a table with other ids.

    Args:
        table: The table.
        ids: New id by old id, by column.

    Raises:
        DataError: An id is not listed; with file and line.
    """
    columns = dict(table.columns)
    for name, known in ids.items():
        try:
            columns[name] = [known[value] for value in columns[name]]
        except KeyError:
            at = next(at for at, value in enumerate(columns[name]) if value not in known)
            said = f"the {name} '{columns[name][at]}' is not in the list of ids; correct one of the files"
            raise DataError(said, table.path, table.lines[at]) from None
    return Table(columns, table.lines, table.path)
