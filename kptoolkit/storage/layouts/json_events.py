"""Reads events from JSON: one object per event, or one per user with a list of items or of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.columns import INTERACTION_COLUMNS, check_candidates, locate
from kptoolkit.storage.dialects import Reading, Sample, role_of
from kptoolkit.storage.layouts.date_columns import join_dates
from kptoolkit.storage.layouts.json_rows import read_objects
from kptoolkit.storage.layouts.time_columns import LOOKED_AT, check_times, unread_times, with_times
from kptoolkit.storage.text_tables import BATCH_ROWS, BadRows, Table
from kptoolkit.storage.values.cells import clean_columns

_REQUIRED = ("user_id", "item_id")
_ARTICLE = "aid"
"""Key of an item in a list of events that is no usual one."""


@dataclass(frozen=True)
class JsonEvents:
    """How to read a file.

    Attributes:
        path: The file.
        keys: Key by column; a dot goes into an object.
        within: Key of a list of events, whose own keys are :attr:`inner`; ``""`` for none.
        inner: Key by column within each of these.
        bad_rows: What to do with lines that cannot be read.
        unread: Which keys may be the time, where none is read.
        problem: The error if another key may as well be the time; :meth:`tables` raises it.
    """

    path: Path
    keys: Mapping[str, str]
    within: str = ""
    inner: Mapping[str, str] = field(default_factory=dict)
    bad_rows: BadRows = field(default_factory=BadRows)
    unread: str = ""
    problem: DataError | None = None

    @classmethod
    def find(cls, path: Path, reading: Reading) -> JsonEvents:
        """Find the keys of users, items and times in the first objects of a file.

        Raises:
            DataError: No user or item is named, or one is an object; the message has the option to give.
        """
        objects = _first_objects(path)
        first: dict[str, Any] = {}
        for one in objects:
            first |= {key: value for key, value in one.items() if first.get(key) is None}
        keys = list(dict.fromkeys([*first, *(key for one in objects for key in _inner_keys(one))]))
        wanted = reading.spellings(INTERACTION_COLUMNS)
        check_candidates(keys, wanted, path)
        cells = {key: [_text(_at(one, key)) for one in objects] for key in keys}
        accepted = with_times(keys, wanted, cells, reading.date_format)
        found = {
            name: keys[at] for name, at in locate(keys, accepted).items() if name != "rating" or reading.has_ratings
        }
        within, inner = "", dict[str, str]()
        if "item_id" not in found:
            within, inner = _list_of_events(first, wanted)
        if missing := [name for name in _REQUIRED if name not in {**found, **inner}]:
            options = ",".join(f"{role_of(name)}=KEY" for name in missing)
            said = f"no key for {' and '.join(missing)} (keys: {shorten(', '.join(keys), 200)})"
            raise DataError(f"{said}; say which it is with --columns {options}; {Sample.read(path).shown()}", path)
        for name, key in found.items():
            if isinstance(_at(first, key), dict):
                option = next((one for one in keys if one.startswith(f"{key}.")), "KEY")
                said = f"{key} is an object; say which of its keys is the {role_of(name)}"
                raise DataError(f"{said} with --columns {role_of(name)}={option}", path)
        unread, problem = "" if "time" in inner else unread_times(keys, accepted, cells), None
        try:
            check_times(keys, accepted, cells, reading, path)
        except DataError as error:
            problem = error
        return cls(path, found, within, inner, BadRows(skip=reading.skip_bad_rows), unread, problem)

    @property
    def said(self) -> str:
        """Which keys are read as what."""
        parts = [
            ", ".join(f"{key} as {role_of(name)}" for name, key in keys.items()) for keys in (self.keys, self.inner)
        ]
        read = f"JSON lines: {f'; {self.within}: '.join(filter(None, parts))}"
        return "; ".join(filter(None, (read, self.unread)))

    def tables(self) -> Iterator[Table]:
        """Yield the columns ``user_id``, ``item_id`` and, if there are times, ``time``.

        Raises:
            DataError: A line is wrong, or another key may as well be the time.
        """
        if self.problem is not None:
            raise self.problem
        names = list({**self.keys, **self.inner})
        batch: list[list[str]] = []
        lines: list[int] = []
        for line, one in read_objects(self.path, self.bad_rows):
            for event in self._events(one):
                batch.append([_text(event[name]) for name in names])
                lines.append(line)
            if len(batch) >= BATCH_ROWS:
                yield _table(self.path, names, batch, lines)
                batch, lines = [], []
        if batch:
            yield _table(self.path, names, batch, lines)

    def _events(self, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the events of an object: those in its list, one for each of its items, or itself."""
        own = {name: _at(one, key) for name, key in self.keys.items()}
        if self.within:
            inside = one.get(self.within)
            for event in inside if isinstance(inside, list) else []:
                yield {**own, **{name: _at(event, key) for name, key in self.inner.items()}}
            return
        items, time = own["item_id"], own.get("time")
        if not isinstance(items, list):
            yield own
            return
        times = time if isinstance(time, list) and len(time) == len(items) else [time] * len(items)
        for item, when in zip(items, times, strict=True):
            yield {**own, "item_id": item, **({"time": when} if "time" in own else {})}


def _first_objects(path: Path) -> list[dict[str, Any]]:
    """Return the objects that are looked at, up to one that cannot be read.

    Raises:
        DataError: The first one cannot be read.
    """
    found: list[dict[str, Any]] = []
    try:
        for _, one in islice(read_objects(path), LOOKED_AT):
            found.append(one)
    except DataError:
        if not found:
            raise
    return found


def _list_of_events(first: dict[str, Any], wanted: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, str]]:
    """Return the key of a list of objects with items, and the keys in them."""
    inside = {name: (*wanted[name], *([_ARTICLE] if name == "item_id" else [])) for name in ("item_id", "time")}
    for key, value in first.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            keys = list(value[0])
            at = locate(keys, inside)
            if "item_id" in at:
                return key, {name: keys[place] for name, place in at.items()}
    return "", {}


def _inner_keys(first: dict[str, Any]) -> list[str]:
    return [f"{key}.{inner}" for key, value in first.items() if isinstance(value, dict) for inner in value]


def _at(one: Any, key: str) -> Any:
    """Return the value at a key, or at a key in an object; ``None`` without one."""
    if not isinstance(one, dict) or key in one:
        return one.get(key) if isinstance(one, dict) else None
    first, _, rest = key.partition(".")
    return _at(one.get(first), rest) if rest else None


def _table(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int]) -> Table:
    columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    joined = {name: list(column) for name, column in join_dates(columns).items()}
    return Table(clean_columns(joined), lines, str(path))


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)
