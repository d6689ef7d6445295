"""Ragged values against plain lists of lists, and the functions for groups of equal rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kptoolkit.storage.ragged import (
    Ragged,
    group_numbers,
    indptr_of,
    inverse_permutation,
    offsets,
    run_positions,
    run_starts,
)


@dataclass(frozen=True, eq=False)
class Words(Ragged):
    """Two columns of values, one column of rows, and a field of the whole."""

    columns = ("item", "weight")
    row_columns = ("name",)

    item: NDArray[np.int32]
    weight: NDArray[np.float32]
    name: NDArray[np.int64]
    unit: str = "g"

    @classmethod
    def of(cls, lists: list[list[int]]) -> Words:
        item = np.array([value for row in lists for value in row], np.int32)
        return cls(
            indptr_of([len(row) for row in lists]), item, item.astype(np.float32) / np.float32(2), np.arange(len(lists))
        )

    @property
    def lists(self) -> list[list[int]]:
        return [self.item[self.span(row)].tolist() for row in range(len(self))]


LISTS = st.lists(st.lists(st.integers(-5, 99), max_size=5), max_size=8)


def check(found: Words, lists: list[list[int]], names: list[int]) -> None:
    assert found.lists == lists
    assert found.name.tolist() == names
    assert found.weight.tolist() == [value / 2 for row in lists for value in row]
    dtypes = [array.dtype for array in (found.indptr, found.item, found.weight)]
    assert dtypes == [np.dtype(kind) for kind in (np.int64, np.int32, np.float32)]
    assert found.unit == "g"


@given(LISTS)
def test_rows_and_lengths_are_those_of_the_lists(lists: list[list[int]]) -> None:
    words = Words.of(lists)
    assert len(words) == len(lists)
    assert words.lengths.tolist() == [len(row) for row in lists]
    assert words.rows.tolist() == [number for number, row in enumerate(lists) for _ in row]


@given(LISTS, st.data())
def test_take_gives_rows_in_any_order_and_number(lists: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=10)) if lists else []
    check(Words.of(lists).take(np.array(rows, np.int64)), [lists[row] for row in rows], rows)


@given(LISTS, st.integers(0, 9), st.integers(0, 9))
def test_take_reads_slices_and_masks(lists: list[list[int]], first: int, last: int) -> None:
    chosen = list(range(len(lists)))[first:last]
    mask = np.isin(np.arange(len(lists)), chosen)
    check(Words.of(lists).take(slice(first, last)), lists[first:last], chosen)
    check(Words.of(lists).take(mask), lists[first:last], chosen)


@given(LISTS, st.data())
def test_keep_cuts_every_row_to_its_first_values(lists: list[list[int]], data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 6), min_size=len(lists), max_size=len(lists)))
    shorter = [row[:count] for row, count in zip(lists, counts, strict=True)]
    check(Words.of(lists).keep(np.array(counts, np.int64)), shorter, list(range(len(lists))))
    check(Words.of(lists).keep(2), [row[:2] for row in lists], list(range(len(lists))))


@given(LISTS, st.integers(0, 3))
def test_slices_give_any_stretch_of_the_rows(lists: list[list[int]], count: int) -> None:
    words = Words.of(lists)
    lengths = np.minimum(words.lengths, count)
    last = words.slices(words.indptr[1:] - lengths, lengths)
    check(last, [row[max(0, len(row) - count) :] for row in lists], list(range(len(lists))))


@given(LISTS, st.integers(0, 50))
def test_where_drops_values_and_no_rows(lists: list[list[int]], least: int) -> None:
    words = Words.of(lists)
    large = [[value for value in row if value >= least] for row in lists]
    check(words.where(words.item >= least), large, list(range(len(lists))))


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_concat_is_the_concatenation_of_the_lists(parts: list[list[list[int]]]) -> None:
    whole = Words.concat([Words.of(lists) for lists in parts])
    check(whole, [row for lists in parts for row in lists], [number for lists in parts for number in range(len(lists))])


def test_concat_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        Words.concat([])


def test_operations_read_memory_mapped_arrays(tmp_path: object) -> None:
    words = Words.of([[1, 2], [], [3]])
    np.save(f"{tmp_path}/item.npy", words.item)
    np.save(f"{tmp_path}/indptr.npy", words.indptr)
    item = np.load(f"{tmp_path}/item.npy", mmap_mode="r")
    mapped = Words(np.load(f"{tmp_path}/indptr.npy", mmap_mode="r"), item, words.weight, words.name)
    assert mapped.take(np.array([2, 0])).lists == [[3], [1, 2]]
    assert Words.concat([mapped, words]).lists == [[1, 2], [], [3], [1, 2], [], [3]]


@given(st.lists(st.integers(0, 5), max_size=8))
def test_offsets_count_inside_every_row(lengths: list[int]) -> None:
    assert offsets(np.array(lengths, np.int64)).tolist() == [place for length in lengths for place in range(length)]
    assert np.diff(indptr_of(lengths)).tolist() == lengths


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=12))
def test_runs_and_groups_are_those_of_the_pairs(pairs: list[tuple[int, int]]) -> None:
    columns = np.array(pairs, np.int64).T
    assert run_starts(*columns).tolist() == [True, *(one != other for one, other in pairwise(pairs))]
    runs = [len(list(run)) for _, run in groupby(pairs)]
    assert run_positions(*columns).tolist() == [place for length in runs for place in range(length)]
    numbers = group_numbers(columns).tolist()
    assert len(set(zip(numbers, pairs, strict=True))) == len(set(numbers)) == len(set(pairs))


@given(st.permutations(range(7)))
def test_the_inverse_of_a_permutation_undoes_it(order: list[int]) -> None:
    array = np.array(order, np.int64)
    assert array[inverse_permutation(array)].tolist() == list(range(7))
