"""Windows of histories: inside their history, every position in time, the same by seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data.histories import Histories
from kptoolkit.data.windows import Windows


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 50))
def test_windows_stay_inside_histories_and_repeat_by_seed(lengths: list[int], epoch: int) -> None:
    histories = Histories.of([list(range(length)) for length in lengths])
    windows = Windows.of(histories, seed=5, templates=3)
    assert windows.users.tolist() == [user for user, length in enumerate(lengths) if length >= 2]
    position, template = windows.draw(epoch)
    assert (position >= 1).all()
    assert (position < histories.lengths[windows.users]).all()
    assert set(template.tolist()) <= {0, 1, 2}
    again, _ = windows.draw(epoch)
    assert position.tolist() == again.tolist()


def test_every_position_is_drawn_in_time() -> None:
    windows = Windows.of(Histories.of([list(range(6))]), seed=1, templates=1)
    assert {int(windows.draw(epoch)[0][0]) for epoch in range(200)} == {1, 2, 3, 4, 5}
