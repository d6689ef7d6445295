"""Reads names of data sets of link prediction: ``entity2text.txt``, ``NAME_entity.txt``, ``entity2wikidata.json``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.storage.columns import locate
from kptoolkit.storage.dialects import Dialect, Sample, suffix_of, unpacked_name
from kptoolkit.storage.layouts.json_rows import read_json
from kptoolkit.storage.layouts.table_layouts import COLUMNS
from kptoolkit.storage.text_tables import Table, TextReader

_TEXTS = re.compile(r"(?:entity|relation|ent|rel)(?:2|_to_)(?:text|label|name|title)s?|.+_(?:entity|relation)")
_OBJECTS = re.compile(r"(?:entity|relation|ent|rel)(?:2|_to_)\w+|(?:entities|relations)")
_LABELS = ("label", "name", "title")
_ONE = Dialect("\t", header=("id", "names"))


class NameFile(PathReader):
    """A file with an id and its name per line, or an object of JSON with a name, or with its label, for each id."""

    label: ClassVar[str] = "names of ids"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Return whether a file has this layout, by its name and its first line."""
        stem, suffix = Path(unpacked_name(path)).stem, suffix_of(path)
        if suffix == ".json":
            return _OBJECTS.fullmatch(stem) is not None
        if suffix not in (".txt", ".tsv") or not _TEXTS.fullmatch(stem):
            return False
        try:
            first = Sample.read(path).first.split("\t")
        except DataError:
            return False
        return len(first) > 1 and len(locate(first, COLUMNS["names"])) < len(COLUMNS["names"])

    @property
    def said(self) -> str:
        """What is read."""
        return f"{self.label}: {'the label of each' if suffix_of(self.path) == '.json' else 'the text after each'}"

    def names(self) -> Iterator[Table]:
        """Yield the names."""
        rows = self._objects() if suffix_of(self.path) == ".json" else self._lines()
        yield from tables_of(("entity_id", "name"), rows, self.path)

    def _lines(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """Yield the text after each id, up to the next tab."""
        reader = TextReader(self.path, {}, dialect=_ONE)
        with reader.cells() as rows:
            for cells in rows:
                if len(cells) > 1 and cells[0].strip():
                    yield reader.line, (cells[0], cells[1])

    def _objects(self) -> Iterator[tuple[int, tuple[str, str]]]:
        found = read_json(self.path)
        if not isinstance(found, dict):
            raise DataError("has no names by id: an object with a text or an object for each id is needed", self.path)
        for number, (one, value) in enumerate(found.items(), 1):
            if name := _name(value):
                yield number, (str(one), name)


def _name(value: Any) -> str:
    if isinstance(value, dict):
        return next((str(value[key]) for key in _LABELS if isinstance(value.get(key), str) and value[key]), "")
    return value if isinstance(value, str) else ""
