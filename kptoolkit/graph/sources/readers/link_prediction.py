"""Reads data sets of link prediction: triples in files of a split, and texts of entities and relations next to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.readers.name_file import NameFile
from kptoolkit.graph.sources.readers.path_reader import PathReader
from kptoolkit.storage.dialects import Dialect, suffix_of, unpacked_name
from kptoolkit.storage.layouts.table_layouts import recognize_table
from kptoolkit.storage.text_tables import Table, read_table

_SPLIT = re.compile(r"(?:(.+)_)?(train|valid|test|dev)")
_TRIPLE = Dialect("\t", header=("head", "relation", "tail"))


class LinkPredictionFolder(PathReader):
    """A folder with ``train.txt``, ``valid.txt`` and ``test.txt``, such as FB15k-237, WN18RR, CoDEx and Wikidata5M.

    Names are those of ``entity2text.txt`` and ``relation2text.txt``, of ``entity2wikidata.json``, or the first alias
    in ``*_entity.txt`` and ``*_relation.txt``.
    """

    label: ClassVar[str] = "link prediction"

    @classmethod
    def matches(cls, folder: Path) -> bool:
        """Return whether a folder has this layout: ``train.txt`` with triples, and texts next to it."""
        found = cls(folder)
        if not any(_stem(path).endswith("train") for path in found._splits) or not found._texts:
            return False
        try:
            known = [recognize_table(path, "triples").layout for path in found._splits if "train" in _stem(path)]
        except DataError:
            return False
        return all(layout is not None for layout in known)

    @property
    def said(self) -> str:
        """The layout and what is read."""
        triples, texts = (", ".join(path.name for path in files) for files in (self._splits, self._texts))
        return f"{self.label}: triples of {triples}, names of {texts}"

    def triples(self) -> Iterator[Table]:
        """Yield the triples of all files."""
        columns = {name: (name,) for name in _TRIPLE.header}
        for path in self._splits:
            yield from read_table(path, columns, bad_rows=self.bad_rows, dialect=_TRIPLE)

    def names(self) -> Iterator[Table]:
        """Yield the names of entities and relations: the text after the id, up to the next tab."""
        for path in self._texts:
            yield from NameFile(path, self.bad_rows, self.reading).names()

    @cached_property
    def _splits(self) -> list[Path]:
        files = [path for path in _files(self.path) if _SPLIT.fullmatch(_stem(path))]
        names = {match[1] for path in files if (match := _SPLIT.fullmatch(_stem(path))) is not None}
        return files if len(names) == 1 else []

    @cached_property
    def _texts(self) -> list[Path]:
        return [path for path in sorted(self.path.iterdir()) if path.is_file() and NameFile.matches(path)]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_file() and suffix_of(path) in (".txt", ".tsv")]


def _stem(path: Path) -> str:
    return Path(unpacked_name(path)).stem
