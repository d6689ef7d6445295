"""Reads MIND: news with categories and mentioned entities of Wikidata, and clicks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import shorten
from kptoolkit.graph.sources.readers.path_reader import PathReader, tables_of
from kptoolkit.storage.dialects import Dialect
from kptoolkit.storage.text_tables import Table, read_table

NEWS, CLICKS = "news.tsv", "behaviors.tsv"
_NEWS = Dialect(header=("id", "category", "subcategory", "title", "abstract", "url", "in_title", "in_abstract"))
_CLICKS = Dialect(header=("impression", "user", "time", "history", "impressions"))
_TIME = "%m/%d/%Y %I:%M:%S %p"
_BEFORE = "0"
"""Time of the clicks of a history, which has none: before all others."""


class MindFolder(PathReader):
    """A folder of MIND. A piece of news is the entity with its own id; clicked news are its events."""

    label: ClassVar[str] = "MIND"
    parts: ClassVar[str] = f"categories and mentioned entities of {NEWS}; clicks of {CLICKS}, those of histories first"

    @staticmethod
    def matches(folder: Path) -> bool:
        """Return whether a folder has this layout."""
        return all((folder / name).is_file() for name in (NEWS, CLICKS))

    def triples(self) -> Iterator[Table]:
        """Yield category, subcategory and mentioned entities of each piece of news."""
        rows = ((line, (news, relation, tail)) for line, news, relation, tail, _ in self._facts())
        yield from self.counted(tables_of(("head", "relation", "tail"), rows, self.path / NEWS))

    def names(self) -> Iterator[Table]:
        """Yield the names of categories and entities, and the titles."""
        rows = ((line, (tail, name)) for line, _, _, tail, name in self._facts() if name)
        yield from tables_of(("entity_id", "name"), rows, self.path / NEWS)
        for table in self._read(NEWS, _NEWS, "id", "title"):
            yield Table({"entity_id": table["id"], "name": table["title"]}, table.lines, table.path)

    def links(self) -> Iterator[Table]:
        """Yield each piece of news as the entity with its id."""
        for table in self._read(NEWS, _NEWS, "id"):
            yield Table({"item_id": table["id"], "entity_id": table["id"]}, table.lines, table.path)

    def items(self) -> Iterator[Table]:
        """Yield the news with their titles."""
        for table in self._read(NEWS, _NEWS, "id", "title"):
            yield Table({"item_id": table["id"], "title": table["title"]}, table.lines, table.path)

    def interactions(self) -> Iterator[Table]:
        """Yield the clicks in seconds; those of the history of a user are before all others."""
        yield from tables_of(("user_id", "item_id", "time"), self._clicks(), self.path / CLICKS)

    def _clicks(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        known = set[str]()
        for table in self._read(CLICKS, _CLICKS, "user", "time", "history", "impressions"):
            cells = zip(table["user"], table["time"], table["history"], table["impressions"], table.lines, strict=True)
            for user, given, history, shown, line in cells:
                if user not in known:  # the history is the same in all rows of a user
                    known.add(user)
                    yield from ((line, (user, news, _BEFORE)) for news in history.split())
                try:
                    time = f"{datetime.strptime(given, _TIME).replace(tzinfo=UTC).timestamp():.0f}"
                except ValueError:
                    self.bad_rows.add(self.path / CLICKS, line, f"the time is {shorten(given)}, not like {_TIME}")
                    continue
                yield from ((line, (user, one[:-2], time)) for one in shown.split() if one.endswith("-1"))

    def _facts(self) -> Iterator[tuple[int, str, str, str, str]]:
        """Yield line, news, relation, id of the tail and its name."""
        for table in self._read(NEWS, _NEWS, "id", "category", "subcategory", "in_title", "in_abstract"):
            for at, line in enumerate(table.lines):
                news = table["id"][at]
                for relation in ("category", "subcategory"):
                    for value in self.values(self.path / NEWS, line, [table[relation][at].strip()]):
                        yield line, news, relation, f"{relation}:{value}", value
                mentioned = {
                    **self._entities(table["in_abstract"][at], line),
                    **self._entities(table["in_title"][at], line),
                }
                yield from ((line, news, "mentions", entity, name) for entity, name in mentioned.items())

    def _entities(self, text: str, line: int) -> Mapping[str, str]:
        """Return the names of the entities in a cell by their ids in Wikidata."""
        try:
            found: Any = json.loads(text) if text.strip() else []
            return {str(one["WikidataId"]): str(one.get("Label") or "") for one in found if one.get("WikidataId")}
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            self.bad_rows.add(self.path / NEWS, line, f"no list of entities: {shorten(text, 40)}")
            return {}

    def _read(self, name: str, dialect: Dialect, *columns: str) -> Iterator[Table]:
        wanted = {column: (column,) for column in columns}
        may_be_empty = set(columns) - {"id", "user"}
        return read_table(self.path / name, wanted, may_be_empty=may_be_empty, bad_rows=self.bad_rows, dialect=dialect)
