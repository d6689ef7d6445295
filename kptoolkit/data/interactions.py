"""Interactions of users with items: the events that a recommender learns from.

Ratings are ignored. If a pair of user and item occurs several times, the first event stays. Events are sorted by
(user, time, row in the file).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kptoolkit.arguments import check_fields, checked
from kptoolkit.config import GRAPH_DATA
from kptoolkit.data.event_files import (
    EVENT_SUFFIXES,
    EventTable,
    block_files,
    has_events,
    read_file_events,
    read_folder_events,
    users_said,
)
from kptoolkit.data.histories import Histories
from kptoolkit.data.tables import Table, columns_of, tables_in, with_skipped
from kptoolkit.errors import DataError, InputError, RunError, UnknownNameError, shorten
from kptoolkit.graph.sources.foreign_formats import foreign_in
from kptoolkit.names import nearest, quantity
from kptoolkit.storage.atomic import atomic_write, write_text
from kptoolkit.storage.columns import INTERACTION_COLUMNS, locate
from kptoolkit.storage.dialects import Reading, suffix_of
from kptoolkit.storage.layouts.archives import is_archive, unpack
from kptoolkit.storage.layouts.order_tables import order_tables
from kptoolkit.storage.layouts.table_layouts import header_cells
from kptoolkit.storage.values.ratings import RatingCounts, high_enough, left_out_said
from kptoolkit.storage.values.times import unset

_REQUIRED = {name: INTERACTION_COLUMNS[name] for name in ("user_id", "item_id")}
_METADATA = b"kptool"
_FEWEST_CHANGES, _NEARLY_ALL = 5, 0.9
"""Changes of the time from row to row that tell how a file is sorted, and the share of them that must agree."""
_LONGEST_NOTICE = 4000
"""Bytes of the notice that are read."""


@dataclass(frozen=True)
class ReadReport:
    """Counts of reading interactions.

    Attributes:
        path: The file.
        rows: Rows in the file.
        repeats: Rows left out because the same user met the same item in an earlier event.
        users: Distinct users.
        items: Distinct items.
        events: Events after leaving out repeats.
        timed: Whether the file has a time column; without one, the order of its rows is used.
        layout: The layout that was recognized; ``""`` for a table with the usual header line.
        ratings: Counts of the ratings, if they were read and all events count whatever theirs is.
    """

    path: Path
    rows: int
    repeats: int
    users: int
    items: int
    events: int
    timed: bool
    layout: str = ""
    ratings: RatingCounts | None = None


@dataclass(frozen=True)
class Interactions:
    """Events, sorted by (user, time, row).

    Attributes:
        user_ids: ``(U,)`` ids as strings, sorted.
        item_ids: ``(I,)`` ids as strings; sorted as read, in the catalogue's order after :meth:`restrict_to`.
        user: ``(E,)`` numbers into ``user_ids``, ascending.
        item: ``(E,)`` numbers into ``item_ids``.
        time: ``(E,)`` seconds, or the unit of the file; 0 without a time column.
        row: ``(E,)`` row in the file, from 0.
        timed: Whether ``time`` was given.
    """

    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.float64]
    row: NDArray[np.int64]
    timed: bool = True

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    @checked
    def of(
        cls,
        users: Sequence[str] | NDArray[Any],
        items: Sequence[str] | NDArray[Any],
        times: Any = None,
        *,
        newest_first: bool = False,
    ) -> Interactions:
        """Create interactions from columns of ids: numbers, sorts and deduplicates them.

        Without ``times``, the order of the events is used.

        Args:
            users: ``(E,)`` user ids.
            items: ``(E,)`` item ids.
            times: ``(E,)`` numbers, or ``None``.
            newest_first: Whether of two events of a user at the same time the later one is given first.

        Raises:
            InputError: The columns differ in length, or a time is no number.
        """
        user, user_ids = _numbered(users)
        item, item_ids = _numbered(items)
        try:
            time = np.zeros(len(user)) if times is None else np.asarray(times, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"Interactions.of(times=…): numbers are needed: {shorten(str(error))}") from error
        if not len(user) == len(item) == len(time) or time.ndim != 1 or np.isnan(time).any():
            lengths = (
                f"{quantity(len(user), 'users')}, {quantity(len(item), 'items')} and {quantity(len(time), 'times')}"
            )
            raise InputError(f"Interactions.of: {lengths} do not fit; give a user, an item and a time for each event")
        row = np.arange(len(user))
        order = np.lexsort((-row if newest_first else row, time, user))
        pair = user[order].astype(np.int64) * max(len(item_ids), 1) + item[order]
        first = np.sort(np.unique(pair, return_index=True)[1])
        order = order[first]
        timed = times is not None
        return cls(user_ids, item_ids, user[order], item[order], time[order], order.astype(np.int64), timed)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_ids)

    @cached_property
    def indptr(self) -> NDArray[np.int64]:
        """``(U+1,)``: the events of user ``u`` are ``[indptr[u], indptr[u+1])``, oldest first."""
        return np.searchsorted(self.user, np.arange(self.n_users + 1)).astype(np.int64)

    @cached_property
    def _user_numbers(self) -> dict[str, int]:
        return {user_id: number for number, user_id in enumerate(self.user_ids)}

    @property
    def histories(self) -> Histories:
        """The items of each user, oldest first, U histories."""
        return Histories(self.indptr, self.item)

    @checked
    def user_number(self, user_id: str) -> int:
        """Return the number of a user.

        Raises:
            UnknownNameError: No such user; the message has the three nearest ids.
        """
        return _look_up(self._user_numbers, "user", user_id)

    @checked
    def history_of(self, user_id: str) -> NDArray[np.int32]:
        """Return the item numbers of a user's history, oldest first, ``(H,)``.

        Raises:
            UnknownNameError: No such user; the message has the three nearest ids.
        """
        return self.histories[self.user_number(user_id)]

    @checked
    def restrict_to(self, item_ids: Sequence[str] | NDArray[Any]) -> tuple[Interactions, int]:
        """Keep the events of some items, and number the items by their position in ``item_ids``.

        Returns:
            The events, and the number of events left out.

        Raises:
            DataError: No event is left.
        """
        place = {str(item_id): number for number, item_id in enumerate(item_ids)}
        number = np.array([place.get(item_id, -1) for item_id in self.item_ids], dtype=np.int32)
        item = number[self.item]
        known = item >= 0
        if not known.any():
            raise DataError(
                f"none of the {quantity(len(self), 'interactions')} names an item of the catalogue; compare the item "
                "ids"
            )
        chosen = np.array(list(place), dtype=object)
        restricted = replace(
            self,
            item_ids=chosen,
            user=self.user[known],
            item=item[known],
            time=self.time[known],
            row=self.row[known],
        )
        return restricted, int((~known).sum())

    def content_hash(self) -> str:
        """Return a SHA-256 of every user's item ids in order; times and items without events do not matter."""
        used, item = np.unique(self.item, return_inverse=True)
        ids = self.item_ids[used]
        order = np.argsort(ids, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        used_users, user = np.unique(self.user, return_inverse=True)
        digest = hashlib.sha256(json.dumps([self.user_ids[used_users].tolist(), ids[order].tolist()]).encode())
        digest.update(user.astype("<i8").tobytes())
        digest.update(place[item].astype("<i8").tobytes())
        return digest.hexdigest()

    @checked
    def save(self, path: Path) -> None:
        """Write a Parquet file with the columns user_id, item_id, time and row."""
        columns = {
            "user_id": pa.array(self.user_ids[self.user], pa.string()),
            "item_id": pa.array(self.item_ids[self.item], pa.string()),
            "time": self.time,
            "row": self.row,
        }
        about = {
            "users": self.user_ids.tolist(),
            "items": self.item_ids.tolist(),
            "timed": self.timed,
            "sha256": self.content_hash(),
        }
        table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(about).encode()})
        write_parquet(table, path)

    @classmethod
    @checked
    def load(cls, path: Path) -> Interactions:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: The file is missing or damaged, or contains other events than were saved.
        """
        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[_METADATA])
            user_ids, item_ids = (np.array(about[key], dtype=object) for key in ("users", "items"))
            found = cls(
                user_ids,
                item_ids,
                _codes(table.column("user_id"), user_ids),
                _codes(table.column("item_id"), item_ids),
                table.column("time").to_numpy(),
                table.column("row").to_numpy(),
                bool(about["timed"]),
            )
            whole = found.content_hash() == about["sha256"]
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise RunError(f"{path} is missing or damaged; fit the run again") from error
        if not whole:
            raise RunError(f"{path} does not hold the interactions that were saved; fit the run again")
        return found


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table to ``path``, as :func:`atomic_write` does."""
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


