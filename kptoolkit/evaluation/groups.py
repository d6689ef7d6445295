"""Gains by group: the cases of an evaluation by what their target and their history are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.evaluation.significance import RESAMPLES, SEED
from kptoolkit.names import quantity

METRIC: Final = "NDCG@10"
"""Metric of the groups."""
FEWEST: Final = 30
"""A lead over fewer cases is not given: they are too few to tell."""
COLD: Final = "cold, no event"
"""Name of the group of targets without training event."""
_BINS: Final = 4
_NUMBERS_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True)
class GroupRow:
    """One row of a table for one group of cases.

    Attributes:
        value: Mean NDCG@10 over the cases of the group.
        lead: NDCG@10 of the run minus this; ``None`` for the run itself and where there are too few cases.
        low: Lower end of the 95 % bootstrap interval of the lead over users.
        high: Upper end.
    """

    value: float
    lead: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Group:
    """Cases that are similar in one respect.

    Attributes:
        by: The respect, e.g. ``"events of the target"``.
        group: What the cases have in common, e.g. ``"1 to 5 events"``.
        cases: Number of cases.
        rows: Figures by name of the row; that of the run comes first.
    """

    by: str
    group: str
    cases: int
    rows: Mapping[str, GroupRow]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        rows = {
            name: {METRIC: row.value, "lead": row.lead, "low": row.low, "high": row.high}
            for name, row in self.rows.items()
        }
        return {"by": self.by, "group": self.group, "cases": self.cases, "rows": rows}


@dataclass(frozen=True)
class Grouping:
    """One way to divide cases: each case belongs to one group.

    Attributes:
        by: What the groups differ in.
        names: Names of the groups, in order.
        number: ``(N,)`` group of each case.
    """

    by: str
    names: tuple[str, ...]
    number: NDArray[np.int64]


def groupings(
    events: NDArray[np.integer[Any]], history: NDArray[np.integer[Any]], with_triples: NDArray[np.bool_]
) -> tuple[Grouping, ...]:
    """Divide cases by the training events of the target, by the length of the history, and by triples of the target.

    Events and lengths are divided at quartiles of the cases; targets without event are a group of their own.

    Args:
        events: ``(N,)`` training events of each target.
        history: ``(N,)`` length of each history.
        with_triples: ``(N,)`` whether the target has triples.
    """
    warm = events > 0
    names, places = _bins(events[warm], "event")
    number = np.zeros(len(events), dtype=np.int64)
    number[warm] = places + 1
    lengths, of_length = _bins(history, "item")
    return (
        Grouping("events of the target", (COLD, *names), number),
        Grouping("length of the history", lengths, of_length),
        Grouping("triples of the target", ("without triples", "with triples"), with_triples.astype(np.int64)),
    )


def groups(
    ways: Sequence[Grouping], values: Mapping[str, NDArray[np.float64]], *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[Group, ...]:
    """Compute the figures of every group that has a case.

    Args:
        ways: How to divide the cases.
        values: Name of the row to NDCG@10 of each case, ``(N,)``; the first is the run.
        resamples: Bootstrap resamples.
        seed: Random seed of the resamples.
    """
    found = []
    for way in ways:
        for number, name in enumerate(way.names):
            cases = np.flatnonzero(way.number == number)
            if len(cases):
                part = {row: each[cases] for row, each in values.items()}
                found.append(Group(way.by, name, len(cases), _rows(part, resamples, seed)))
    return tuple(found)


def _rows(values: Mapping[str, NDArray[np.float64]], resamples: int, seed: int) -> dict[str, GroupRow]:
    run, *others = values
    means = {name: float(each.mean()) for name, each in values.items()}
    rows = {run: GroupRow(means[run])}
    if len(values[run]) < FEWEST or not others:
        return rows | {name: GroupRow(means[name]) for name in others}
    leads = np.stack([values[run] - values[name] for name in others], axis=1)  # (n, R)
    low, high = _intervals(leads, resamples, seed)
    for place, name in enumerate(others):
        ends = float(low[place]), float(high[place])
        rows[name] = GroupRow(means[name], float(leads[:, place].mean()), *ends)
    return rows


def _intervals(
    values: NDArray[np.float64], resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of the 95 % percentile intervals of R means over the same n users, ``(R,)`` each."""
    count, generator = len(values), np.random.default_rng(seed)
    means, step = np.empty((resamples, values.shape[1])), max(1, _NUMBERS_AT_ONCE // count)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        means[start : start + size] = times @ values / count
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high


def _bins(counts: NDArray[np.integer[Any]], unit: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Divide positive numbers at their quartiles; returns the names of the parts, and the part of each number."""
    if not len(counts):
        return (), np.zeros(0, dtype=np.int64)
    parts = np.linspace(0, 1, _BINS + 1)[1:]
    last = np.unique(np.quantile(counts, parts, method="lower"))  # largest number of each part
    first = [int(counts.min()), *(int(number) + 1 for number in last[:-1])]
    names = tuple(_range(low, int(high), unit) for low, high in zip(first, last, strict=True))
    return names, np.searchsorted(last, counts).astype(np.int64)


def _range(low: int, high: int, unit: str) -> str:
    if low == high:
        return quantity(low, f"{unit}s")
    return f"{low:,} to {high:,} {unit}s"
