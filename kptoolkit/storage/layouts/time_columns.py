"""Tells which columns of events are their time, and which others look like one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from kptoolkit.errors import shorten
from kptoolkit.storage.columns import locate, refuse_choice
from kptoolkit.storage.dialects import Reading
from kptoolkit.storage.layouts.date_columns import date_columns, several_dates
from kptoolkit.storage.values.cells import is_missing
from kptoolkit.storage.values.times import is_clock, is_date, likely_times, looks_like_time, words_of_time

#: First rows that are looked at.
LOOKED_AT = 200
#: First cells by header.
Cells = Mapping[str, Sequence[str]]
_UNCLEAR = frozenset({"time", "date", "datetime", "created at", "created utc", "date time", "clock"})
"""Headers that may also be the time of something else than the event."""
_WORDS = """
birth birthday birthdate born dob release released releasedate publish published publication pub founded premiere
premiered expiry expires expire expiration registration registered signup joined join member since update updated
modified edited delivery delivered shipping shipped due estimated last first
"""
_OF_OTHERS = frozenset(_WORDS.split())
"""Words of headers with dates that are not those of events."""
_DAY_WORDS = frozenset({"date", "datum", "day", "dt"})
_CLOCK_WORDS = frozenset({"time", "clock", "uhrzeit", "zeit", "hour"})
_TWO_DAYS = 2 * 86400.0


def cells_of(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Return the first cells by header; rows of another width are left out."""
    whole = [row for row in rows[:LOOKED_AT] if len(row) == len(names)]
    return {name: [row[at].strip() for row in whole] for at, name in enumerate(names)}


def with_times(
    names: Sequence[str], wanted: Mapping[str, Sequence[str]], cells: Cells, date_format: str = ""
) -> dict[str, Sequence[str]]:
    """Return accepted headers by column, with those of the parts of a time that is in several columns.

    These are year, month and day where there is no other time, or a date and its time of day.

    Args:
        names: The headers.
        wanted: Accepted headers by column.
        cells: First cells.
        date_format: Form of dates, as for ``strptime``.
    """
    at = locate(names, {"time": wanted["time"]})
    if not at:
        return {**wanted, **date_columns(names)}
    parts = _date_and_clock(names[at["time"]], cells, date_format)
    others = {name: spellings for name, spellings in wanted.items() if name != "time" or not parts}
    return {**others, **parts}


def _date_and_clock(time: str, cells: Cells, date_format: str) -> dict[str, tuple[str]]:
    """Return the headers of a date and its time of day, one of them ``time``; empty unless there is one such pair."""
    clocks = {name: _stem(name, _CLOCK_WORDS) for name in cells if _CLOCK_WORDS & set(words_of_time(name))}
    days = {name: _stem(name, _DAY_WORDS) for name in cells if name == time or looks_like_time(name)}
    pairs = [
        (day, clock)
        for clock, own in clocks.items()
        for day, stem in days.items()
        if time in (day, clock) and day != clock and own in ((), stem) and _are(cells[clock], is_clock)
    ]
    pairs = [(day, clock) for day, clock in pairs if _are_dates(cells[day], date_format)]
    return {"date": (pairs[0][0],), "clock": (pairs[0][1],)} if len(pairs) == 1 else {}


def _stem(header: str, words: Collection[str]) -> tuple[str, ...]:
    return tuple(word for word in words_of_time(header) if word and word not in words and word != "of")


def _are(cells: Sequence[str], check: object) -> bool:
    filled = [cell for cell in cells if not is_missing(cell)]
    return callable(check) and bool(filled) and all(map(check, filled))


def _are_dates(cells: Sequence[str], date_format: str) -> bool:
    return _are(cells, is_date) or (
        bool(date_format) and not _has_clock(date_format) and likely_times(cells, date_format) is not None
    )


def _has_clock(date_format: str) -> bool:
    return any(part in date_format for part in ("%H", "%I", "%T", "%R", "%X", "%c"))


def check_times(
    names: Sequence[str],
    wanted: Mapping[str, Sequence[str]],
    cells: Cells,
    reading: Reading,
    path: Path,
) -> None:
    """Check that no other column than the one that is read may as well be the time.

    Headers such as ``timestamp`` are clear, and so is what the user says. Columns that differ by less than two days
    tell the same.

    Args:
        names: The headers.
        wanted: Accepted headers by column, as of :func:`with_times`.
        cells: First cells.
        reading: What the user says about the file.
        path: The file, for messages.

    Raises:
        DataError: There is another one; with what to do.
    """
    read = locate(names, wanted)
    at = read.get("time", read.get("date"))
    if at is None or "time" in reading.columns or " ".join(words_of_time(names[at])).strip() not in _UNCLEAR:
        return
    own = likely_times(cells.get(names[at], ()), reading.date_format)
    others = [name for place, name in enumerate(names) if place not in read.values() and name in cells]
    rivals = [name for name in others if not _OF_OTHERS & set(words_of_time(name))]
    for name in rivals:
        found = likely_times(cells[name], reading.date_format)
        if found is None or not (looks_like_time(name) or not _are_numbers(cells[name])):
            continue
        if own is None or not np.nanmax(np.abs(own - found), initial=0.0) < _TWO_DAYS:
            refuse_choice([names[at], name], "time", path)


def _are_numbers(cells: Sequence[str]) -> bool:
    return _are(cells, lambda cell: cell.replace(".", "", 1).isdecimal())


def unread_times(names: Sequence[str], wanted: Mapping[str, Sequence[str]], cells: Cells) -> str:
    """Return which columns may be the time where none is read, with the option to give; else ``""``."""
    read = locate(names, wanted)
    if not read.keys().isdisjoint({"time", "year", "date"}):
        return ""
    if several_dates(names):
        return "no time is read: there are several dates of year, month and day; write one of them into one column"
    others = [name for place, name in enumerate(names) if place not in read.values() and name]
    by_values = {name for name in others if likely_times(cells.get(name, ())) is not None}
    found = [name for name in others if name in by_values or looks_like_time(name)]
    found.sort(key=lambda name: (name not in by_values, bool(_OF_OTHERS & set(words_of_time(name)))))
    if not found:
        return ""
    shown = " or ".join(map(shorten, found[:5]))
    return f"no time is read: if {shown} is one, give --columns time={shorten(found[0])}"
