"""Reads the files of the KP4SR authors: triples, names and links in JSON, sequences as numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.storage.layouts.item_lists import read_item_lists
from kptoolkit.storage.layouts.json_rows import read_json
from kptoolkit.storage.text_tables import Table

_TRIPLES, _NAMES, _LINKS = "triple2dict.json", "entity2text.json", "item2entity.json"
_EVENTS, _NUMBERS = "sequential_data.txt", "datamaps.json"


class Kp4srFolder(PathReader):
    """A folder as the KP4SR authors publish it; ids of users and items are those of ``datamaps.json``."""

    label: ClassVar[str] = "KP4SR"
    parts: ClassVar[str] = f"triples of {_TRIPLES}, names of {_NAMES}, links of {_LINKS}, events of {_EVENTS}"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        return all((folder / name).is_file() for name in (_TRIPLES, _LINKS))

    def triples(self) -> Iterator[Table]:
        """Yield the triples."""
        facts = _mapping(self.path / _TRIPLES)
        rows = ((head, one) for head, ones in facts.items() for one in (ones if isinstance(ones, list) else [ones]))
        numbered = ((number, (head, *_pair(one, self.path))) for number, (head, one) in enumerate(rows, 1))
        yield from tables_of(("head", "relation", "tail"), numbered, self.path / _TRIPLES)

    def names(self) -> Iterator[Table]:
        """Yield the names."""
        if (self.path / _NAMES).is_file():
            yield from self._pairs(("entity_id", "name"), _NAMES)

    def links(self) -> Iterator[Table]:
        """Yield the entity of each item."""
        yield from self._pairs(("item_id", "entity_id"), _LINKS)

    def interactions(self) -> Iterator[Table]:
        """Yield the events, oldest first, without times."""
        file, maps = self.path / _EVENTS, self.path / _NUMBERS
        if file.is_file():
            known = _mapping(maps) if maps.is_file() else {}
            users, items = (_inverse(known.get(name)) for name in ("user2id", "item2id"))
            yield from read_item_lists(file, self.bad_rows, users, items)

    def _pairs(self, columns: tuple[str, str], name: str) -> Iterator[Table]:
        rows = (
            (number, (one, str(other))) for number, (one, other) in enumerate(_mapping(self.path / name).items(), 1)
        )
        yield from tables_of(columns, rows, self.path / name)


def _mapping(path: Path) -> Mapping[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError("no JSON object, which is needed here", path)
    return found


def _pair(one: Any, folder: Path) -> tuple[str, str]:
    if not isinstance(one, list) or len(one) != 2:
        raise DataError("a fact is not a list of relation and tail", folder / _TRIPLES)
    return str(one[0]), str(one[1])


def _inverse(numbers: Any) -> dict[str, str] | None:
    return {str(number): str(one) for one, number in numbers.items()} if isinstance(numbers, dict) else None
