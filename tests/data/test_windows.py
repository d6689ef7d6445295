"""Windows of histories: inside their history, every position in time, the same by seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data.histories import Histories
from kptoolkit.data.windows import Windows

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=12)


@given(LENGTHS, st.integers(0, 50), st.one_of(st.none(), st.integers(1, 8)))
def test_windows_stay_inside_histories_and_repeat_by_seed(lengths: list[int], epoch: int, targets: int | None) -> None:
    histories = Histories.of([list(range(length)) for length in lengths])
    windows = Windows.of(histories, seed=5, templates=3, targets=targets)
    expected = {user: 1 if targets is None else -(-(n - 1) // targets) for user, n in enumerate(lengths) if n >= 2}
    assert windows.users.tolist() == [user for user, count in expected.items() for _ in range(count)]
    position, template = windows.draw(epoch)
    assert (position >= 1).all()
    assert (position < histories.lengths[windows.users]).all()
    assert set(template.tolist()) <= {0, 1, 2}
    again, _ = windows.draw(epoch)
    assert position.tolist() == again.tolist()


def test_every_position_is_drawn_in_time() -> None:
    windows = Windows.of(Histories.of([list(range(6))]), seed=1, templates=1)
    assert {int(windows.draw(epoch)[0][0]) for epoch in range(200)} == {1, 2, 3, 4, 5}


@given(LENGTHS, st.integers(0, 50))
def test_all_windows_of_one_target_name_every_event_but_the_first_once(lengths: list[int], epoch: int) -> None:
    histories = Histories.of([list(range(length)) for length in lengths])
    windows = Windows.of(histories, seed=5, templates=1, targets=1)
    drawn = sorted(zip(windows.users.tolist(), windows.draw(epoch)[0].tolist(), strict=True))
    assert drawn == [(user, place) for user, length in enumerate(lengths) for place in range(1, length)]


@given(st.integers(2, 60), st.integers(1, 8), st.integers(0, 50))
def test_one_window_starts_in_each_part_of_a_history(length: int, targets: int, epoch: int) -> None:
    windows = Windows.of(Histories.of([list(range(length))]), seed=3, templates=1, targets=targets)
    position = windows.draw(epoch)[0]
    size = (length - 1) / len(windows)
    for part, place in enumerate(position.tolist()):
        assert part * size < place <= (part + 1) * size + 1


def test_every_position_is_the_first_target_of_a_window_in_time() -> None:
    windows = Windows.of(Histories.of([list(range(12))]), seed=1, templates=1, targets=4)
    assert {int(place) for epoch in range(300) for place in windows.draw(epoch)[0]} == set(range(1, 12))


def test_targets_are_the_events_from_the_first_one_on() -> None:
    histories = Histories.of([[5, 6, 7, 8], [1, 2]])
    after = histories.after(np.array([1, 3, 1]), np.array([0, 0, 1]), 2)
    assert [row.tolist() for row in after] == [[6, 7], [8], [2]]
