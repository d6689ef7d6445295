"""Times that a table has in several columns: year, month, day and hour, minute, second; or a date and its time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from kptoolkit.storage.values.times import joined_time

_PARTS = ("year", "month", "day", "hour", "minute", "second")
_DATE = _PARTS[:3]
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def date_columns(names: Sequence[str]) -> dict[str, tuple[str]]:
    """Return the header by part of a date, for headers that end in such words; empty unless there is one whole date.

    Headers are those of one date if they differ in nothing else.

    Example:
        >>> date_columns(["date_day", "date_month", "date_year", "day"])
        {'year': ('date_year',), 'month': ('date_month',), 'day': ('date_day',)}
    """
    whole = _dates(names)
    if len(whole) != 1:
        return {}
    return {part: (whole[0][part],) for part in takewhile(whole[0].__contains__, _PARTS)}


def several_dates(names: Sequence[str]) -> bool:
    """Return whether there are several whole dates, so that it is not known which of them is the time."""
    return len(_dates(names)) > 1


def _dates(names: Sequence[str]) -> list[dict[str, str]]:
    by_stem: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        *stem, last = re.split(r"[^a-z]+", _CAMEL.sub(" ", name.split(":")[0]).casefold())
        if last in _PARTS:
            by_stem.setdefault(tuple(stem), {}).setdefault(last, name)
    return [found for found in by_stem.values() if found.keys() >= set(_DATE)]


def join_dates(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns with ``time`` in place of the parts of a time; as they are if there is none.

    Args:
        columns: Values by name; the parts are called as in :func:`date_columns`, or ``date`` and ``clock``.
    """
    if columns.keys() >= {"date", "clock"}:
        pairs = zip(columns["date"], columns["clock"], strict=True)
        found = {name: column for name, column in columns.items() if name not in ("date", "clock")}
        return {**found, "time": [joined_time(str(day), str(clock)) for day, clock in pairs]}
    if not columns.keys() >= set(_DATE):
        return dict(columns)
    parts = [columns[part] for part in _PARTS if part in columns]
    found = {name: column for name, column in columns.items() if name not in _PARTS}
    found["time"] = [_date([str(cell) for cell in cells]) for cells in zip(*parts, strict=True)]
    return found


def _date(cells: Sequence[str]) -> str:
    """Return a date in the form of ISO 8601; a cell that is no whole number stays as it is, which is no date."""
    numbers = [cell.strip().removesuffix(".0").zfill(2) for cell in cells]
    day, clock = "-".join(numbers[:3]), [*numbers[3:], "00", "00"]
    return f"{day}T{':'.join(clock[:3])}" if len(numbers) > 3 else day
