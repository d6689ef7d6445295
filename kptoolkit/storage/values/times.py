"""Times of events: numbers, ISO 8601 dates, dates such as 20191231, and dates in a form that the user gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.values.cells import is_missing

#: What to do about a text that is no time although most are.
SKIP_ADVICE = "; correct it, or skip such rows (--skip-bad-rows)"
_UTC = r"(?<!\s)\s+(?:UTC|GMT)$"
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EXACT = 2**53
"""Largest number up to which a float is exact to one unit."""
_WIDEST = 2.0**62
_SECONDS, _MILLISECONDS = (1e8, 1e10), (1e11, 1e13)
"""Times between 1973 and 2286."""
_TIME_WORDS = frozenset(
    {
        "time",
        "date",
        "timestamp",
        "datetime",
        "day",
        "when",
        "unix",
        "epoch",
        "datum",
        "zeit",
        "dt",
        "timeframe",
        "ts",
        "tstamp",
    }
)
_STAMP = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?P<zone>[+-]\d{4} )?\d{4}")
"""Dates such as ``Tue Apr 03 18:00:09 +0000 2012``, as Foursquare, Twitter and Goodreads write them."""
_FORMS = (
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}"), "%d.%m.%Y"),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d\d"), "%d.%m.%y"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}"), "%m/%d/%Y"),
    (re.compile(r"\d{1,2}-\d{1,2}-\d{4}"), "%d-%m-%Y"),
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}"), "%Y/%m/%d"),
    (re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}"), "%b %d, %Y"),
    (re.compile(r"[A-Z][a-z]{3,} \d{1,2}, \d{4}"), "%B %d, %Y"),
    (re.compile(r"\d{1,2} \d{1,2}, \d{4}"), "%m %d, %Y"),
)

_CLOCKS = (
    (re.compile(r" \d{1,2}:\d\d"), " %H:%M"),
    (re.compile(r" \d{1,2}:\d\d:\d\d"), " %H:%M:%S"),
    (re.compile(r" \d{1,2}:\d\d [AP]M"), " %I:%M %p"),
    (re.compile(r" \d{1,2}:\d\d:\d\d [AP]M"), " %I:%M:%S %p"),
)
_MONTHS = 12
_FIRST = 1000
_DAY_SECONDS = 86400
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"(?P<hour>\d{1,2})(?P<rest>:\d\d(?::\d\d(?:\.\d+)?)?)(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?")
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?$")
_MAY_BE_TIME = re.compile(r"\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d\d")


def seconds_of(values: NDArray[Any], date_format: str = "") -> NDArray[np.float64]:
    """Convert values to seconds, ``(E,)``: numbers as they are, dates since 1970; NaN for what is neither.

    Values are what most of them are: numbers, such as 20191231 if all of these are dates, or ISO 8601; or dates such as
    ``Tue Apr 03 18:00:09 +0000 2012``, if there is one among the first. Numbers too large for a float are counted from
    the smallest one, so that their order is exact.

    Args:
        values: Numbers or texts.
        date_format: Form of the dates, as for ``strptime``; ``""`` for the above.
    """
    import pandas as pd

    texts = pd.Series(values)
    stamps = (_STAMP.fullmatch(str(value).strip()) for value in values[:_FIRST])
    if not date_format and (stamp := next(filter(None, stamps), None)) is not None:
        date_format = f"%a %b %d %H:%M:%S {'%z ' if stamp['zone'] else ''}%Y"
    if date_format:
        given = pd.to_datetime(texts.astype(str).str.strip(), errors="coerce", format=date_format, utc=True)
        return since_1970(given.dt.tz_localize(None).to_numpy())
    found = pd.to_numeric(texts, errors="coerce")
    numbers = found.notna()
    if numbers.any() and all(_DAY.fullmatch(str(number)) for number in texts[numbers]):
        days = texts.astype(str).where(numbers)
        return since_1970(pd.to_datetime(days, errors="coerce", format="%Y%m%d").to_numpy())
    if found.dtype.kind in "iu":
        return _whole_numbers(np.asarray(found))
    if numbers.all():
        return np.asarray(found, dtype=np.float64)
    dates = texts.astype(str).where(~numbers).str.replace(_UTC, "Z", regex=True)
    iso = pd.to_datetime(dates, errors="coerce", format="ISO8601", utc=True)
    if iso.notna().sum() <= numbers.sum():
        return np.asarray(found, dtype=np.float64)
    return since_1970(iso.dt.tz_localize(None).to_numpy())


def unset(seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which times are the beginning of 1970, or -1 or the like, although most are seconds of later dates.

    Programs write such times where they have none.
    """
    known = seconds[np.isfinite(seconds)]
    early = (seconds > -_DAY_SECONDS) & (seconds <= 0)
    return early & bool(len(known) and np.median(known) > _SECONDS[0])


def _whole_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if max(high, -low) > _EXACT and high - low < _WIDEST:
        values = values - (values.min() - 1)  # none of them is 0, which would be no time
    return values.astype(np.float64)


def since_1970(dates: NDArray[Any]) -> NDArray[np.float64]:
    """Seconds of dates of any unit; NaN where there is no date."""
    unit, _ = np.datetime_data(dates.dtype)
    if unit not in _PER_SECOND:
        dates, unit = dates.astype("datetime64[s]"), "s"
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64) / _PER_SECOND[unit])