@checked
def read_interactions(path: str | Path, reading: Reading | None = None) -> tuple[Interactions, ReadReport]:
    """Read interactions from a file, or from the one interactions file of a folder.

    Args:
        path: A table (``.inter``, ``.csv``, ``.tsv``, ``.txt``, ``.dat``), JSON lines, each also gzipped, or Parquet;
            or a folder, also one with a split by RecBole or in the KGAT layout. Columns are found by their usual
            names; ratings are ignored; without a time column the order of the rows is used.
        reading: Columns and encoding, where the file does not tell them.

    Raises:
        DataError: No or several such files in the folder, or the file is wrong; with file and line.
    """
    path, reading = Path(path), reading or Reading()
    path = unpack(path) if is_archive(path) else path
    read = read_folder_events(path, reading) if path.is_dir() else None
    read = read or read_file_events(find_interactions(path, reading), reading)
    table, skip = read.table, reading.skip_bad_rows
    if skip:
        table = table.filled(("user_id", "item_id", "timestamp"))
    times = table.times("timestamp", reading.date_format, skip=skip) if "timestamp" in table.columns else None
    if skip and times is not None:
        kept = np.isfinite(times) & ~unset(times)
        table, times = table.rows(kept), times[kept]
    skipped = len(read.table) - len(table)
    read = replace(read, layout=with_skipped(read.layout, skipped, " without a user, an item or a time"))
    table, times, read, ratings = _rated(table, times, read, reading)
    users, items = table.strings("user_id"), table.strings("item_id")
    newest_first = times is not None and _is_newest_first(users, times)
    found = Interactions.of(users, items, times, newest_first=newest_first)
    if newest_first and _has_ties(found):
        said = "rows are newest first, so that of events of a user at the same time the last row is the first event"
        read = replace(read, layout=f"{read.layout or 'a table with a header line'}; {said}")
    sizes = (len(table), len(table) - len(found), found.n_users, found.n_items, len(found))
    return found, ReadReport(read.path, *sizes, found.timed, read.layout, ratings)


