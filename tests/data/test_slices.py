"""Slices of histories and padded histories, compared with a plain definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data.histories import Histories
from kptoolkit.data.slices import NOTHING, Slices, padded


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 9), st.integers(0, 50))
def test_an_epoch_predicts_every_event_but_the_first(lengths: list[int], length: int, epoch: int) -> None:
    first = np.cumsum([0, *lengths])
    histories = Histories.of([list(range(a, b)) for a, b in pairwise(first.tolist())])
    slices = Slices.of(histories, length=length, seed=7)
    wanted = {event for a, b in pairwise(first.tolist()) for event in range(a + 1, b)}
    assert slices.positions == len(wanted)
    if not len(slices):
        assert not wanted
        return
    items, labels = slices.batch(np.arange(len(slices)), slices.draw(epoch))
    assert items.shape == labels.shape
    assert items.shape[1] <= length
    assert set(labels[labels != NOTHING].tolist()) == wanted
    np.testing.assert_array_equal(labels[items >= 0], items[items >= 0] + 1)
    assert (labels[items < 0] == NOTHING).all()
    assert (slices.draw(epoch) == slices.draw(epoch)).all()


def test_histories_are_padded_on_the_right() -> None:
    rows = padded(Histories.of([[], [1, 2, 3], [4]]), 2)
    assert rows.tolist() == [[-1, -1], [2, 3], [4, -1]]
    assert padded(Histories.of([[]]), 5).tolist() == [[-1]]
