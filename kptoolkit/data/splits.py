"""Splits interactions into training, validation and test: leave-one-out, or at two global points in time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import DataError
from kptoolkit.names import quantity

FEWEST_EVENTS = 3


@dataclass(frozen=True)
class SplitReport:
    """Counts of a split.

    Attributes:
        users: Users in the data.
        users_left_out: Users with too few events.
        events: Events in the data.
        events_left_out: Events of the users left out.
        train_users: Users with at least one training event.
        train_events: Training events.
        valid_cases: Validation cases.
        test_cases: Test cases.
        min_events: Users with fewer events are left out.
        valid_from: First moment of the validation period; ``None`` for leave-one-out.
        test_from: First moment of the test period; ``None`` for leave-one-out.
    """

    users: int
    users_left_out: int
    events: int
    events_left_out: int
    train_users: int
    train_events: int
    valid_cases: int
    test_cases: int
    min_events: int
    valid_from: float | None = None
    test_from: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class Split:
    """Training histories, validation and test.

    Attributes:
        name: ``"leave-one-out"`` or ``"temporal"``.
        train: One history per user number, ``(U,)``; empty for users left out.
        valid: Validation cases.
        test: Test cases.
        report: Counts.
    """

    name: str
    train: Histories
    valid: Cases
    test: Cases
    report: SplitReport

    def cases(self, name: str) -> Cases:
        """Return the cases of ``"test"`` or ``"valid"``."""
        return self.test if name == "test" else self.valid

    def require(self, events: int) -> None:
        """Check that at least one user has enough training events.

        Args:
            events: Training events that this user must have.

        Raises:
            DataError: No user has as many.
        """
        most = int(self.train.lengths.max(initial=0))
        if most >= events:
            return
        said = f"no user has {quantity(events, 'training events')}, the most are {most}; nothing can be trained:"
        if self.report.valid_from is None:
            advice = f"with leave-one-out one user at least needs {events + 2} events; add some, or set data.split"
            raise DataError(f'{said} {advice} = "temporal"')
        raise DataError(f"{said} lower data.valid_fraction, data.test_fraction or data.min_events, or add events")


def make_split(
    interactions: Interactions,
    name: str = "leave-one-out",
    *,
    min_events: int = 0,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> Split:
    """Split interactions by the settings of ``[data]``.

    Raises:
        DataError: No validation or test case is left.
        ValueError: ``name`` is not a split.
    """
    if name == "leave-one-out":
        return leave_one_out(interactions, min_events=min_events)
    if name == "temporal":
        return temporal(interactions, valid_fraction=valid_fraction, test_fraction=test_fraction, min_events=min_events)
    raise ValueError(f"no split {name!r}; there are leave-one-out and temporal")


def leave_one_out(interactions: Interactions, *, min_events: int = 0) -> Split:
    """Use each user's last event for test, the last but one for validation, and the earlier ones for training.

    The input at test is every event before the last one, including the validation event (KP4SR, section on data).

    Args:
        interactions: The events.
        min_events: Leave out users with fewer events; those with under 3 are always left out.

    Raises:
        DataError: No user has enough events.
    """
    fewest = max(FEWEST_EVENTS, min_events)
    everything = interactions.histories
    lengths = everything.lengths
    users = np.flatnonzero(lengths >= fewest)
    if not len(users):
        longest = int(lengths.max(initial=0))
        raise DataError(
            f"no user has {quantity(fewest, 'events')}, the longest history has {longest}; nothing can be split"
        )
    train_lengths = np.where(lengths >= fewest, lengths - 2, 0)
    train = everything.before(train_lengths, np.arange(len(lengths)))
    valid, test = (_case(everything, users, lengths[users] - back) for back in (2, 1))
    report = _report(interactions, lengths >= fewest, train, valid, test, fewest)
    return Split("leave-one-out", train, valid, test, report)


def temporal(
    interactions: Interactions, *, valid_fraction: float = 0.1, test_fraction: float = 0.1, min_events: int = 0
) -> Split:
    """Split at two global points in time: training before the first, validation between them, test from the second on.

    A user has one validation case: the first event in that period, if there is an earlier event. The same holds for
    test, with all earlier events as input. Events at the same time are on the same side.

    Args:
        interactions: The events.
        valid_fraction: Share of the events in the validation period, as nearly as ties allow.
        test_fraction: Share of the events in the test period.
        min_events: Leave out users with fewer events.

    Raises:
        DataError: The data has no times or too few different times, or no user has events on both sides of a point.
    """
    if not interactions.timed:
        raise DataError("a temporal split needs a time column and the interactions have none; use leave-one-out")
    enough = np.diff(interactions.indptr) >= min_events
    chosen = enough[interactions.user]
    valid_from, test_from = _boundaries(interactions.time[chosen], valid_fraction, test_fraction)
    lengths = np.where(enough, np.diff(interactions.indptr), 0)
    everything = interactions.histories
    before = [_events_before(interactions, point) for point in (valid_from, test_from)]
    train = everything.before(np.where(enough, before[0], 0), np.arange(len(lengths)))
    in_valid = np.flatnonzero(enough & (before[0] >= 1) & (before[1] > before[0]))
    in_test = np.flatnonzero(enough & (before[1] >= 1) & (lengths > before[1]))
    if not len(in_valid) or not len(in_test):
        part = "validation" if not len(in_valid) else "test"
        raise DataError(f"nobody has an event in the {part} period and one before it; use wider fractions")
    valid = _case(everything, in_valid, before[0][in_valid])
    test = _case(everything, in_test, before[1][in_test])
    report = _report(interactions, enough, train, valid, test, min_events, valid_from, test_from)
    return Split("temporal", train, valid, test, report)


def _boundaries(time: NDArray[np.float64], valid_fraction: float, test_fraction: float) -> tuple[float, float]:
    """First time of the validation period and of the test period."""
    moments, counts = np.unique(time, return_counts=True)
    if len(moments) < 3:
        raise DataError(f"a temporal split needs 3 different times, there are {len(moments)}; use leave-one-out")
    share_before = (np.cumsum(counts) - counts) / len(time)
    first = int(np.argmin(np.abs(share_before - (1 - valid_fraction - test_fraction))))
    first = min(max(first, 1), len(moments) - 2)
    second = int(np.argmin(np.abs(share_before - (1 - test_fraction))))
    second = min(max(second, first + 1), len(moments) - 1)
    return float(moments[first]), float(moments[second])


def _events_before(interactions: Interactions, moment: float) -> NDArray[np.int64]:
    """``(U,)`` number of each user's events before a time."""
    earlier = interactions.time < moment
    return np.bincount(interactions.user[earlier], minlength=interactions.n_users).astype(np.int64)


def _case(everything: Histories, users: NDArray[np.int64], position: NDArray[np.int64]) -> Cases:
    """Cases whose target is the event at ``position`` of each user, and whose history is all earlier events."""
    targets = everything.items[everything.indptr[users] + position]
    return Cases.of(everything.before(position, users), targets, users.astype(np.int32))


def _report(
    interactions: Interactions,
    used: NDArray[np.bool_],
    train: Histories,
    valid: Cases,
    test: Cases,
    min_events: int,
    valid_from: float | None = None,
    test_from: float | None = None,
) -> SplitReport:
    lengths = np.diff(interactions.indptr)
    return SplitReport(
        users=interactions.n_users,
        users_left_out=int((~used).sum()),
        events=len(interactions),
        events_left_out=int(lengths[~used].sum()),
        train_users=int((train.lengths > 0).sum()),
        train_events=len(train.items),
        valid_cases=len(valid),
        test_cases=len(test),
        min_events=min_events,
        valid_from=valid_from,
        test_from=test_from,
    )
