"""Reads the layout of KGCN and RippleNet: numbered triples, and the entity of each item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from kptoolkit.graph.sources.readers.path_reader import PathReader
from kptoolkit.storage.dialects import Dialect
from kptoolkit.storage.layouts.table_layouts import recognize_table
from kptoolkit.storage.text_tables import Table, read_table

_TRIPLES = Dialect("\t", header=("head", "relation", "tail"))
_LINKS = Dialect("\t", header=("item_id", "entity_id"))
_RATINGS = ("ratings_final.txt", "ratings.dat", "ratings.csv", "user_artists.dat", "BX-Book-Ratings.csv")
_INDEX = "item_index2entity_id*.txt"
_GRAPHS = ("kg_final.txt", "kg.txt", "kg_rehashed.txt", "kg_part*_rehashed.txt")


class KgcnFolder(PathReader):
    """A folder in the layout of KGCN or RippleNet.

    With ``kg_final.txt``, an item and its entity have the same number, and the events are those of
    ``ratings_final.txt`` with label 1. Before that step the items are those of the ratings, linked by
    ``item_index2entity_id*.txt``.
    """

    label: ClassVar[str] = "KGCN"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        final = (folder / "kg_final.txt").is_file() and (folder / "ratings_final.txt").is_file()
        return final or (any(folder.glob(_INDEX)) and bool(_graphs(folder)))

    @property
    def said(self) -> str:
        """The layout and what is read."""
        files = ", ".join(file.name for file in _graphs(self.path))
        links = "each item is the entity with its number" if self._final else "links of item_index2entity_id"
        return f"{self.label}: triples of {files}, {links}"

    def triples(self) -> Iterator[Table]:
        """Yield the triples."""
        columns = {name: (name,) for name in _TRIPLES.header}
        for file in _graphs(self.path):
            yield from read_table(file, columns, bad_rows=self.bad_rows, dialect=_TRIPLES)

    def links(self) -> Iterator[Table]:
        """Yield the entity of each item."""
        if not self._final:
            columns = {name: (name,) for name in _LINKS.header}
            for file in sorted(self.path.glob(_INDEX)):
                yield from read_table(file, columns, bad_rows=self.bad_rows, dialect=_LINKS)
            return
        seen = set[str]()
        for table in self.interactions():
            new = [item for item in dict.fromkeys(table["item_id"]) if item not in seen]
            seen.update(new)
            yield Table({"item_id": new, "entity_id": list(new)}, range(1, len(new) + 1), table.path)

    def interactions(self) -> Iterator[Table]:
        """Yield the events; of ``ratings_final.txt`` those with label 1."""
        file = next((self.path / name for name in _RATINGS if (self.path / name).is_file()), None)
        if file is None:
            return
        found = recognize_table(file, "interactions", self.reading)
        optional = [name for name in ("time", "rating") if name in found.columns]
        tables = read_table(
            file,
            found.columns,
            optional=optional,
            may_be_empty=optional,
            bad_rows=self.bad_rows,
            dialect=found.dialect,
        )
        yield from map(positive, tables) if found.layout and found.layout.only_positive else tables

    @property
    def _final(self) -> bool:
        return (self.path / "kg_final.txt").is_file() and (self.path / "ratings_final.txt").is_file()


def positive(table: Table) -> Table:
    """Leave out the rows with rating 0."""
    kept = [at for at, rating in enumerate(table["rating"]) if rating.strip() not in ("0", "0.0")]
    columns = {name: [column[at] for at in kept] for name, column in table.columns.items()}
    return Table(columns, [table.lines[at] for at in kept], table.path)


def _graphs(folder: Path) -> list[Path]:
    """Return the files of triples of the last step of preparation that the folder has."""
    return next((files for pattern in _GRAPHS if (files := sorted(folder.glob(pattern)))), [])