def other_unit(values: Sequence[Any], seconds: NDArray[np.float64]) -> int | None:
    """Return the place of the first time in the rarer unit if some are seconds and some milliseconds, else ``None``.

    Args:
        values: Times as given; dates have no unit.
        seconds: What :func:`seconds_of` makes of them.
    """
    units = [(seconds >= low) & (seconds < high) for low, high in (_SECONDS, _MILLISECONDS)]
    if not all(unit.any() for unit in units):
        return None
    place = int(np.argmax(min(units, key=np.sum)))
    try:
        return place if float(values[place]) else None
    except (TypeError, ValueError):
        return None


def date_forms(texts: Sequence[str]) -> list[str]:
    """Return the forms, as for ``strptime``, that dates may have; two if either may be the day.

    Args:
        texts: The dates; the first one says in which order day, month and year are, unless all of them do.
    """
    first = texts[0].strip() if texts else ""
    found = ((pattern.match(first), form) for pattern, form in _FORMS)
    day, form = next(((day, form) for day, form in found if day is not None), (None, ""))
    clock = "" if day is None else first[day.end() :]
    if day is None or (clock and not any(pattern.fullmatch(clock) for pattern, _ in _CLOCKS)):
        return [form] if form else []
    after = next((after for pattern, after in _CLOCKS if pattern.fullmatch(clock)), "")
    return [one + after for one in _orders_of(form, texts)]


def _orders_of(form: str, texts: Sequence[str]) -> list[str]:
    """Return a form with day and month in the order that the numbers above 12 say, both orders if there are none."""
    if form not in ("%m/%d/%Y", "%d-%m-%Y"):
        return [form]
    mark = form[2]
    pairs = (re.match(rf"(\d{{1,2}}){mark}(\d{{1,2}}){mark}", text.strip()) for text in texts)
    numbers = [(int(pair[1]), int(pair[2])) for pair in pairs if pair is not None]
    day_first, month_first = f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y"
    if any(one > _MONTHS for one, _ in numbers):
        return [day_first]
    if any(other > _MONTHS for _, other in numbers):
        return [month_first]
    return [form, month_first if form == day_first else day_first]


def advice_for(text: str, column: Iterable[str] = ()) -> str:
    """Return what to do about a text that is no time: which ``--date-format`` may be its own.

    Args:
        text: The text.
        column: All texts of its column, which may say more of their form.
    """
    if forms := date_forms([text, *column]):
        offered = " or ".join(f"'{form}'" for form in forms)
        return f"; say what it is with --date-format {offered} (day %d, month %m, year %Y)"
    return SKIP_ADVICE if is_missing(text) else "; say what it is with --date-format"


def likely_times(cells: Sequence[str], date_format: str = "") -> NDArray[np.float64] | None:
    """Return seconds since 1970, NaN for a cell without a value; ``None`` if these are probably no times.

    Times are dates in a known form, and numbers that are seconds, or parts of one, since 1973 at the earliest.

    Args:
        cells: Texts.
        date_format: As for :func:`seconds_of`.
    """
    import pandas as pd

    filled = [cell.strip() for cell in cells if not is_missing(cell)]
    if not filled or len(filled) * 2 < len(cells) or not _MAY_BE_TIME.search(filled[0]):
        return None
    numbers = pd.to_numeric(pd.Series(filled), errors="coerce").to_numpy(dtype=np.float64)
    if not date_format and np.isfinite(numbers).all() and not all(map(_DAY.fullmatch, filled)):
        size = next((size for size in (1.0, 1e3, 1e6, 1e9) if _in_seconds(float(np.median(numbers)) / size)), None)
        found = None if size is None else numbers / size
    else:
        form = date_format or next(iter(date_forms(filled)), "")
        found = seconds_of(np.array(filled, dtype=object), form)
        found = found if np.isfinite(found).all() else None
    if found is None:
        return None
    times = np.full(len(cells), np.nan)
    times[[not is_missing(cell) for cell in cells]] = found
    return times


def _in_seconds(number: float) -> bool:
    return _SECONDS[0] <= number < _SECONDS[1]


def is_date(text: str) -> bool:
    """Return whether a text is a date without a time of day, or with midnight."""
    day = _MIDNIGHT.sub("", text.strip())
    known = (pattern for pattern, _ in _FORMS)
    return bool(_ISO_DAY.fullmatch(day) or _DAY.fullmatch(day)) or any(pattern.fullmatch(day) for pattern in known)


def is_clock(text: str) -> bool:
    """Return whether a text is a time of day."""
    return bool(_CLOCK.fullmatch(text.strip()))


def joined_time(day: str, clock: str) -> str:
    """Return a date and a time of day as one text; ``""`` without a date, the date alone without a time of day.

    Example:
        >>> joined_time("2024-03-05", "9:05 PM"), joined_time("05.03.2024", "10:05")
        ('2024-03-05 21:05', '05.03.2024 10:05')
    """
    found, date = _CLOCK.fullmatch(clock.strip()), _MIDNIGHT.sub("", day.strip())
    if _DAY.fullmatch(date):
        date = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    if is_missing(date) or found is None:
        return date if is_missing(clock) else f"{date} {clock.strip()}".strip()
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + 12 * (found["half"].casefold() == "p")
    return f"{date} {hour:02}{found['rest']}"


def words_of_time(header: str) -> list[str]:
    """Return the words of a header in lower case."""
    return re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header.split(":")[0]).casefold())


def looks_like_time(header: str) -> bool:
    """Return whether a header may be that of a time."""
    words = words_of_time(header)
    joined = any(word.endswith("date") and word not in ("update", "candidate") for word in words)
    return joined or not _TIME_WORDS.isdisjoint(words) or words[-1:] in (["at"], ["on"])