def _rated(
    table: Table, times: NDArray[np.float64] | None, read: EventTable, reading: Reading
) -> tuple[Table, NDArray[np.float64] | None, EventTable, RatingCounts | None]:
    """Leave out events with a low rating, or count the ratings where all events count."""
    if reading.min_rating is None:
        counted = "rating" in table.columns and reading.counts_ratings
        return table, times, read, RatingCounts.of(table.columns["rating"]) if counted else None
    kept = high_enough(table.columns, reading.min_rating, read.path, table.lines.tolist())
    said = left_out_said(int((~kept).sum()), reading.min_rating)
    layout = "; ".join(filter(None, (read.layout or "a table with a header line", said)))
    return table.rows(kept), None if times is None else times[kept], replace(read, layout=layout), None


def _is_newest_first(users: NDArray[Any], times: NDArray[np.float64]) -> bool:
    """Return whether the times of a user descend from row to row, for nearly all rows of all users."""
    user = pd.factorize(users)[0]
    order = np.argsort(user, kind="stable")
    change = np.diff(times[order])[np.diff(user[order]) == 0]
    change = change[change != 0]
    return len(change) >= _FEWEST_CHANGES and float((change < 0).mean()) >= _NEARLY_ALL


def _has_ties(found: Interactions) -> bool:
    return bool(((np.diff(found.user) == 0) & (np.diff(found.time) == 0)).any())


