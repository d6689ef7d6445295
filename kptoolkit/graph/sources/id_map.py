"""A file that says which id of the graph stands for an id in links or of an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kptoolkit.errors import DataError, shorten
from kptoolkit.names import quantity
from kptoolkit.storage.columns import LINK_COLUMNS, check_candidates, locate
from kptoolkit.storage.dialects import Dialect, Reading, Sample, suffix_of
from kptoolkit.storage.layouts.parquet_tables import parquet_columns, read_parquet
from kptoolkit.storage.text_tables import BadRows, Table, read_table
from kptoolkit.storage.values.id_rules import propose

#: Headers of the id that is replaced, and of the id of the graph.
COLUMNS: Mapping[str, Sequence[str]] = {
    "item_id": (*LINK_COLUMNS["item_id"], "link_id", "from", "from_id", "old_id", "source_id", "id"),
    "entity_id": (*LINK_COLUMNS["entity_id"], "graph_id", "to", "to_id", "new_id", "target_id"),
}


@dataclass
class IdMap:
    """Ids of the graph by an id in links or of an item.

    Attributes:
        path: The file.
        ids: Id of the graph by the other id.
        repeated: Rows with an id that an earlier row gives another id of the graph; the earlier one counts.
        unmatched: Rows whose id is in no link, after :meth:`applied`.
        headless: Whether the file has two columns and no header that is known.
    """

    path: Path
    ids: dict[str, str] = field(default_factory=dict)
    repeated: int = 0
    unmatched: int = 0
    headless: bool = False

    @classmethod
    def read(cls, path: Path, reading: Reading, bad_rows: BadRows) -> IdMap:
        """Read a table with a column of ids and one of ids of the graph, or with these two columns alone.

        Raises:
            DataError: It cannot be read, or its columns are not known.
        """
        found = cls(path)
        for table in found._tables(reading, bad_rows):
            for one, graph_id in zip(table["item_id"], table["entity_id"], strict=True):
                found.repeated += found.ids.setdefault(one, graph_id) != graph_id
        return found

    @property
    def graph_ids(self) -> frozenset[str]:
        """The ids of the graph."""
        return frozenset(self.ids.values())

    def applied(self, tables: Sequence[Table], label: str) -> list[Table]:
        """Replace the ids of links that are listed: the ids of entities, or those of items if more of them are listed.

        Args:
            tables: Tables with the columns ``item_id`` and ``entity_id``.
            label: Name of the source, for messages.

        Raises:
            DataError: No id of a link is listed.
        """
        columns = {name: {one for table in tables for one in table[name]} for name in ("entity_id", "item_id")}
        by = max(columns, key=lambda name: len(columns[name] & self.ids.keys()))
        listed = columns[by] & self.ids.keys()
        if not listed:
            self._raise(columns["entity_id"], label)
        first = next(iter(self.ids))
        self.unmatched = len(self.ids) - len(listed) - (self.headless and first not in listed)
        return [
            Table(
                {
                    **table.columns,
                    "entity_id": [
                        self.ids.get(one, own) for one, own in zip(table[by], table["entity_id"], strict=True)
                    ],
                },
                table.lines,
                table.path,
            )
            for table in tables
        ]

    def warnings(self) -> list[str]:
        """Return a sentence for rows that are not used, and one for ids that are listed with several ids."""
        said = []
        if self.unmatched:
            said.append(f"{quantity(self.unmatched, 'rows')} of {self.path} have an id that is in no link")
        if self.repeated:
            rows = quantity(self.repeated, "rows")
            said.append(f"{rows} of {self.path} give an id a second id of the graph; the first stays")
        return said

    def _tables(self, reading: Reading, bad_rows: BadRows) -> list[Table]:
        wanted = reading.spellings(COLUMNS, usual_too=True)
        if suffix_of(self.path) == ".parquet":
            parquet_columns(self.path, wanted, ())
            return list(read_parquet(self.path, wanted, bad_rows=bad_rows))
        return list(read_table(self.path, wanted, bad_rows=bad_rows, dialect=self._dialect(reading, wanted)))

    def _dialect(self, reading: Reading, wanted: Mapping[str, Sequence[str]]) -> Dialect:
        sample = Sample.read(self.path, reading.encoding)
        dialect = sample.dialect()
        rows = sample.rows(dialect)
        names = [cell.strip() for cell in rows[0]] if rows else []
        if len(locate(names, wanted)) == len(wanted) or not names:
            check_candidates(names, wanted, self.path, 1)
            return dialect
        if len(names) != len(wanted):
            said = f"no columns with ids and ids of the graph (header: {shorten(', '.join(names), 200)})"
            advice = "say which they are with --columns item=HEADER,entity=HEADER, or keep these two columns alone"
            raise DataError(f"{said}; {advice}; {sample.shown()}", self.path, 1)
        self.headless = True
        return replace(dialect, header=tuple(wanted))

    def _raise(self, linked: set[str], label: str) -> None:
        if not linked:
            said = f"has no links, whose ids --id-map {self.path} would replace"
            raise DataError(f"{said}; if the rows of that file link items to entities, give it with --link", label)
        one, other = min(linked), next(iter(self.ids), "no id")
        proposal = propose(self.ids, linked)
        advice = f": {proposal.example[0]} would have to be {proposal.example[1]}" if proposal else ""
        said = f"lists no id of a link: links have e.g. {shorten(one)}, the file e.g. {shorten(other)}{advice}"
        raise DataError(said, self.path)
