"""Finds the files of a knowledge graph in a data folder, and reads them as tables of ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from kptoolkit.data.event_files import has_events
from kptoolkit.data.tables import Table, join_tables, tables_in
from kptoolkit.errors import DataError
from kptoolkit.graph import FileSource, folder_reader
from kptoolkit.graph.loading.source_names import NameCollector
from kptoolkit.graph.sources.id_map import IdMap
from kptoolkit.graph.sources.layouts import RDF_FORMATS, SUFFIXES, file_reader, readers_in, sort_tables, unread
from kptoolkit.graph.sources.open_source import add_file
from kptoolkit.storage import text_tables as text
from kptoolkit.storage.dialects import Reading, Sample, suffix_of
from kptoolkit.storage.layouts.json_rows import JSON_SUFFIXES
from kptoolkit.storage.layouts.parquet_tables import parquet_columns
from kptoolkit.storage.layouts.table_layouts import COLUMNS, Recognized, recognize_table
from kptoolkit.storage.text_tables import BadRows
from kptoolkit.storage.values.id_rules import IdRules

_OWN_SUFFIXES = (".kg", ".link", ".ent")


def graph_files(
    path: Path,
    reading: Reading,
    *,
    triples: bool = False,
    mapping: Path | None = None,
    language: str = "en",
    link_ids: str | None = None,
    item_ids: str | None = None,
    id_map: Path | None = None,
    most_bytes: int | None = None,
) -> FileSource | None:
    """Return the triples, names and links of a folder, or of a file that has triples; ``None`` if there are none.

    Rows that cannot be read are skipped and counted.

    Args:
        path: A folder, a file of triples, or a file of events, for which those of its folder are returned.
        reading: Columns and encoding, where the files do not tell them.
        triples: Whether the path is a file of triples, see :func:`has_triples`.
        mapping: As for :func:`kptoolkit.graph.open_source`, like the others.
        language: Preferred language of names in RDF.
        link_ids: Rules for ids of entities in links.
        item_ids: Rules for ids of items in links.
        id_map: File with ids in links and their ids in the graph.
        most_bytes: Size of all files above which none are returned; ``None`` for no limit.

    Raises:
        ConfigError: A rule for ids is wrong.
        DataError: A file cannot be read or is not recognized.
    """
    rules = IdRules.of(link_ids), IdRules.of(item_ids, "--item-ids")
    bad_rows = BadRows(skip=True)
    source = FileSource(bad_rows=bad_rows, reading=reading, language=language, link_ids=rules[0], item_ids=rules[1])
    if id_map is not None:
        source.id_map = IdMap.read(id_map, reading, bad_rows)
    if triples:
        add_file(source, path, mapping)
    else:
        _add_folder(source, path)
    files = [*source.triple_files, *source.link_files, *source.name_files, *(one.path for one in source.readers)]
    if not files or (most_bytes is not None and sum(map(_size, files)) > most_bytes):
        return None
    for reader in source.readers:
        reader.language = language
    source.recognize()
    return source


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def has_triples(path: Path, reading: Reading, mapping: Path | None = None) -> bool:
    """Return whether a path is a file of triples, and not of events."""
    suffix = suffix_of(path)
    if not path.is_file() or suffix == ".inter":
        return False
    if mapping is not None or SUFFIXES.get(suffix) in RDF_FORMATS or suffix == ".kg":
        return True
    try:
        if has_events(path, reading):
            return False
        if file_reader(path, BadRows(), reading) is not None or suffix in JSON_SUFFIXES:
            return True
        if suffix == ".parquet":
            return bool(parquet_columns(path, reading.spellings(COLUMNS["triples"])))
        return suffix in SUFFIXES and not _are_numbers(path, recognize_table(path, "triples", reading))
    except DataError:
        return False


def _are_numbers(path: Path, found: Recognized) -> bool:
    """Return whether a table without a header line has numbers alone, which may as well be events with ratings."""
    rows = Sample.read(path).rows(found.dialect) if found.dialect.header else []
    return bool(rows) and all(cell.strip().isdecimal() for row in rows for cell in row)


@dataclass(frozen=True)
class GraphTables:
    """What the files of a graph contain.

    Attributes:
        triples: Columns ``head``, ``relation``, ``tail``; ``None`` without any.
        names: Columns ``entity_id``, ``name``; ``None`` without any.
        links: Columns ``item_id``, ``entity_id``; ``None`` without any.
        several_names: Entities with several names, with the first, which counts, and the next.
        cleaned: Ids in triples that were cleaned of spaces, quotation marks, ``<>`` or ``.0``.
    """

    triples: pd.DataFrame | None = None
    names: pd.DataFrame | None = None
    links: pd.DataFrame | None = None
    several_names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    cleaned: int = 0

    @classmethod
    def read(cls, source: FileSource) -> GraphTables:
        """Read a source."""
        triples, named, collected = list(source.triples()), list(source.names()), NameCollector()
        for table in named:
            collected.add(table["entity_id"], table["name"], table.path)
        return cls(
            _frame(triples, ("head", "relation", "tail")),
            _frame(named, ("entity_id", "name")),
            _frame(source.links(), ("item_id", "entity_id")),
            collected.several,
            sum(table.cleaned for table in triples),
        )


def _frame(tables: Iterable[text.Table], columns: Sequence[str]) -> pd.DataFrame | None:
    found = [pd.DataFrame({name: table[name] for name in columns}, dtype=object) for table in tables]
    return pd.concat(found, ignore_index=True) if found else None


def items_of(source: FileSource, path: Path) -> Table | None:
    """Return the items that the reader of a layout lists, ``None`` if it lists none."""
    return join_tables(path, (_titled(table) for table in source.items()), ("item_id",))


def _titled(table: text.Table) -> text.Table:
    titles = table.columns.get("title", [""] * len(table))
    return text.Table({"item_id": table["item_id"], "title": titles}, table.lines, table.path)


def _add_folder(source: FileSource, path: Path) -> None:
    """Add the files of a folder: by their endings, else, if ``path`` is the folder, by its layout or by headers."""
    folder = path if path.is_dir() else path.parent
    own = {suffix: tables_in(folder, (suffix,)) for suffix in _OWN_SUFFIXES}
    if any(own.values()) or not path.is_dir():
        source.triple_files, source.link_files, source.name_files = own[".kg"], own[".link"], own[".ent"]
        return
    if (reader := folder_reader(folder, source.bad_rows, source.reading)) is not None:
        source.readers.append(reader)
        return
    try:
        found = sort_tables(folder, source.reading)
    except DataError:
        return  # several of one kind: none is that of these interactions before one is chosen
    readers = [] if found.get("triples") else readers_in(folder, source.bad_rows, source.reading)
    source.readers += readers
    for file in found.get("triples", []):
        add_file(source, file)
    source.link_files += found.get("links", [])
    source.name_files += unread(found.get("names", []), readers)
