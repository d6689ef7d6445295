"""Recognizes what is at a path of a knowledge graph: the layout of a folder, or the format of a file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from kptoolkit.arguments import checked
from kptoolkit.errors import DataError
from kptoolkit.graph.sources.foreign_formats import foreign_in, foreign_said
from kptoolkit.graph.sources.json_readers.json_graph import JsonGraph
from kptoolkit.graph.sources.json_readers.json_items import JsonItems, JsonTriples
from kptoolkit.graph.sources.json_readers.kp4sr_json import Kp4srFolder
from kptoolkit.graph.sources.json_readers.playlists import Playlists
from kptoolkit.graph.sources.readers.graphml import GraphMl
from kptoolkit.graph.sources.readers.kgat import KgatFolder
from kptoolkit.graph.sources.readers.kgcn import KgcnFolder
from kptoolkit.graph.sources.readers.kgtk import KgtkEdges
from kptoolkit.graph.sources.readers.link_prediction import LinkPredictionFolder
from kptoolkit.graph.sources.readers.mind import MindFolder
from kptoolkit.graph.sources.readers.neo4j_files import ApocJson, Neo4jCsv
from kptoolkit.graph.sources.readers.openke import OpenKeFolder
from kptoolkit.graph.sources.readers.path_reader import PathReader
from kptoolkit.graph.sources.readers.pgpr import PgprFolder
from kptoolkit.graph.sources.tables.apoc_csv import ApocCsv
from kptoolkit.graph.sources.tables.column_words import known_relations, words_of
from kptoolkit.graph.sources.tables.edge_table import EdgeTable
from kptoolkit.graph.sources.tables.relation_folder import RelationFolder
from kptoolkit.graph.sources.tables.table_items import TABLE_SUFFIXES, TableItems
from kptoolkit.storage.columns import locate
from kptoolkit.storage.dialects import Reading, Sample, suffix_of
from kptoolkit.storage.layouts.json_rows import JSON_SUFFIXES, read_objects
from kptoolkit.storage.layouts.known_layouts import Kind, layout_of
from kptoolkit.storage.layouts.parquet_tables import first_cells
from kptoolkit.storage.layouts.table_layouts import COLUMNS, OPTIONAL, header_cells, recognize_table
from kptoolkit.storage.text_tables import BadRows

Format = Literal["recbole", "csv", "tsv", "parquet", "ntriples", "turtle", "rdfxml", "n3", "trig", "nquads", "jsonld"]
SUFFIXES: Mapping[str, Format] = {
    ".kg": "recbole",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
    ".dat": "tsv",
    ".sif": "tsv",
    ".parquet": "parquet",
    ".nt": "ntriples",
    ".ttl": "turtle",
    ".rdf": "rdfxml",
    ".owl": "rdfxml",
    ".xml": "rdfxml",
    ".n3": "n3",
    ".trig": "trig",
    ".nq": "nquads",
    ".jsonld": "jsonld",
}
RDF_FORMATS = frozenset({"ntriples", "turtle", "rdfxml", "n3", "trig", "nquads", "jsonld"})
FolderReader = (
    KgatFolder
    | OpenKeFolder
    | Kp4srFolder
    | KgcnFolder
    | MindFolder
    | PgprFolder
    | LinkPredictionFolder
    | Playlists
    | Neo4jCsv
    | RelationFolder
)
#: Readers of folders, in the order in which they are tried.
FOLDERS: tuple[type[FolderReader], ...] = (
    KgatFolder,
    OpenKeFolder,
    Kp4srFolder,
    KgcnFolder,
    MindFolder,
    PgprFolder,
    LinkPredictionFolder,
    Playlists,
    Neo4jCsv,
    RelationFolder,
)
#: Readers of single files.
FILES = (Neo4jCsv, KgtkEdges, ApocJson, ApocCsv, GraphMl, JsonGraph, JsonTriples, JsonItems, TableItems, EdgeTable)
_OTHER_NUMBERS = frozenset({"csv", "new", "index", "idx", "int", "num", "mapped", "remap", "encoded"})
"""What is added to the header of an id where a data set has given other numbers to the same things."""
_ABOUT = re.compile(r"(?i)read.?me|licen[cs]e|notice|changelog|about")
"""Names of files that say something of the data."""
_SPLIT = ("train", "valid", "test", "dev")
_TERM = r'(?:<[^<>]*>|_:[^\s<>"]+|"(?:[^"\\]|\\.)*"(?:@[\w-]+|\^\^<[^<>]*>)?)'
_TRIPLE = re.compile(rf"\s*{_TERM}\s*<[^<>]*>\s*{_TERM}\s*\.\s*(?:#.*)?")
_QUAD = re.compile(rf"\s*{_TERM}\s*<[^<>]*>\s*{_TERM}\s*(?:<[^<>]*>|_:[^\s<>]+)\s*\.\s*(?:#.*)?")


@checked
def folder_reader(folder: Path, bad_rows: BadRows | None = None, reading: Reading | None = None) -> PathReader | None:
    """Return the reader of a folder in a layout of its own, ``None`` if it has none of these layouts."""
    for reader in FOLDERS:
        if reader.matches(folder):
            return reader(folder, bad_rows or BadRows(), reading or Reading())
    return None


@contextmanager
def whole_layouts(path: Path) -> Iterator[None]:
    """Tell who reads a file alone to give its folder, if the file is not recognized and the folder has a known layout.

    Raises:
        DataError: In place of the error of a file of such a folder.
    """
    try:
        yield
    except DataError as error:
        reader = folder_reader(path.parent) if path.is_file() else None
        if reader is None:
            raise
        said = f"is not read alone; its folder has the layout {reader.label}: give {path.parent}"
        raise DataError(said, path) from error


def file_reader(path: Path, bad_rows: BadRows, reading: Reading, mapping: Path | None = None) -> PathReader | None:
    """Return the reader of a CSV file for Neo4j, KGTK edges, GraphML, JSON that is no JSON-LD, items; else ``None``.

    Args:
        path: The file.
        bad_rows: What to do with bad rows.
        reading: What the user says about the file.
        mapping: File that says which keys or columns become triples; ``None`` takes those that are known.

    Raises:
        ConfigError: The mapping file is wrong.
        DataError: The file is not JSON, or its keys are not known; the message says what to give.
    """
    if suffix_of(path) == ".csv" and Neo4jCsv.matches(path):
        return Neo4jCsv(path, bad_rows)
    if suffix_of(path) in (".csv", ".tsv") and ApocCsv.fits(path):
        return ApocCsv(path, bad_rows, reading)
    if suffix_of(path) in (".tsv", ".csv", ".txt") and not reading.columns and KgtkEdges.matches(path):
        return KgtkEdges(path, bad_rows, reading)
    if GraphMl.matches(path):
        return GraphMl(path, bad_rows)
    if suffix_of(path) not in JSON_SUFFIXES:
        edges = EdgeTable.find(path, bad_rows, reading) if mapping is None and _is_named_as_table(path) else None
        return edges or TableItems.find(path, bad_rows, reading, mapping)
    return _json_reader(path, bad_rows, reading, mapping)


def _is_named_as_table(path: Path) -> bool:
    return SUFFIXES.get(suffix_of(path)) in ("csv", "tsv")


def unread(files: Sequence[Path], readers: Sequence[PathReader]) -> list[Path]:
    """Return the files that no reader reads."""
    read = {reader.path for reader in readers}
    return [path for path in files if path not in read]


def not_read_in(folder: Path, files: Sequence[Path], readers: Sequence[PathReader]) -> list[Path]:
    """Return the files of a folder that may have data, and that no reader reads.

    Args:
        folder: The folder.
        files: Files that are read.
        readers: Readers of others.
    """
    read = {*files, *(path for reader in readers for path in (reader.path, *reader.name_files))}
    known = {*SUFFIXES, *TABLE_SUFFIXES, *JSON_SUFFIXES, ".data", ".user"}
    there = sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in known)
    return [path for path in there if path not in read and not _ABOUT.match(path.name)]


def _json_reader(path: Path, bad_rows: BadRows, reading: Reading, mapping: Path | None) -> PathReader | None:
    """Return the reader of a file of JSON by its first object; ``None`` for JSON-LD."""
    if mapping is None and Playlists.matches(path):
        return Playlists(path, bad_rows, reading)
    if mapping is None and JsonGraph.matches(path):
        return JsonGraph(path, bad_rows, reading)
    first = next((one for _, one in read_objects(path)), {})
    if mapping is None and not first.keys().isdisjoint({"@context", "@graph", "@id"}):
        return None
    if mapping is None and ApocJson.matches(first):
        return ApocJson(path, bad_rows)
    if mapping is None and JsonTriples.matches(first, reading):
        return JsonTriples(path, bad_rows, reading)
    found = JsonItems.of(path, reading, mapping)
    found.bad_rows = bad_rows
    if mapping is not None:
        found.check_mapping()
    return found


def readers_in(folder: Path, bad_rows: BadRows, reading: Reading) -> list[PathReader]:
    """Return the reader of the file of JSON or GraphML of a folder that becomes triples, else those of its tables.

    Args:
        folder: The folder.
        bad_rows: What to do with bad rows.
        reading: What the user says about the files.

    Returns:
        Nothing if there are several files of JSON or GraphML, or tables of different items.
    """
    found, tables = list[PathReader](), list[TableItems]()
    suffixes = {*JSON_SUFFIXES, ".graphml", *TABLE_SUFFIXES}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in suffixes):
        try:
            reader = file_reader(path, bad_rows, reading)
        except DataError:
            continue  # events, or keys that are not known
        if isinstance(reader, TableItems):
            tables += [reader] if reader.mapping.id.casefold() != "id" else []
        else:
            found += [] if reader is None else [reader]
    if found:
        return found if len(found) == 1 else []
    return [*tables] if len({tuple(words_of(one.mapping.id)) for one in tables}) == 1 else []


def inside_said(folder: Path, reading: Reading) -> str:
    """Return what is in a folder without triples that are known: its folders, and the tables to choose from."""
    folders = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:5])
    parts = [f"its folders are {folders}"] if folders else []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in TABLE_SUFFIXES):
        names = header_cells(path, reading)
        if locate(names, {"user_id": COLUMNS["interactions"]["user_id"]}):
            parts += _tagging_said(path.name, names)
            continue
        try:
            reader = file_reader(path, BadRows(), reading)
            found = recognize_table(path, "triples", reading).layout if reader is None else None
            parts += [f"{path.name} has items"] if isinstance(reader, TableItems) else []
            parts += [f"{path.name} has {found.label}"] if found is not None else []
        except DataError as error:
            parts += [str(error)] if locate(names, {"item_id": COLUMNS["links"]["item_id"]}) else []
    parts += foreign_in(folder) if not parts else []
    return "".join(f"; {part}" for part in parts[:4])


def _tagging_said(file: str, names: Sequence[str]) -> list[str]:
    """Return the option that makes triples of what users say of items, such as tags, where a table has that."""
    at = locate(names, {"item_id": COLUMNS["links"]["item_id"]})
    values = [column for columns in known_relations(names).values() for column in columns]
    tail = next((name for name in values if at and name != names[at["item_id"]]), None)
    return [] if tail is None else [f"{file} has triples with --columns item={names[at['item_id']]},tail={tail}"]


def is_table(sample: Sample) -> bool:
    """Return whether a text has rows of two or more columns, all as many, with another separator than spaces."""
    dialect = sample.dialect()
    widths = {len(row) for row in sample.rows(dialect)}
    return bool(dialect.separator) and len(widths) == 1 and widths != {1}


def format_of(path: Path) -> tuple[Format, str]:
    """Return the format of a file of triples, and what to say where its name does not tell it.

    Raises:
        DataError: It cannot be read or its format is unknown; the message has its first lines.
    """
    known = SUFFIXES.get(suffix_of(path))
    if suffix_of(path) in JSON_SUFFIXES:
        return "jsonld", "JSON-LD"
    if known is not None and known not in ("tsv", "ntriples", "rdfxml"):
        return known, ""
    sample = Sample.read(path)
    if said := foreign_said(sample):
        raise DataError(said, path)
    if known == "rdfxml":
        return known, ""
    lines = [line for line in sample.filled if not line.startswith("#")][:20]
    if lines and all(map(_QUAD.fullmatch, lines)):
        return "nquads", "N-Quads: the names of graphs are left out"
    if lines and known != "ntriples" and all(map(_TRIPLE.fullmatch, lines)):
        return "ntriples", "N-Triples"
    if known is None and is_table(sample):
        return "tsv", ""
    if known is None:
        formats = "recbole, csv, tsv, ntriples, turtle, rdfxml, n3, trig, nquads or jsonld"
        raise DataError(f"unknown format; {sample.shown()}; give --format {formats}", path)
    return known, ""


def sort_tables(folder: Path, reading: Reading | None = None) -> dict[Kind, list[Path]]:
    """Sort the files of a folder by what their headers or names say: triples, names, links, items, interactions.

    Args:
        folder: The folder.
        reading: Encoding, where the files do not tell it.

    Raises:
        DataError: Several tables have the same columns, so that one of them has to be chosen.
    """
    found: dict[Kind, list[Path]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        kind = _kind(path, reading or Reading())
        if kind is not None:
            found.setdefault(kind, []).append(path)
    if "triples" not in found and (split := _split_triples(folder)):
        return found | {"triples": split}
    options: Mapping[Kind, str] = {"triples": "", "links": "--link", "names": "--names", "items": "--items"}
    for kind, option in options.items():
        tables = [path for path in found.get(kind, []) if not _may_be_several(path)]
        if len(tables) > 1:
            names = ", ".join(path.name for path in tables)
            advice = f"name the file of triples, and one of these with {option}" if option else "name one of them"
            raise DataError(f"several files of {kind}: {names}; {advice}", folder)
    return found


def events_in(folder: Path, reading: Reading) -> list[Path]:
    """Return the files of a folder that have events by their endings or headers."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [path for path in files if suffix_of(path) == ".inter" or _kind(path, reading) == "interactions"]


