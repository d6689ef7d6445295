"""Histories of many users, given as a mapping or as a DataFrame, and what a run leaves out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Histories
from kptoolkit.data.interactions import Interactions, read_interactions
from kptoolkit.errors import InputError, shorten
from kptoolkit.names import quantity
from kptoolkit.storage.dialects import Reading
from kptoolkit.storage.layouts.frames import DataFrame, errors_of_frames, write_frames


@dataclass(frozen=True)
class Skipped:
    """What a run leaves out of interactions, because its catalogue does not have the items.

    Attributes:
        items: Ids of the items, sorted.
        events: Events with these items.
        users: Users without any other event.
        advice: What to do about them.
    """

    items: tuple[str, ...] = ()
    events: int = 0
    users: int = 0
    advice: str = ""

    @property
    def message(self) -> str:
        """Return a sentence with the counts and with what to do; empty if nothing was left out."""
        if not self.items:
            return ""
        items = ", ".join(shorten(item) for item in self.items[:3]) + (", …" if len(self.items) > 3 else "")
        users = f", and {quantity(self.users, 'users')} with no other event" if self.users else ""
        return (
            f"{quantity(self.events, 'events')} skipped{users}: {quantity(len(self.items), 'items')} not in the run's "
            f"catalogue ({items}); {self.advice}"
        )


def interactions_of(frame: DataFrame, reading: Reading) -> Interactions:
    """Read the events of a DataFrame as those of a file.

    Args:
        frame: Users, items and, if there are any, times; columns are found by the names that files have.
        reading: Names of columns, where they are others.

    Raises:
        DataError: A column is missing, or a value is wrong; with the row.
    """
    with TemporaryDirectory() as folder, errors_of_frames(Path(folder)):
        write_frames(Path(folder), {"interactions": frame})
        return read_interactions(Path(folder) / "interactions.parquet", reading)[0]


def histories_by_name(
    given: Mapping[str, Sequence[str]], catalogue: Catalogue
) -> tuple[NDArray[np.object_], Histories]:
    """Find the items of histories, each by item id, entity id or exact name.

    Args:
        given: Items by user, oldest first; of a repeated item the first stays.
        catalogue: The items.

    Returns:
        The users and their histories, in the order given.

    Raises:
        InputError: There is no history, or one is empty; with the user.
        UnknownNameError: No such item.
        AmbiguousNameError: Several items have the name.
    """
    if not given:
        raise InputError("no histories given; give at least one")
    rows = []
    for user, items in given.items():
        if len(items) == 0:
            raise InputError(f"the history of '{shorten(user)}' is empty; give at least one item, or leave it out")
        rows.append(catalogue.history_of(items))
    return np.array([*given, None], dtype=object)[:-1], Histories.of(rows)


def allowed_items(
    catalogue: Catalogue, exclude: Sequence[str], candidates: Sequence[str] | None
) -> NDArray[np.bool_] | None:
    """Return which items may be recommended, ``(n_items,)``; ``None`` for all.

    Args:
        catalogue: The items.
        exclude: Items that may not, by item id, entity id or exact name.
        candidates: The only items that may; ``None`` for all.

    Raises:
        InputError: No item is left.
        UnknownNameError: No such item.
        AmbiguousNameError: Several items have the name.
    """
    if candidates is None and len(exclude) == 0:
        return None
    allowed = np.full(len(catalogue), candidates is None)
    if candidates is not None:
        allowed[catalogue.rows_of(candidates)] = True
    allowed[catalogue.rows_of(exclude)] = False
    if not allowed.any():
        raise InputError("no item is left to recommend; give more candidates, or exclude fewer items")
    return allowed
