"""Sources of triples in files and folders: tables, RDF, and the layouts of public data sets; gzip of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import cast

from kptoolkit.errors import DataError, UnknownNameError, shorten
from kptoolkit.graph.sources.id_map import IdMap
from kptoolkit.graph.sources.json_readers.json_items import JsonItems
from kptoolkit.graph.sources.layouts import (
    RDF_FORMATS,
    SUFFIXES,
    Format,
    format_of,
    no_links_said,
    renumbered_said,
    whole_layouts,
)
from kptoolkit.graph.sources.rdf import Literals, RankedNames, RdfFile, RdfFileFormat, distinct_path
from kptoolkit.graph.sources.readers.kgcn import positive
from kptoolkit.graph.sources.readers.name_file import NameFile
from kptoolkit.graph.sources.readers.path_reader import PathReader
from kptoolkit.graph.sources.tables.column_words import names_next_to
from kptoolkit.graph.sources.tables.table_rows import split_tails, with_times
from kptoolkit.names import nearest
from kptoolkit.storage.columns import columns_said
from kptoolkit.storage.dialects import Reading, suffix_of
from kptoolkit.storage.layouts.known_layouts import Kind
from kptoolkit.storage.layouts.parquet_tables import parquet_columns, read_parquet
from kptoolkit.storage.layouts.table_layouts import (
    OPTIONAL,
    Recognized,
    header_cells,
    recognize_parquet,
    recognize_table,
)
from kptoolkit.storage.text_tables import BadRows, Table, clean_table, read_table
from kptoolkit.storage.values.id_rules import IdRules
from kptoolkit.storage.values.ratings import high_enough, left_out_said


@dataclass
class FileSource:
    """Triples in files.

    Attributes:
        triple_files: Files of triples.
        name_files: Files with entity names.
        link_files: Files that link items to entities.
        item_files: Files that list items, with or without titles.
        interaction_files: Files with interactions.
        readers: Readers of folders and files in a layout of their own.
        format: Format of the files of triples; ``None`` recognizes it.
        bad_rows: What to do with bad rows.
        language: Preferred language of names in RDF.
        literals: What to do with RDF literals that are not names.
        reading: What the user says about columns, encoding and lists in cells.
        link_ids: Rules for the ids of entities in links.
        item_ids: Rules for the ids of items in links and item files.
        id_map: Ids of the graph by an id in links; they come before :attr:`link_ids`.
        leave_out: Relations that are left out.
        with_interactions: Whether events are read.
        event_items: Ids of the items of events that are read elsewhere, with which :attr:`item_ids` may compare.
        events_nearby: A file with events in the folder of the triples, whether it is read or not.
        not_read: Files of a folder that have nothing that is known.
        recognized: What was recognized, for messages; one text per file or folder without the usual header line.
    """

    triple_files: list[Path] = field(default_factory=list)
    name_files: list[Path] = field(default_factory=list)
    link_files: list[Path] = field(default_factory=list)
    item_files: list[Path] = field(default_factory=list)
    interaction_files: list[Path] = field(default_factory=list)
    readers: list[PathReader] = field(default_factory=list)
    format: Format | None = None
    bad_rows: BadRows = field(default_factory=BadRows)
    language: str = "en"
    literals: Literals = "drop"
    reading: Reading = field(default_factory=Reading)
    link_ids: IdRules = field(default_factory=IdRules)
    item_ids: IdRules = field(default_factory=IdRules)
    id_map: IdMap | None = None
    leave_out: Sequence[str] = ()
    with_interactions: bool = False
    event_items: Sequence[str] = ()
    events_nearby: Path | None = None
    not_read: list[Path] = field(default_factory=list)
    recognized: list[str] = field(default_factory=list)
    _low_ratings: int = field(default=0, init=False)
    _rdf: dict[Path, RdfFile] = field(default_factory=dict, init=False)
    _tables: dict[tuple[Path, Kind], Recognized] = field(default_factory=dict, init=False)
    _formats: dict[Path, Format] = field(default_factory=dict, init=False)

    @property
    def label(self) -> str:
        """The paths of the files and folders of triples."""
        return ", ".join(str(path) for path in [*(reader.path for reader in self.readers), *self.triple_files])

    @property
    def literals_left_out(self) -> int:
        """Number of RDF literals that are neither names nor entities, after :meth:`triples` was read."""
        return sum(file.left_out for file in self._rdf.values()) + sum(reader.left_out for reader in self.readers)

    def warnings(self) -> list[str]:
        """Return what is probably wrong with the files, a sentence each, after everything was read."""
        found = [] if self.id_map is None else self.id_map.warnings()
        found.append(left_out_said(self._low_ratings, self.reading.min_rating or 0.0))
        found += [said for reader in self.readers for said in reader.warnings()]
        if not self.link_files and self.id_map is None:
            found += [renumbered_said(reader.path) for reader in self.readers if isinstance(reader, JsonItems)]
        found = list(dict.fromkeys(filter(None, found)))
        if self.events_nearby is None or self.link_files or self.readers:
            return found
        return [*found, no_links_said(self.events_nearby, self.reading)]

    def triples(self) -> Iterator[Table]:
        """Yield the columns ``head``, ``relation``, ``tail``, without the relations of :attr:`leave_out`.

        Raises:
            UnknownNameError: No triple has one of these relations.
        """
        if not self.leave_out:
            yield from self._triples()
            return
        seen: set[str] = set()
        for table in self._triples():
            seen.update(table["relation"])
            kept = [at for at, relation in enumerate(table["relation"]) if relation not in self.leave_out]
            columns = {name: [column[at] for at in kept] for name, column in table.columns.items()}
            yield Table(columns, [table.lines[at] for at in kept], table.path, table.cleaned)
        for relation in self.leave_out:
            if relation not in seen:
                raise UnknownNameError("relation", relation, nearest(relation, sorted(seen)))

    def _cleaned(self, tables: Iterable[Table]) -> Iterator[Table]:
        return (clean_table(table, self.bad_rows) for table in tables)

    def _triples(self) -> Iterator[Table]:
        for reader in self.readers:
            yield from self._cleaned(reader.triples())
        for path in self.triple_files:
            if (file := self._rdf_file(path)) is not None:
                yield from file.triples()
                continue
            for table in self._read(path, "triples"):
                yield split_tails(table, self.reading.split)

    def names(self) -> Iterator[Table]:
        """Yield the columns ``entity_id``, ``name``; those of files with names first, since the first name counts."""
        for path in self.name_files:
            named = NameFile(path, self.bad_rows) if NameFile.matches(path) else None
            yield from self._read(path, "names") if named is None else self._cleaned(named.names())
        for reader in self.readers:
            yield from self._cleaned(reader.names())
        of_rdf = []
        for path in self.triple_files:
            if (file := self._rdf_file(path)) is not None:
                of_rdf.append(file.names())
            else:
                yield from self._names_in_triples(path)
        if of_rdf:
            yield RankedNames.merged(of_rdf).table(self.label)

    def links(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``entity_id``.

        Raises:
            DataError: Rules for ids make two ids of the triples or interactions equal, there is nothing whose ids they
                rewrite, or :attr:`id_map` lists no id of a link.
        """
        tables: Iterable[Table] = self._linked()
        if self.link_ids or self.item_ids:
            tables = list(tables)
            self._require_links(tables)
        if self.id_map is not None:
            tables = self.id_map.applied(list(tables), self.label)
        final = () if self.id_map is None else self.id_map.graph_ids
        tables = self._ruled(tables, "entity_id", self.link_ids, self._triple_ids, final)
        yield from self._ruled(tables, "item_id", self.item_ids, self._event_ids)

    def _require_links(self, tables: Sequence[Table]) -> None:
        """Check that there is something whose ids the rules rewrite."""
        if any(map(len, tables)):
            return
        option = "--link-ids" if self.link_ids else "--item-ids"
        if self.link_ids or not any(map(len, self._listed())):
            raise DataError(f"has no links, whose ids {option} would rewrite; give them with --link", self.label)

    def _linked(self) -> Iterator[Table]:
        if not self.link_files:
            for reader in self.readers:
                yield from self._cleaned(reader.links())
        for path in self.link_files:
            yield from self._read(path, "links")

    def items(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``title``."""
        yield from self._ruled(self._listed(), "item_id", self.item_ids, self._event_ids)

    def _listed(self) -> Iterator[Table]:
        if not self.item_files:
            for reader in self.readers:
                if not (self.link_files and isinstance(reader, JsonItems)):  # its items are its entities
                    yield from self._cleaned(reader.items())
        for path in self.item_files:
            yield from self._read(path, "items")

    def interactions(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id``, ``time``, ``rating``."""
        readers = self.readers if self.with_interactions else []
        tables = [self._cleaned(reader.interactions()) for reader in readers]
        tables += [self._read(path, "interactions") for path in self.interaction_files]
        self._low_ratings = 0
        for table in chain.from_iterable(tables):
            yield table if self.reading.min_rating is None else self._rated(table, self.reading.min_rating)

    def _rated(self, table: Table, min_rating: float) -> Table:
        """Leave out events with a low rating, and count them."""
        high = high_enough(table.columns, min_rating, table.path or self.label, table.lines)
        kept = [at for at, one in enumerate(high.tolist()) if one]
        self._low_ratings += len(table) - len(kept)
        columns = {name: [column[at] for at in kept] for name, column in table.columns.items()}
        return Table(columns, [table.lines[at] for at in kept], table.path, table.cleaned)

    def recognize(self) -> None:
        """Recognize every file, and fill :attr:`recognized`.

        Raises:
            DataError: A file cannot be read or is not recognized.
        """
        self.recognized = [f"{reader.said} ({reader.path})" for reader in self.readers]
        for path in self.triple_files:
            if self._rdf_file(path) is None:
                with whole_layouts(path):
                    self._recognized(path, "triples")
        for kind, files in self._others().items():
            for path in files:
                if kind == "names" and NameFile.matches(path):
                    self.recognized.append(f"{NameFile(path).said} ({path})")
                else:
                    self._recognized(path, kind)
        said = ((path, self._said(path, kind)) for path, kind in self._tables)
        self.recognized += [f"{text} ({path})" for path, text in said if text]
        if self.not_read:
            names = shorten(", ".join(path.name for path in self.not_read), 300)
            self.recognized.append(f"no triples in {names}; not read")

    def _said(self, path: Path, kind: Kind) -> str:
        """Return which columns of a table are read as what, ``""`` for the usual ones."""
        found = self._tables[path, kind]
        named = [name for _, name in self._name_columns(path)] if kind == "triples" and found.layout is None else []
        if not named:
            return found.said
        others = [name for name in header_cells(path, self.reading) if name not in named]
        return "; ".join(filter(None, (columns_said(others, found.columns), f"names in {', '.join(named)}")))

    def _ruled(
        self,
        tables: Iterable[Table],
        column: str,
        rules: IdRules,
        known: Callable[[], Iterable[str]],
        final: Collection[str] = (),
    ) -> Iterable[Table]:
        """Rewrite the ids of a column, but not those that are final."""
        if not rules:
            return tables
        listed = list(tables)
        given = dict.fromkeys(one for table in listed for one in table[column] if one not in final)
        ids = rules.rewritten(given, known).require(self.label)
        changed = ((table, [ids.get(one, one) for one in table[column]]) for table in listed)
        return [Table({**table.columns, column: cells}, table.lines, table.path) for table, cells in changed]

    def _triple_ids(self) -> Iterator[str]:
        for table in self.triples():
            yield from table["head"]
            yield from table["tail"]

    def _event_ids(self) -> Iterator[str]:
        yield from self.event_items
        for table in self.interactions():
            yield from table["item_id"]

    def _others(self) -> dict[Kind, list[Path]]:
        return {
            "names": self.name_files,
            "links": self.link_files,
            "items": self.item_files,
            "interactions": self.interaction_files,
        }

    def _recognized(self, path: Path, kind: Kind) -> Recognized:
        if (path, kind) not in self._tables and suffix_of(path) == ".parquet":
            found = recognize_parquet(path, kind, self.reading)
            parquet_columns(path, found.columns, OPTIONAL)
            self._tables[path, kind] = found
        if (path, kind) not in self._tables:
            csv = self._format_of(path) == "csv" if kind == "triples" else None
            self._tables[path, kind] = recognize_table(path, kind, self.reading, csv=csv)
        return self._tables[path, kind]

    def _read(self, path: Path, kind: Kind) -> Iterator[Table]:
        found = self._recognized(path, kind)
        optional = OPTIONAL & found.columns.keys()
        may_be_empty = {*optional, *(("name",) if kind == "names" else ())}
        if suffix_of(path) == ".parquet":
            tables = read_parquet(
                path, found.columns, optional=optional, may_be_empty=may_be_empty, bad_rows=self.bad_rows
            )
        else:
            tables = read_table(
                path,
                found.columns,
                optional=optional,
                may_be_empty=may_be_empty,
                bad_rows=self.bad_rows,
                dialect=found.dialect,
            )
        if found.layout is not None and found.layout.only_positive:
            return map(positive, tables)
        return map(with_times, tables) if found.columns.keys() & {"year", "clock"} else tables

    def _names_in_triples(self, path: Path) -> Iterator[Table]:
        """Yield the names of a file of triples whose layout has names, or ids that are readable."""
        found = self._recognized(path, "triples")
        layout = found.layout
        for entity, name in self._name_columns(path) if layout is None else layout.names:
            columns = {"entity_id": (entity,), "name": (name,)}
            yield from read_table(
                path, columns, may_be_empty=("name",), bad_rows=BadRows(skip=True), dialect=found.dialect
            )
        name_of = None if layout is None else layout.name_of
        if name_of is not None:
            for table in self._read(path, "triples"):
                ids = list(dict.fromkeys([*table["head"], *table["tail"]]))
                yield Table(
                    {"entity_id": ids, "name": [name_of(one) for one in ids]}, range(1, len(ids) + 1), str(path)
                )

    def _name_columns(self, path: Path) -> list[tuple[str, str]]:
        """Return the headers of ids and their names in a table of triples, such as ``subject, subjectLabel``."""
        headers = [] if suffix_of(path) == ".parquet" else header_cells(path, self.reading)
        return names_next_to(self._recognized(path, "triples").columns, headers) if headers else []

    def _rdf_file(self, path: Path) -> RdfFile | None:
        kind = self._format_of(path)
        if kind not in RDF_FORMATS:
            return None
        rdf = cast(RdfFileFormat, kind)
        label = distinct_path(path, self.triple_files)
        return self._rdf.setdefault(path, RdfFile(path, rdf, self.bad_rows, self.language, self.literals, label))

    def _format_of(self, path: Path) -> Format:
        """Return the format of a file; a ``.kg`` file is always RecBole's."""
        if path not in self._formats:
            known = SUFFIXES.get(suffix_of(path))
            if known == "recbole" or self.format is None:
                self._formats[path], said = format_of(path)
                self.recognized += [f"{said} ({path})"] if said else []
            else:
                self._formats[path] = self.format
        return self._formats[path]