def renumbered_said(path: Path) -> str:
    """Return that a table next to a file has other ids for its items, such as ``book_id_csv`` and ``book_id``."""
    for file in sorted(file for file in path.parent.iterdir() if suffix_of(file) in TABLE_SUFFIXES):
        names = sorted(header_cells(file, Reading()), key=len)
        if len(names) == 2 and locate(names[:1], {"item_id": COLUMNS["links"]["item_id"]}):
            first, other = names
            if other.removeprefix(first).strip("_ -").casefold() in _OTHER_NUMBERS and other.startswith(first):
                option = f"--link {shlex.quote(str(file))} --columns item={other},entity={first}"
                return f"{file} has other ids of items; if these are the ids of the events, give {option}"
    return ""


def no_links_said(events: Path, reading: Reading) -> str:
    """Return that no item of a file of events gets triples, and the options that link them."""
    names = header_cells(events, reading)
    at = locate(names, reading.spellings({"item_id": COLUMNS["interactions"]["item_id"]})).values()
    item = next((names[place].split(":")[0] for place in at), "")
    option = f"--link {shlex.quote(str(events))} --columns entity={item}"
    own = f", or with {option} if its items are entities with the same ids" if item else ""
    return f"no links, so that no item of {events} gets triples; give them with --link FILE{own}"


