"""Triples in memory as a source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kptoolkit.arguments import LARGEST, check_fields
from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.text_tables import BadRows, Table


@dataclass
class MemorySource:
    """Triples in memory.

    Attributes:
        triples_: ``(head, relation, tail)``; integers become texts, so that 1 and ``"1"`` are one entity.
        names_: Name by entity id.
        links_: ``(item_id, entity_id)``.
        items_: ``(item_id, title)``, the title may be ``""``.
        interactions_: ``(user_id, item_id, time, rating)``; time and rating may be ``None``.
        label: Name of the source in messages.
        bad_rows: Not used, since a wrong value raises.
        literals_left_out: Always 0.

    Raises:
        InputError: A field is no list of rows: a text, a table of pandas.
        DataError: From the methods: a row has another number of values, or an id is ``None``, empty, or neither a text
            nor an integer.
    """

    triples_: Sequence[Sequence[object]]
    names_: Mapping[str, str] = field(default_factory=dict)
    links_: Sequence[Sequence[object]] = ()
    items_: Sequence[Sequence[object]] = ()
    interactions_: Sequence[Sequence[object]] = ()
    label: str = "memory"
    bad_rows: BadRows = field(default_factory=BadRows)
    literals_left_out: int = 0

    def __post_init__(self) -> None:
        check_fields(self)

    def warnings(self) -> list[str]:
        """Return ``[]``: what is wrong raises."""
        return []

    def triples(self) -> Iterator[Table]:
        """Yield the columns ``head``, ``relation``, ``tail``."""
        yield self._table(("head", "relation", "tail"), self.triples_)

    def names(self) -> Iterator[Table]:
        """Yield the columns ``entity_id``, ``name``."""
        yield Table({"entity_id": list(self.names_), "name": list(self.names_.values())}, _lines(self.names_))

    def links(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``entity_id``."""
        yield self._table(("item_id", "entity_id"), self.links_)

    def items(self) -> Iterator[Table]:
        """Yield the columns ``item_id``, ``title``."""
        ids = self._table(("item_id",), self.items_, width=2)
        titles = [row[1] for row in self.items_]
        for number, title in enumerate(titles, 1):
            if not isinstance(title, str):
                raise DataError(f"row {number}: the title is {shorten(repr(title))}; titles are texts", self.label)
        yield Table({**ids.columns, "title": [str(title) for title in titles]}, ids.lines)

    def interactions(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id``, ``time``, ``rating``."""
        ids = self._table(("user_id", "item_id"), self.interactions_, width=4)
        numbers = {
            name: ["" if row[at] is None else str(row[at]) for row in self.interactions_]
            for name, at in (("time", 2), ("rating", 3))
        }
        yield Table({**ids.columns, **numbers}, ids.lines)

    def _table(self, columns: tuple[str, ...], rows: Sequence[Sequence[object]], width: int | None = None) -> Table:
        for number, row in enumerate(rows, 1):
            if len(row) != (width or len(columns)):
                raise DataError(f"row {number} has {len(row)} values instead of {width or len(columns)}", self.label)
        values = {
            name: [self._id(row[at], name, n) for n, row in enumerate(rows, 1)] for at, name in enumerate(columns)
        }
        return Table(values, _lines(rows))

    def _id(self, value: object, column: str, row: int) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST:
            return str(value)
        if not isinstance(value, str) or not value.strip():
            seen = shorten(repr(value))
            raise DataError(f"row {row}: {column} is {seen}; ids are texts that are not empty", self.label)
        return value


def _lines(rows: Iterable[object]) -> list[int]:
    return [number for number, _ in enumerate(rows, 1)]
