"""Sources of triples in files: RecBole folders and files, CSV and TSV, RDF, gzip of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kptoolkit.arguments import checked
from kptoolkit.errors import DataError
from kptoolkit.graph.sources.rdf import Literals, RdfFile
from kptoolkit.storage.text_tables import (
    INTERACTION_COLUMNS,
    ITEM_COLUMNS,
    LINK_COLUMNS,
    NAME_COLUMNS,
    TRIPLE_COLUMNS,
    BadRows,
    Table,
    read_table,
    suffix_of,
)

Format = Literal["recbole", "csv", "tsv", "ntriples", "turtle"]
_SUFFIXES: Mapping[str, Format] = {
    ".kg": "recbole",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
    ".nt": "ntriples",
    ".ttl": "turtle",
}


@dataclass
class FileSource:
    """Triples in files.

    Attributes:
        triple_files: Files of triples.
        name_files: Files with entity names.
        link_files: Files that link items to entities.
        item_files: Files that list items, with or without titles.
        interaction_files: Files with interactions.
        format: Format of the files of triples; ``None`` detects it by the file names.
        bad_rows: What to do with bad rows.
        language: Preferred language of names in RDF.
        literals: What to do with RDF literals that are not names.
    """

    triple_files: list[Path] = field(default_factory=list)
    name_files: list[Path] = field(default_factory=list)
    link_files: list[Path] = field(default_factory=list)
    item_files: list[Path] = field(default_factory=list)
    interaction_files: list[Path] = field(default_factory=list)
    format: Format | None = None
    bad_rows: BadRows = field(default_factory=BadRows)
    language: str = "en"
    literals: Literals = "drop"
    _rdf: dict[Path, RdfFile] = field(default_factory=dict, init=False)

    @property
    def label(self) -> str:
        """The paths of the files of triples."""
        return ", ".join(str(path) for path in self.triple_files)

    @property
    def literals_left_out(self) -> int:
        """Number of RDF literals that are neither names nor entities, after :meth:`triples` was read."""
        return sum(file.left_out for file in self._rdf.values())

    def triples(self) -> Iterator[Table]:
        """Yield the columns ``head``, ``relation``, ``tail``."""
        for path in self.triple_files:
            if (file := self._rdf_file(path)) is not None:
                yield from file.triples()
            else:
                comma = self._format_of(path) == "csv"
                yield from read_table(path, TRIPLE_COLUMNS, bad_rows=self.bad_rows, comma=comma)

    def names(self) -> Iterator[Table]:
        """Yield the columns ``entity_id``, ``name``; RDF first; names from files override them."""
        for path in self.triple_files:
            if (file := self._rdf_file(path)) is not None:
                yield from file.names()
        for path in self.name_files:
            yield from read_table(path, NAME_COLUMNS, may_be_empty=("name",), bad_rows=self.bad_rows)

    def links(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``entity_id``."""
        for path in self.link_files:
            yield from read_table(path, LINK_COLUMNS, bad_rows=self.bad_rows)

    def items(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``title``."""
        for path in self.item_files:
            yield from read_table(
                path, ITEM_COLUMNS, optional=("title",), may_be_empty=("title",), bad_rows=self.bad_rows
            )

    def interactions(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id``, ``time``, ``rating``."""
        for path in self.interaction_files:
            yield from read_table(
                path,
                INTERACTION_COLUMNS,
                optional=("time", "rating"),
                may_be_empty=("time", "rating"),
                bad_rows=self.bad_rows,
            )

    def _rdf_file(self, path: Path) -> RdfFile | None:
        kind = self._format_of(path)
        if kind != "ntriples" and kind != "turtle":
            return None
        return self._rdf.setdefault(path, RdfFile(path, kind, self.bad_rows, self.language, self.literals))

    def _format_of(self, path: Path) -> Format | None:
        """Return the format of a file; a ``.kg`` file is always RecBole's."""
        found = _SUFFIXES.get(suffix_of(path))
        return found if found == "recbole" or self.format is None else self.format


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
) -> FileSource:
    """Return a source of RecBole folders and files.

    Args:
        paths: RecBole folders (``*.kg``, and ``.ent``, ``.link``, ``.item`` if there are any) and files of triples.
        format: Format of the files; ``None`` detects it by the file names.
        link: File that links items to entities; replaces that of a folder.
        names: File with entity names; replaces that of a folder.
        items: File that lists items; replaces that of a folder.
        interactions: Whether to read the ``.inter`` file of a folder as well.
        skip_bad_rows: Whether bad rows are skipped and counted.
        language: Preferred language of names in RDF.
        literals: What to do with RDF literals that are not names: ``"drop"`` or ``"entities"``.

    Raises:
        DataError: A path does not exist, a folder has no ``.kg``, or a file's format is unknown.
    """
    source = FileSource(format=format, bad_rows=BadRows(skip=skip_bad_rows), language=language, literals=literals)
    for path in map(Path, paths):
        if path.is_dir():
            _add_folder(source, path, interactions)
        else:
            _check_format(path, format)
            source.triple_files.append(path)
    for given, files in ((link, source.link_files), (names, source.name_files), (items, source.item_files)):
        if given is not None:
            files[:] = [_existing(Path(given))]
    if interactions and not source.interaction_files:
        raise DataError("no .inter file next to the triples; leave --interactions out", paths[0] if paths else None)
    return source


def _add_folder(source: FileSource, folder: Path, interactions: bool) -> None:
    triples = _with_suffix(folder, ".kg")
    if not triples:
        raise DataError("holds no .kg file; name a RecBole folder, or the file of triples itself", folder)
    source.triple_files += triples
    source.name_files += _with_suffix(folder, ".ent")
    source.link_files += _with_suffix(folder, ".link")
    source.item_files += _with_suffix(folder, ".item")
    if interactions:
        source.interaction_files += _with_suffix(folder, ".inter")


def _with_suffix(folder: Path, suffix: str) -> list[Path]:
    return sorted([*folder.glob(f"*{suffix}"), *folder.glob(f"*{suffix}.gz")])


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DataError("no such file", path)
    return path


def _check_format(path: Path, given: Format | None) -> None:
    _existing(path)
    if given is None and suffix_of(path) not in _SUFFIXES:
        raise DataError("unknown format; give --format recbole, csv, tsv, ntriples or turtle", path)
