"""How many readers of one item went on to another one, or have both, in training histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories
from kptoolkit.models.parts.pair_kinds import DISTANCES

WITHIN: Final = DISTANCES[-1][1]
"""Most events from an item read to the recommended one that the part `transitions` counts."""
CAPTION: Final = (
    f"n of m: n of m readers in training went on to it within {WITHIN} events; for co-occurrence, have both"
)
"""What the counts of an explanation mean."""
_COUNTED: Final = ("transitions", "co-occurrence")


@dataclass(frozen=True)
class ReaderCount:
    """Of the users who have an item in their training history, those for whom a part counts a recommended item.

    Attributes:
        readers: Users who have the item.
        of_them: For transitions: those who went on to the recommended item within :data:`WITHIN` events. For
            co-occurrence: those who have both, whatever the order.
    """

    readers: int
    of_them: int


class ReaderCounts:
    """Counts readers in training histories.

    Args:
        train: The histories.
    """

    def __init__(self, train: Histories) -> None:
        self._items, self._users = train.items, train.rows

    def of(self, part: str, read: int, recommended: int) -> ReaderCount | None:
        """Count the readers of an item.

        Args:
            part: Name of a score part.
            read: Catalogue row of the item read.
            recommended: Catalogue row of the recommended item.

        Returns:
            The counts; ``None`` for a part that is not counted in histories.
        """
        if part not in _COUNTED:
            return None
        at, to = np.flatnonzero(self._items == read), np.flatnonzero(self._items == recommended)
        found = self._after(at, to) if part == "transitions" else np.intersect1d(self._users[at], self._users[to])
        return ReaderCount(len(np.unique(self._users[at])), len(found))

    def _after(self, at: NDArray[np.int64], to: NDArray[np.int64]) -> NDArray[np.int64]:
        """Users with the first place soon after one of the others."""
        if not len(to):
            return np.zeros(0, dtype=np.int64)
        place = np.searchsorted(to, at, side="right")
        at, place = at[place < len(to)], place[place < len(to)]
        near = (to[place] - at <= WITHIN) & (self._users[to[place]] == self._users[at])
        found: NDArray[np.int64] = np.unique(self._users[at[near]])
        return found
