"""Triples in memory as a source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kptoolkit.arguments import LARGEST, check_fields
from kptoolkit.errors import DataError, shorten
from kptoolkit.names import quantity
from kptoolkit.storage.text_tables import BadRows, Table
from kptoolkit.storage.values.cells import fault_of


@dataclass
class MemorySource:
    """Triples in memory.

    Attributes:
        triples_: ``(head, relation, tail)``; whole numbers become texts, so that 1, 1.0 and ``"1"`` are one entity. Ids
            are cleaned as in files.
        names_: Name by entity id.
        links_: ``(item_id, entity_id)``.
        items_: ``(item_id, title)``, the title may be ``""``.
        interactions_: ``(user_id, item_id, time, rating)``; time and rating may be ``None``.
        label: Name of the source in messages.
        bad_rows: What to do with rows that have a wrong value; by default they raise.
        literals_left_out: Always 0.

    Raises:
        InputError: A field is no list of rows: a text, a table of pandas.
        DataError: From the methods: a row has another number of values, or an id is ``None``, empty, or neither a text
            nor a whole number, or stands for no value, such as ``"NULL"``; unless ``bad_rows`` skips them.
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
        for number, row in enumerate(self.items_, 1):
            if len(row) == 2 and not isinstance(row[1], str):
                raise DataError(f"row {number}: the title is {shorten(repr(row[1]))}; titles are texts", self.label)
        yield self._table(("item_id",), self.items_, ("title",))

    def interactions(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id``, ``time``, ``rating``."""
        yield self._table(("user_id", "item_id"), self.interactions_, ("time", "rating"))

    def _table(self, columns: tuple[str, ...], rows: Sequence[Sequence[object]], others: tuple[str, ...] = ()) -> Table:
        """Return rows as a table: columns with ids, then others, whose ``None`` is an empty text."""
        width, kept, lines = len(columns) + len(others), list[list[str]](), list[int]()
        for number, row in enumerate(rows, 1):
            if len(row) != width:
                raise DataError(f"row {number} has {quantity(len(row), 'values')} instead of {width}", self.label)
            ids = [_text(value) for value in row[: len(columns)]]
            wrong = next((at for at, text in enumerate(ids) if text is None or fault_of(columns[at], text)), None)
            if wrong is None:
                kept.append([*map(str, ids), *("" if value is None else str(value) for value in row[len(columns) :])])
                lines.append(number)
            elif self.bad_rows.skip:
                self.bad_rows.add(self.label, number, f"the {columns[wrong]} is {shorten(repr(row[wrong]))}")
            else:
                said = (
                    f"row {number}: {columns[wrong]} is {shorten(repr(row[wrong]))}; ids are texts that are not empty"
                )
                raise DataError(said, self.label)
        by_column = list(zip(*kept, strict=True)) or [()] * width
        cells = {name: list(by_column[at]) for at, name in enumerate((*columns, *others))}
        return Table.of(cells, lines, "")


def _text(value: object) -> str | None:
    """Return an id as text, ``None`` if it is neither a text nor a whole number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST else None
    return str(value) if isinstance(value, str) else None


def _lines(rows: Iterable[object]) -> list[int]:
    return [number for number, _ in enumerate(rows, 1)]
