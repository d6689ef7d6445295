"""How many readers of one item went on to another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data.histories import Histories
from kptoolkit.explain.explanations import Contribution
from kptoolkit.explain.reader_counts import WITHIN, ReaderCount, ReaderCounts

HISTORIES = st.lists(st.lists(st.integers(0, 4), max_size=60), max_size=6)


@given(HISTORIES, st.integers(0, 4), st.integers(0, 4))
def test_readers_are_counted_user_by_user(lists: list[list[int]], read: int, recommended: int) -> None:
    """By the definition, also where items repeat."""
    readers = [history for history in lists if read in history]
    soon = [
        any(
            recommended in history[place + 1 : place + 1 + WITHIN] for place, item in enumerate(history) if item == read
        )
        for history in readers
    ]
    counts = ReaderCounts(Histories.of(lists))
    assert counts.of("transitions", read, recommended) == ReaderCount(len(readers), sum(soon))
    both = sum(recommended in history for history in readers)
    assert counts.of("co-occurrence", read, recommended) == ReaderCount(len(readers), both)


@pytest.mark.parametrize("part", ["backend", "popularity", "graph similarity", "titles", "prompts", "text"])
def test_other_parts_count_no_readers(part: str) -> None:
    assert ReaderCounts(Histories.of([[0, 1]])).of(part, 0, 1) is None


def test_items_are_named_with_their_shares_and_counts() -> None:
    counted = (ReaderCount(60, 14), ReaderCount(1200, 3))
    part = Contribution("transitions", 1.0, ("a", "b"), ("Emma", "Villette"), (0.61, 0.002), counted)
    assert part.sources() == "Emma (61%, 14 of 60), Villette (0%, 3 of 1,200)"
    assert part.sources(0.005) == "Emma (61%, 14 of 60)"
    assert Contribution("titles", 1.0, ("a",), ("Emma",), (1.0,)).sources() == "Emma (100%)"
    assert Contribution("popularity", 1.0).sources() == ""