def with_suffix(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with a suffix, packed or not."""
    return sorted([*folder.glob(f"*{suffix}"), *folder.glob(f"*{suffix}.gz")])


def existing(path: Path) -> Path:
    """Return the path of a file that exists.

    Raises:
        DataError: There is no such file.
    """
    if not path.is_file():
        raise DataError("no such file", path)
    return path


def _may_be_several(path: Path) -> bool:
    """Return whether a folder may have several files like this one that belong together."""
    return SUFFIXES.get(suffix_of(path)) in RDF_FORMATS or KgtkEdges.matches(path)


def _split_triples(folder: Path) -> list[Path]:
    """Return the files of a split for link prediction, such as that of FB15k; none if they have no triples."""
    files = [path for path in sorted(folder.iterdir()) if path.stem in _SPLIT and suffix_of(path) in (".txt", ".tsv")]
    try:
        known = [path for path in files if recognize_table(path, "triples").layout is not None]
    except DataError:
        return []
    return known if known and known == files else []


def _kind(path: Path, reading: Reading) -> Kind | None:
    suffix = suffix_of(path)
    if SUFFIXES.get(suffix) in RDF_FORMATS:
        return "triples"
    if suffix == ".parquet":
        return _kind_of_header(_parquet_names(path))
    if suffix not in (*TABLE_SUFFIXES, ".sif"):
        return None
    names = header_cells(path, reading)
    if not names:
        return None
    if KgtkEdges.matches(path) or _has_edges(path, reading):
        return "triples"
    return _kind_of_header(names) or next(
        (kind for kind in ("triples", "links") if layout_of(path, kind, reading.encoding)), None
    )


def _has_edges(path: Path, reading: Reading) -> bool:
    try:
        return EdgeTable.find(path, BadRows(), Reading(encoding=reading.encoding)) is not None
    except DataError:
        return True  # who reads it says what is wrong


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(first_cells(path, 1))
    except DataError:
        return []


def _kind_of_header(names: Sequence[str]) -> Kind | None:
    order: Sequence[Kind] = ("interactions", "triples", "links", "names", "items")
    return next((kind for kind in order if _has(names, kind)), None)


def _has(names: Sequence[str], kind: Kind) -> bool:
    required = {name: spellings for name, spellings in COLUMNS[kind].items() if name not in OPTIONAL}
    if kind == "items":
        required["title"] = COLUMNS[kind]["title"]
    return len(locate(names, required)) == len(required)
