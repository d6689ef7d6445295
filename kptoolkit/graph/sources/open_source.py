"""Opens files and folders as one source of triples, after recognizing the layout of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kptoolkit.arguments import checked
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.graph.sources.file_source import FileSource
from kptoolkit.graph.sources.id_map import IdMap
from kptoolkit.graph.sources.layouts import (
    Format,
    events_in,
    existing,
    file_reader,
    folder_reader,
    inside_said,
    not_read_in,
    readers_in,
    sort_tables,
    unread,
    with_suffix,
)
from kptoolkit.graph.sources.rdf import Literals
from kptoolkit.graph.sources.readers.neo4j_files import Neo4jCsv
from kptoolkit.storage.dialects import Reading, in_split_order
from kptoolkit.storage.layouts.archives import is_archive, unpack
from kptoolkit.storage.layouts.known_layouts import Kind
from kptoolkit.storage.text_tables import BadRows
from kptoolkit.storage.values.id_rules import IdRules


@checked
def open_source(
    paths: Sequence[str | Path],
    *,
    format: Format | None = None,
    link: str | Path | None = None,
    names: str | Path | None = None,
    items: str | Path | None = None,
    interactions: bool = False,
    skip_bad_rows: bool = False,
    language: str = "en",
    literals: Literals = "drop",
    columns: str | None = None,
    encoding: str | None = None,
    split: str | None = None,
    mapping: str | Path | None = None,
    link_ids: str | None = None,
    item_ids: str | None = None,
    id_map: str | Path | None = None,
    leave_out: Sequence[str] | None = None,
    date_format: str | None = None,
    min_rating: float | None = None,
) -> FileSource:
    """Return a source of folders and files, after recognizing the layout of each.

    Args:
        paths: RecBole folders (``*.kg``, and ``.ent``, ``.link``, ``.item`` if there are any), folders in another
            layout that is known, and files of triples.
        format: Format of the files; ``None`` recognizes it by name and content.
        link: File that links items to entities; replaces that of a folder.
        names: File with entity names; replaces that of a folder.
        items: File that lists items; replaces that of a folder.
        interactions: Whether to read the events of a folder as well.
        skip_bad_rows: Whether bad rows are skipped and counted.
        language: Preferred language of names in RDF.
        literals: What to do with RDF literals that are not names: ``"drop"`` or ``"entities"``.
        columns: Header or number of columns by role, e.g. ``"head=1,relation=2,tail=3"``.
        encoding: Encoding of tables; ``None`` finds UTF-8 and UTF-16.
        split: Separator of several values in the tail of a triple.
        mapping: TOML file that says which keys of JSON become triples; ``None`` takes those that are known.
        link_ids: Rules that rewrite the ids of entities in links, e.g. ``"zeros=7,prefix=tt"``, see
            :class:`~kptoolkit.storage.values.id_rules.IdRules`.
        item_ids: Rules that rewrite the ids of items in links and item files.
        id_map: File with two columns, an id in links (or of an item) and its id in the graph. Other ids are left to
            ``link_ids``.
        leave_out: Relations whose triples are left out.
        date_format: Form of the dates of interactions, e.g. ``"%d.%m.%Y"``; ``None`` for ISO 8601.
        min_rating: Lowest rating of interactions that are read; ``None`` reads all.

    Raises:
        ConfigError: ``columns``, ``encoding`` or a rule for ids is wrong, or ids of items are to be compared with those
            of interactions that are not read.
        DataError: A path does not exist, a folder has no triples, or a file is not recognized.
    """
    reading = replace(Reading.of(columns, encoding, split, date_format), min_rating=min_rating)
    bad_rows = BadRows(skip=skip_bad_rows)
    source = FileSource(
        format=format,
        bad_rows=bad_rows,
        language=language,
        literals=literals,
        reading=reading,
        link_ids=IdRules.of(link_ids),
        item_ids=IdRules.of(item_ids, "--item-ids"),
        leave_out=tuple(leave_out or ()),
        with_interactions=interactions,
    )
    for path in map(Path, paths):
        found = unpack(path) if is_archive(path) else path
        if mapping is not None and (found.is_dir() or format is not None):
            raise ConfigError(f"--mapping is for a file, without --format; name a file in the place of {path}")
        if found.is_dir():
            _add_folder(source, found, interactions)
        else:
            add_file(source, existing(found), None if mapping is None else Path(mapping))
    for given, files in ((link, source.link_files), (names, source.name_files), (items, source.item_files)):
        if given is not None:
            files[:] = [existing(Path(given))]
    if id_map is not None:
        source.id_map = IdMap.read(existing(Path(id_map)), reading, bad_rows)
    _check_interactions(source, paths)
    folders = dict.fromkeys(path.parent for path in source.triple_files)
    source.events_nearby = next((found for folder in folders for found in events_in(folder, reading)), None)
    for found_reader in source.readers:
        found_reader.language, found_reader.keep_literals = language, literals == "entities"
    source.recognize()
    return source


def _check_interactions(source: FileSource, paths: Sequence[str | Path]) -> None:
    """Check that interactions are there if they are to be read, and read if ids are to be compared with theirs."""
    if source.item_ids.compare and not source.with_interactions:
        said = f"--item-ids {source.item_ids} compares ids with those of interactions; add --interactions"
        raise ConfigError(f"{said}, or use lower, upper, prefix, without, zeros")
    events = source.interaction_files or any(map(len, source.interactions())) if source.with_interactions else True
    if not events:
        said = "no .inter file and no other table with users and items next to the triples"
        raise DataError(f"{said}; leave --interactions out", paths[0] if paths else None)


def _add_folder(source: FileSource, folder: Path, interactions: bool) -> None:
    triples = with_suffix(folder, ".kg")
    if triples:
        found: dict[Kind, list[Path]] = {
            "triples": triples,
            "names": with_suffix(folder, ".ent"),
            "links": with_suffix(folder, ".link"),
            "items": with_suffix(folder, ".item"),
            "interactions": in_split_order(with_suffix(folder, ".inter")),
        }
    elif (reader := folder_reader(folder, source.bad_rows, source.reading)) is not None:
        source.readers.append(reader)
        return
    else:
        found = sort_tables(folder, source.reading)
        readers = [] if found.get("triples") else readers_in(folder, source.bad_rows, source.reading)
        if readers:
            source.interaction_files += found.get("interactions", []) if interactions else []
            source.readers += readers
            source.name_files += unread(found.get("names", []), readers)
            source.not_read += not_read_in(folder, [*found.get("interactions", []), *source.name_files], readers)
            return
    if not found.get("triples"):
        said = f"holds no .kg file and no other file of triples that is known{inside_said(folder, source.reading)}"
        raise DataError(f"{said}; name a RecBole folder, or the file of triples itself", folder)
    for path in found["triples"]:
        add_file(source, path)
    source.name_files += found.get("names", [])
    source.link_files += found.get("links", [])
    source.item_files += found.get("items", [])
    if not triples:
        source.not_read += not_read_in(folder, [path for files in found.values() for path in files], source.readers)
    if interactions:
        source.interaction_files += found.get("interactions", [])


def add_file(source: FileSource, path: Path, mapping: Path | None = None) -> None:
    """Add a file of triples to a source, with the reader of its layout."""
    reader = file_reader(path, source.bad_rows, source.reading, mapping) if source.format is None else None
    earlier = next((one for one in source.readers if isinstance(one, Neo4jCsv) and one.path.is_file()), None)
    if reader is None:
        source.triple_files.append(path)
    elif isinstance(reader, Neo4jCsv) and earlier is not None:
        earlier.add(path)
    else:
        source.readers.append(reader)
