"""Reads the one CSV file of ``apoc.export.csv.all``, which has rows of nodes and rows of relationships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.graph.sources.readers.neo4j_files import ApocJson
from kptoolkit.storage.dialects import Sample
from kptoolkit.storage.layouts.table_layouts import header_cells
from kptoolkit.storage.text_tables import read_table

_NODE = ("_id", "_labels")
_RELATIONSHIP = ("_start", "_end", "_type")


class ApocCsv(ApocJson):
    """The same content as :class:`ApocJson`, a row for each node and each relationship."""

    label: ClassVar[str] = "APOC CSV"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Return whether a table has the columns of nodes and those of relationships."""
        return {*_NODE, *_RELATIONSHIP} <= set(header_cells(path, cls(path).reading))

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield line and content of each row, as an object of ``apoc.export.json``."""
        names = [name for name in dict.fromkeys(header_cells(self.path, self.reading)) if name]
        columns = {name: (name,) for name in names}
        dialect = Sample.read(self.path, self.reading.encoding).dialect()
        tables = read_table(self.path, columns, may_be_empty=columns, bad_rows=self.bad_rows, dialect=dialect)
        for table in tables:
            for line, *cells in zip(table.lines, *(table[name] for name in names), strict=True):
                yield line, _object(dict(zip(names, cells, strict=True)))


def _object(row: dict[str, str]) -> dict[str, Any]:
    if row["_type"]:
        ends = {"start": {"id": row["_start"]}, "end": {"id": row["_end"]}}
        return {"type": "relationship", "label": row["_type"], **ends}
    properties = {name: cell for name, cell in row.items() if name not in (*_NODE, *_RELATIONSHIP) and cell}
    return {"type": "node", "id": row["_id"], "properties": properties}
