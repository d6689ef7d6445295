"""Ratings of events: numbers that say how much a user liked an item, or whether anything happened at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError, shorten
from kptoolkit.names import quantity
from kptoolkit.storage.values.cells import is_missing

_COMMA = re.compile(r"(-?\d+),(\d+)")


@dataclass(frozen=True)
class RatingCounts:
    """Counts of the ratings of events.

    Attributes:
        events: Events with a rating.
        not_positive: Of these, those with 0 or less.
        few: The distinct ratings, if there are not more than two.
    """

    events: int
    not_positive: int
    few: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[Any] | NDArray[Any]) -> RatingCounts:
        """Count ratings; texts that are no numbers do not count."""
        numbers = numbers_of(values)
        numbers = numbers[np.isfinite(numbers)]
        distinct = np.unique(numbers)
        return cls(len(numbers), int((numbers <= 0).sum()), tuple(distinct.tolist()) if len(distinct) < 3 else ())


def numbers_of(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Return ratings as numbers, also those with a decimal comma; NaN for other texts."""
    import pandas as pd

    texts = pd.Series(np.asarray(values, dtype=object)).astype(str).str.strip()
    return pd.to_numeric(texts.str.replace(_COMMA, r"\1.\2", regex=True), errors="coerce").to_numpy(dtype=np.float64)


def high_enough(
    columns: Mapping[str, Sequence[Any] | NDArray[Any]], min_rating: float, path: Any, lines: Sequence[int]
) -> NDArray[np.bool_]:
    """Return which events have a rating that is not lower than another; one without a rating has not.

    Args:
        columns: The events, with ``rating``.
        min_rating: The lowest rating.
        path: The file, for messages.
        lines: Line of each event.

    Raises:
        DataError: There are no ratings, or one is no number.
    """
    if "rating" not in columns:
        said = f"no ratings are read, and data.min_rating is {min_rating:g}; name their column with"
        raise DataError(f"{said} --columns rating=HEADER, or leave the setting out", path)
    values = columns["rating"]
    numbers = numbers_of(values)
    bad = next((at for at in np.flatnonzero(np.isnan(numbers)).tolist() if not is_missing(str(values[at]))), None)
    if bad is not None:
        said = f"the rating '{shorten(str(values[bad]))}' is no number, as data.min_rating needs"
        raise DataError(f"{said}; name the right column with --columns rating=HEADER", path, int(lines[bad]))
    return np.asarray(numbers >= min_rating)


def left_out_said(count: int, min_rating: float) -> str:
    """Return that events were left out, ``""`` if none was."""
    return f"{quantity(count, 'events')} with a rating below {min_rating:g}, or without one, left out" if count else ""
