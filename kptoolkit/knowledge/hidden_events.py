"""Finds relations of the graph that state the interactions themselves, held-out ones too.

An order is a node whose items are all in the history of one user; a bought-together relation joins two items of one
history. Nearly all groups of items that such a relation makes are part of a history, while groups of other items with
the same popularity are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.interactions import Interactions
from kptoolkit.graph import Neighbourhoods
from kptoolkit.storage.ragged import run_starts

_GROUPS = 200
"""Groups per relation that are looked at."""
_MEMBERS = 6
"""Items per group that are looked at, the rarest ones."""
_FEWEST = 5
_SHARE, _CHANCE, _COVERED = 0.95, 0.5, 0.05
_SHIFT = 10

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class HiddenEvents:
    """A relation that states interactions.

    Attributes:
        relation: Its id.
        groups: Groups of items that it makes.
        share: Share of these that are part of the history of one user.
        chance: The same share for other items of the same popularity.
    """

    relation: str
    groups: int
    share: float
    chance: float

    @property
    def note(self) -> str:
        """What to report."""
        return (
            f"{self.relation} states the interactions: of the groups of items that it connects, {self.share:.0%} are "
            f"in the history of one user, by chance {self.chance:.0%}; prompts then contain held-out events; load the "
            f"graph with --leave-out {self.relation}, or leave it out of neighbours.cypher"
        )


def hidden_events(found: Neighbourhoods, events: Interactions) -> list[HiddenEvents]:
    """Return the relations that state interactions.

    Args:
        found: Neighbourhoods of a catalogue whose first items are those of the events.
        events: The interactions, held-out ones too.
    """
    item, relation, far = _rows_of_items(found, events.n_items)
    users_of = _Users.of(events)
    item_of = np.full(len(found.ids), -1, dtype=np.int64)
    roots = found.roots[: events.n_items]
    item_of[roots[roots >= 0]] = np.flatnonzero(roots >= 0)
    said = []
    for number, name in enumerate(found.relations):
        chosen = relation == number
        groups = _groups(item[chosen], far[chosen], item_of)
        if len(groups) < _FEWEST or sum(map(len, groups)) < _COVERED * len(events):
            continue
        picked = [groups[at] for at in np.linspace(0, len(groups) - 1, min(len(groups), _GROUPS)).astype(int)]
        share = float(np.mean([users_of.have(group) for group in picked]))
        if share < _SHARE:
            continue
        chance = float(np.mean([users_of.have(users_of.others(group)) for group in picked]))
        if chance <= _CHANCE:
            said.append(HiddenEvents(name, len(groups), share, chance))
    return said


def _rows_of_items(found: Neighbourhoods, n_items: int) -> tuple[Ints, NDArray[np.int32], NDArray[np.int32]]:
    """Item, relation and far end of every triple of an item."""
    roots = found.roots[:n_items]
    items = np.flatnonzero(roots >= 0)
    starts, ends = found.indptr[roots[items]], found.indptr[roots[items] + 1]
    counts = ends - starts
    first = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    rows = first + np.arange(int(counts.sum()))
    return np.repeat(items, counts), found.relation[rows], found.far[rows]


def _groups(item: Ints, far: NDArray[np.int32], item_of: Ints) -> list[Ints]:
    """Sets of two and more items: both ends of a triple between items, or all items of another far end."""
    other = item_of[far]
    pairs = np.unique(np.sort(np.stack([item, other], axis=1)[(other >= 0) & (other != item)], axis=1), axis=0)
    order = np.lexsort((item[other < 0], far[other < 0]))
    near, ends = item[other < 0][order], far[other < 0][order]
    parts = np.split(near, np.flatnonzero(run_starts(ends))[1:]) if len(near) else []
    return [*pairs, *(part for part in map(np.unique, parts) if len(part) > 1)]


@dataclass(frozen=True)
class _Users:
    """The users of each item, and the items by popularity."""

    users: list[Ints]
    by_popularity: Ints
    place: Ints

    @classmethod
    def of(cls, events: Interactions) -> _Users:
        order = np.argsort(events.item, kind="stable")
        ends = np.cumsum(np.bincount(events.item, minlength=events.n_items))
        users = np.split(events.user[order].astype(np.int64), ends[:-1])
        by_popularity = np.argsort([len(one) for one in users], kind="stable").astype(np.int64)
        place = np.empty_like(by_popularity)
        place[by_popularity] = np.arange(len(place))
        return cls(users, by_popularity, place)

    def have(self, group: Ints) -> bool:
        """Return whether one user has the rarest items of a group."""
        rarest = sorted(group.tolist(), key=lambda one: len(self.users[one]))[:_MEMBERS]
        common = self.users[rarest[0]]
        for one in rarest[1:]:
            common = np.intersect1d(common, self.users[one])
            if not len(common):
                return False
        return True

    def others(self, group: Ints) -> Ints:
        """Return other items of about the same popularity."""
        shifts = 1 + np.arange(len(group)) % _SHIFT
        others: Ints = self.by_popularity[(self.place[group] + shifts) % len(self.place)]
        return others
