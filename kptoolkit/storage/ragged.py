"""Ragged arrays in CSR form: rows of different lengths in flat arrays, and numpy functions for groups of equal rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.names import quantity
from kptoolkit.storage.arrays import check_arrays

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ragged:
    """Base class of values with N rows of different lengths, stored one after the other in flat arrays (CSR).

    A subclass is a frozen dataclass with ``eq=False``. It lists its flat arrays in :attr:`columns`, and arrays with one
    entry per row in :attr:`row_columns`; all its other fields belong to the value as a whole. The operations copy
    values as they are: a column that contains row numbers is not renumbered.

    Attributes:
        indptr: ``(N + 1,)`` int64: row i contains the values ``[indptr[i], indptr[i + 1])``, N rows in all.
        columns: Names of the fields with one entry per value, ``(S, ...)``.
        row_columns: Names of the fields with one entry per row, ``(N, ...)``.

    Example:
        >>> @dataclass(frozen=True, eq=False)
        ... class Baskets(Ragged):
        ...     columns = ("item",)
        ...     item: NDArray[np.int64]
        >>> baskets = Baskets(indptr_of([2, 0, 1]), np.array([7, 8, 9]))
        >>> baskets.take(np.array([2, 0])).item.tolist()
        [9, 7, 8]
    """

    indptr: Ints
    columns: ClassVar[tuple[str, ...]] = ()
    row_columns: ClassVar[tuple[str, ...]] = ()

    def check(self, **below: tuple[str, int]) -> Self:
        """Check what was read from a file: rows and arrays fit, see :func:`~kptoolkit.storage.arrays.check_arrays`.

        Raises:
            ValueError: They do not.
        """
        check_arrays(self, (), (), **below)
        values = int(self.indptr[-1]) if len(self.indptr) else -1
        if values < 0 or self.indptr[0] != 0 or (np.diff(self.indptr) < 0).any():
            raise ValueError("indptr holds no rows")
        for name, length in (*((name, values) for name in self.columns), *((n, len(self)) for n in self.row_columns)):
            if len(getattr(self, name)) != length:
                raise ValueError(f"{name} has {quantity(len(getattr(self, name)), 'values')} in place of {length:,}")
        return self

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def lengths(self) -> Ints:
        """``(N,)`` values per row."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> Ints:
        """``(S,)`` row number of each value."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def span(self, row: int) -> slice:
        """Return the slice of the flat arrays that contains one row."""
        return slice(int(self.indptr[row]), int(self.indptr[row + 1]))

    def take(self, rows: NDArray[Any] | slice) -> Self:
        """Return the given rows, in the given order.

        Args:
            rows: ``(M,)`` row numbers, which may repeat; or an ``(N,)`` mask, or a slice.
        """
        return self.slices(self.indptr[:-1][rows], self.lengths[rows], rows)

    def keep(self, counts: NDArray[np.integer[Any]] | int) -> Self:
        """Return all rows with their first values only.

        Args:
            counts: Values to keep per row, ``(N,)`` or one for all, at least 0; more than a row has means all of it.
        """
        return self.slices(self.indptr[:-1], np.minimum(self.lengths, counts))

    def slices(self, starts: Ints, lengths: Ints, rows: NDArray[Any] | slice = slice(None)) -> Self:
        """Return one row for each of M stretches of the flat arrays.

        Args:
            starts: ``(M,)`` first value of each.
            lengths: ``(M,)`` number of values of each.
            rows: Rows whose entries of :attr:`row_columns` the result gets, in this order.
        """
        values = np.repeat(starts, lengths) + offsets(lengths)
        return self._with(indptr_of(lengths), values, rows)

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """Return all rows with only the values that an ``(S,)`` mask selects."""
        before = np.concatenate([[0], np.cumsum(mask)])
        return self._with(before[self.indptr].astype(np.int64), mask, slice(None))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several values, one value after the other.

        Args:
            parts: At least one. Fields that belong to the value as a whole are those of the first.

        Raises:
            ValueError: There are no parts.
        """
        if not parts:
            raise ValueError("concat needs at least one part")
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.columns + cls.row_columns
        }
        lengths = np.concatenate([part.lengths for part in parts])
        return replace(parts[0], indptr=indptr_of(lengths), **arrays)

    def _with(self, indptr: Ints, values: NDArray[Any], rows: NDArray[Any] | slice) -> Self:
        columns = {name: getattr(self, name)[values] for name in self.columns}
        columns |= {name: getattr(self, name)[rows] for name in self.row_columns}
        return replace(self, indptr=indptr, **columns)


def indptr_of(lengths: NDArray[np.integer[Any]] | Sequence[int]) -> Ints:
    """Return the ``(N + 1,)`` row pointers of N rows of the given lengths."""
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def offsets(lengths: NDArray[np.integer[Any]]) -> Ints:
    """Return ``0 .. length - 1`` for each of the given lengths, concatenated."""
    starts = np.cumsum(lengths) - lengths
    result: Ints = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    return result


def run_starts(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return an ``(n,)`` mask of the entries that differ from the entry before in any column, and of the first one."""
    starts = np.ones(len(columns[0]), dtype=np.bool_)
    starts[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return starts


def run_positions(*columns: NDArray[Any]) -> Ints:
    """Return the ``(n,)`` position of each entry in its run of equal neighbours, from 0."""
    return offsets(np.diff(np.append(np.flatnonzero(run_starts(*columns)), len(columns[0]))))


def group_numbers(columns: Ints) -> Ints:
    """Return ``(n,)`` numbers from 0 that are equal where all ``c`` rows of the ``(c, n)`` array ``columns`` are."""
    order = np.lexsort(columns)
    group = np.empty(columns.shape[1], dtype=np.int64)
    group[order] = np.cumsum(run_starts(*columns[:, order])) - 1
    return group


def inverse_permutation(order: Ints) -> Ints:
    """Return the position of each number in a permutation of ``0 .. n - 1``."""
    inverse = np.empty(len(order), dtype=np.int64)
    inverse[order] = np.arange(len(order))
    return inverse
