"""Sums of pair values over a history, for each kind of pair and age of the item read.

For a case from training histories, the counts are those without the case's own user: the pair of target and item read
is itself one of the pairs counted, and would give the target away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.parts.item_pairs import event_counts
from kptoolkit.models.parts.pair_kinds import PairKind, damping

AGES: Final = (0, 1, 2, 4, 8, 16, 32, 64)
"""First age of each age group; an item of age 0 is the latest of its history."""
OLDEST: Final = 200
"""Items of this age and more do not count."""
_DENSE: Final = 8_000_000
"""Most values of a dense array of a block of cases."""


def age_groups(ages: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the age group of each age."""
    groups: NDArray[np.int64] = np.searchsorted(np.array(AGES), ages, side="right") - 1
    return groups


@dataclass(frozen=True, eq=False)
class TrainingEvents:
    """Training histories, and how often each item occurs in them.

    Attributes:
        histories: One per user.
        events: ``(n,)`` training events of each item.
    """

    histories: Histories
    events: NDArray[np.float32]

    @classmethod
    def of(cls, histories: Histories, n_items: int) -> TrainingEvents:
        """Count the events of each item."""
        return cls(histories, np.bincount(histories.items, minlength=n_items).astype(np.float32))


def pair_features(
    kinds: Sequence[PairKind], cases: Cases, candidates: NDArray[np.int64], train: TrainingEvents, *, without_own: bool
) -> Any:
    """Sum the values of pairs of an item read and a candidate, by kind and by age of the item read.

    Args:
        kinds: K kinds.
        cases: N cases.
        candidates: ``(N, C)`` catalogue rows, distinct inside a row.
        train: What the kinds were counted from.
        without_own: Whether values are those of the training histories without the case's own user. Each case must
            then be the beginning of the training history of its user.

    Returns:
        CSR ``(N * C, K * A)`` for the A groups of :data:`AGES`, the age changing fastest.
    """
    size = max(1, min(64, _DENSE // (len(train.events) * len(AGES))))
    blocks = [
        _Block.of(cases.take(slice(first, first + size)), candidates[first : first + size], train, without_own)
        for first in range(0, len(cases), size)
    ]
    return sp.vstack([block.features(kinds) for block in blocks], format="csr")


@dataclass(frozen=True, eq=False)
class _Own:
    """Training histories of the users of B cases.

    Attributes:
        histories: B histories.
        user: ``(B,)`` user numbers.
        events: ``(B, n)`` events of each item in each of them.
    """

    histories: Histories
    user: NDArray[np.int32]
    events: NDArray[np.float32]

    @classmethod
    def of(cls, cases: Cases, train: TrainingEvents) -> _Own:
        histories = train.histories.take(cases.user)
        return cls(histories, cases.user, event_counts(histories, len(train.events)).toarray())


@dataclass(frozen=True, eq=False)
class _Block:
    """Some cases, their candidates and the items read.

    Attributes:
        place: ``(B, n)`` place of an item among the candidates of a case, -1 for other items.
        width: Candidates per case.
        read: CSR ``(B * A, n)`` how often each item was read at each age.
        train: What the kinds were counted from.
        own: Histories of the users whose contribution is left out; ``None``: nothing is left out.
    """

    place: NDArray[np.int32]
    width: int
    read: Any
    train: TrainingEvents
    own: _Own | None
    _damped: dict[float, tuple[Any, NDArray[np.float64]]] = field(default_factory=dict)

    @classmethod
    def of(cls, cases: Cases, candidates: NDArray[np.int64], train: TrainingEvents, without_own: bool) -> _Block:
        count, n = len(cases), len(train.events)
        place = np.full((count, n), -1, dtype=np.int32)
        np.put_along_axis(place, candidates, np.arange(candidates.shape[1], dtype=np.int32)[None], axis=1)
        latest = cases.histories.latest(OLDEST)
        ends = (latest.rows * len(AGES) + age_groups(latest.ages), latest.items)
        read = sp.csr_matrix((np.ones(len(latest.items), np.float32), ends), shape=(count * len(AGES), n))
        return cls(place, candidates.shape[1], read, train, _Own.of(cases, train) if without_own else None)

    def features(self, kinds: Sequence[PairKind]) -> Any:
        """CSR ``(B * C, K * A)``."""
        found = [self._sums(kind) for kind in kinds]
        counts = [len(values) for _, _, values in found]
        group = np.concatenate([rows % len(AGES) for rows, _, _ in found])
        column = np.repeat(np.arange(len(kinds)) * len(AGES), counts) + group
        case, values = np.concatenate([rows // len(AGES) for rows, _, _ in found]), [v for _, _, v in found]
        row = case * self.width + self.place[case, np.concatenate([items for _, items, _ in found])]
        shape = (len(self.place) * self.width, len(kinds) * len(AGES))
        features = sp.csr_matrix((np.concatenate(values), (row, column)), shape=shape, dtype=np.float32)
        np.maximum(features.data, 0, out=features.data)  # rounding, and pairs that a large catalogue does not store
        return features

    def _sums(self, kind: PairKind) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Row of :attr:`read`, candidate and value of each sum of one kind; several values of one sum are added."""
        near, running = self._damped_reads(kind.rows)
        sums = (near @ kind.raw).tocoo()
        found = [(sums.row, sums.col, sums.data)]
        if self.own is not None and kind.counted is not None:
            found.append(_own_sums(self.own, kind, running))
        rows, items, values = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        chosen = self.place[rows // len(AGES), items] >= 0
        rows, items, values = rows[chosen], items[chosen], values[chosen]
        if kind.columns:
            values = values * damping(self._events(rows // len(AGES), items), kind.columns)
        return rows.astype(np.int64), items.astype(np.int64), (values * np.float32(kind.scale)).astype(np.float32)

    def _damped_reads(self, exponent: float) -> tuple[Any, NDArray[np.float64]]:
        """:attr:`read` damped by the items' events, and its running sums over the places of the users' histories.

        The running sums are ``(A, T + 1)`` for the T events of the histories of :attr:`own`. An event counts wherever
        it is in the history, because it is in the counts of its item.
        """
        if exponent not in self._damped:
            near = self.read.copy()
            case = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr)) // len(AGES)
            near.data = near.data * damping(self._events(case, near.indices), exponent)
            running = np.zeros((len(AGES), 1))
            if self.own is not None:
                histories = self.own.histories
                by_case = near.toarray().reshape(len(self.place), len(AGES), -1)
                running = np.zeros((len(AGES), len(histories.items) + 1))
                np.cumsum(by_case[histories.rows, :, histories.items].T, axis=1, out=running[:, 1:], dtype=np.float64)
            self._damped[exponent] = (near, running)
        return self._damped[exponent]

    def _events(self, case: NDArray[np.int64], items: NDArray[Any]) -> NDArray[np.float32]:
        """Training events of items, without those of the case's user if these are left out."""
        events: NDArray[np.float32] = self.train.events[items]
        return events if self.own is None else np.subtract(events, self.own.events[case, items])


def _own_sums(
    own: _Own, kind: PairKind, running: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """What the pairs of the users' own histories contribute to the sums of a kind, with a minus sign."""
    counted, histories = kind.counted, own.histories
    assert counted is not None
    rows, here = histories.rows, np.arange(len(histories.items))
    first, last = histories.indptr[rows], histories.indptr[rows + 1]
    farthest = len(histories.items) if counted.farthest is None else counted.farthest
    sums = np.zeros((running.shape[0], len(here)))
    if counted.after:  # items read at ``farthest`` to ``nearest`` places before
        sums += running[:, np.clip(here - counted.nearest + 1, first, last)]
        sums -= running[:, np.clip(here - farthest, first, last)]
    if counted.before:
        sums += running[:, np.clip(here + farthest + 1, first, last)]
        sums -= running[:, np.clip(here + counted.nearest, first, last)]
    sums *= counted.weights[own.user[rows]]
    group, place = np.nonzero(sums > 1e-9)  # more than rounding
    return rows[place] * len(AGES) + group, histories.items[place], -sums[group, place].astype(np.float32)