def notice_of(path: Path) -> str:
    """Return the first line of the ``NOTICE`` file next to interactions, which every output repeats; else ``""``.

    Raises:
        DataError: The line is not UTF-8.
    """
    if path == GRAPH_DATA:
        return ""
    file = (path if path.is_dir() else path.parent) / "NOTICE"
    if not file.is_file():
        return ""
    try:
        with file.open("rb") as opened:
            first = opened.readline(_LONGEST_NOTICE)
        lines = first.decode("utf-8-sig", "strict" if len(first) < _LONGEST_NOTICE else "ignore").splitlines()
        return lines[0].strip() if lines else ""
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8 text; save the file as UTF-8", file, 1) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file) from error


def write_notice(folder: Path, notice: str) -> None:
    """Write the notice that :func:`notice_of` returns for the interactions of a folder; nothing if it is empty.

    Raises:
        InputError: It has several lines, or is too long.
    """
    if not notice.strip():
        return
    if len(notice.strip().splitlines()) > 1:
        raise InputError("the notice has several lines; give one, which every output repeats")
    if len(notice.encode("utf-8", "replace")) >= _LONGEST_NOTICE:
        raise InputError(f"the notice is longer than {_LONGEST_NOTICE:,} bytes; give a shorter one")
    write_text(folder / "NOTICE", f"{notice.strip()}\n")


def find_interactions(path: Path, reading: Reading | None = None) -> Path:
    """Find the interactions file of a folder: its ``.inter``, else its only table with users and items.

    Args:
        path: A folder; a file is returned as it is.
        reading: Columns and encoding, where the files do not tell them.

    Raises:
        DataError: There is none or more than one, and the message has all candidates; or a Parquet file is damaged.
    """
    if not path.exists():
        raise DataError("no such file or folder", path)
    if not path.is_dir():
        return path
    candidates = interactions_in(path, reading)
    if not candidates:
        for table in tables_in(path, (".csv", ".tsv", ".parquet")):
            if suffix_of(table) == ".parquet" or not header_cells(table, reading or Reading()):
                columns_of(table)  # one that is damaged is the reason
        said = "no interactions here: no .inter, and no table or JSON lines with user_id and item_id"
        others = "".join(f"; {one}" for one in foreign_in(path)[:3]) or users_said(path, reading or Reading())
        raise DataError(f"{said}; give the path of the file, and its columns with --columns{others}", path)
    if len(candidates) > 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise DataError(f"several interactions files: {names}; give the path of one of them", path)
    return candidates[0]


def interactions_in(folder: Path, reading: Reading | None = None) -> list[Path]:
    """List the candidates for a folder's interactions: every ``.inter``, else every table with users and items."""
    return tables_in(folder, (".inter",)) or [
        path for path in tables_in(folder, EVENT_SUFFIXES) if _has_events(path, reading or Reading())
    ]


def has_interactions(folder: Path, reading: Reading) -> bool:
    """Return whether a folder has events: a file with them, blocks of items, or orders and their items."""
    joined = bool(block_files(folder, reading)) or order_tables(folder, reading) is not None
    return joined or bool(interactions_in(folder, reading))


def _has_events(path: Path, reading: Reading) -> bool:
    try:
        names = columns_of(path) if suffix_of(path) == ".parquet" else header_cells(path, reading)
    except DataError:
        return False
    return len(locate(names, reading.spellings(_REQUIRED))) == len(_REQUIRED) or has_events(path, reading)


def _numbered(values: Sequence[str] | NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[Any]]:
    codes, ids = pd.factorize(np.asarray(values, dtype=object), sort=True)
    return codes.astype(np.int32), np.asarray(ids, dtype=object)


def _codes(column: pa.ChunkedArray, ids: NDArray[Any]) -> NDArray[np.int32]:
    codes: NDArray[np.int64] = pd.Index(ids).get_indexer(column.to_pandas())
    if (codes < 0).any():
        raise ValueError("an id that is not listed")
    return codes.astype(np.int32)


def _look_up(numbers: dict[str, int], kind: str, name: str) -> int:
    found = numbers.get(str(name))
    if found is None:
        raise UnknownNameError(kind, str(name), nearest(str(name), list(numbers)))
    return found
