from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kptoolkit.data import Cases, Histories, Interactions, leave_one_out, make_split, temporal
from kptoolkit.errors import DataError

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 9)), min_size=3, max_size=90).map(
    lambda events: Interactions.of(
        [str(u) for u, _, _ in events], [str(i) for _, i, _ in events], [t for *_, t in events]
    )
)
LISTS = st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6)


def cases(found: Cases) -> dict[int, tuple[list[int], int]]:
    rows = zip(found.user.tolist(), found.histories, found.targets.tolist(), strict=True)
    return {user: (history.tolist(), target) for user, history, target in rows}


def by_user(found: Interactions) -> list[list[tuple[int, float]]]:
    ends = zip(found.indptr[:-1], found.indptr[1:], strict=True)
    return [list(zip(found.item[a:b].tolist(), found.time[a:b].tolist(), strict=True)) for a, b in ends]


@given(EVENTS, st.integers(0, 5))
def test_leave_one_out_is_its_definition(found: Interactions, min_events: int) -> None:
    users = [[item for item, _ in events] for events in by_user(found)]
    used = {u: items for u, items in enumerate(users) if len(items) >= max(3, min_events)}
    if not used:
        with pytest.raises(DataError, match="nothing can be split"):
            leave_one_out(found, min_events=min_events)
        return
    split = leave_one_out(found, min_events=min_events)
    assert cases(split.test) == {u: (items[:-1], items[-1]) for u, items in used.items()}
    assert cases(split.valid) == {u: (items[:-2], items[-2]) for u, items in used.items()}
    assert [h.tolist() for h in split.train] == [items[:-2] if u in used else [] for u, items in enumerate(users)]
    report = split.report
    assert report.train_events + report.valid_cases + report.test_cases + report.events_left_out == len(found)
    assert report.users_left_out == found.n_users - len(used)


@given(EVENTS, st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 4))
def test_temporal_is_its_definition(found: Interactions, valid: float, test: float, min_events: int) -> None:
    try:
        split = temporal(found, valid_fraction=valid, test_fraction=test, min_events=min_events)
    except DataError:
        assume(False)
    first, second = split.report.valid_from, split.report.test_from
    assert first is not None
    assert second is not None
    assert first < second
    expected_train = []
    expected: dict[str, dict[int, tuple[list[int], int]]] = {"valid": {}, "test": {}}
    for user, events in enumerate(by_user(found)):
        events = events if len(events) >= min_events else []
        expected_train.append([item for item, time in events if time < first])
        for part, begin, end in (("valid", first, second), ("test", second, np.inf)):
            earlier = [item for item, time in events if time < begin]
            inside = [item for item, time in events if begin <= time < end]
            if earlier and inside:
                expected[part][user] = (earlier, inside[0])
    assert [history.tolist() for history in split.train] == expected_train
    assert cases(split.valid) == expected["valid"]
    assert cases(split.test) == expected["test"]


@given(EVENTS)
def test_nothing_of_validation_or_test_is_trained_on_and_splits_repeat(found: Interactions) -> None:
    for name in ("leave-one-out", "temporal"):
        try:
            split = make_split(found, name)
        except DataError:
            continue
        for part in (split.valid, split.test):
            for user, history, target in zip(part.user, part.histories, part.targets, strict=True):
                assert target not in split.train[int(user)]
                assert target not in history
                trained = split.train[int(user)].tolist()
                assert history.tolist()[: len(trained)] == trained
        again = make_split(found, name)
        assert again.report == split.report
        assert np.array_equal(again.test.targets, split.test.targets)


def test_temporal_fractions_without_ties() -> None:
    events = [(str(k % 4), str(k), k) for k in range(100)]
    found = Interactions.of([u for u, _, _ in events], [i for _, i, _ in events], [t for *_, t in events])
    split = temporal(found, valid_fraction=0.2, test_fraction=0.1)
    assert (split.report.valid_from, split.report.test_from) == (70.0, 90.0)
    assert split.report.train_events == 70
    assert split.report.valid_cases == split.report.test_cases == 4


def test_temporal_errors() -> None:
    with pytest.raises(DataError, match="needs a time column"):
        temporal(Interactions.of(["u"] * 4, list("abcd")))
    with pytest.raises(DataError, match="needs 3 different times, there are 2"):
        temporal(Interactions.of(["u"] * 4, list("abcd"), [1, 1, 2, 2]))
    with pytest.raises(DataError, match="nobody has an event in the validation period and one before it"):
        temporal(Interactions.of(["u", "v", "w"], list("abc"), [1, 2, 3]))
    with pytest.raises(ValueError, match="no split 'random'"):
        make_split(Interactions.of(["u"], ["a"]), "random")


def test_training_events_that_somebody_must_have() -> None:
    for users, advice in ((["u"] * 3, "one user at least needs 4 events"), (["u"] * 4, None)):
        split = leave_one_out(Interactions.of(users, list("abcd")[: len(users)]))
        split.require(1)
        if advice is None:
            split.require(2)
        else:
            with pytest.raises(DataError, match=advice):
                split.require(2)
    with pytest.raises(DataError, match=r"lower data\.valid_fraction"):
        temporal(Interactions.of(["u"] * 3, list("abc"), [1, 2, 3])).require(2)


@given(LISTS, st.integers(1, 8), st.data())
def test_histories_cut_like_lists(lists: list[list[int]], count: int, data: st.DataObject) -> None:
    found = Histories.of(lists)
    assert [h.tolist() for h in found] == lists
    assert [h.tolist() for h in found.latest(count)] == [entry[-count:] for entry in lists]
    rows = np.array(data.draw(st.lists(st.integers(0, len(lists) - 1))) if lists else [], dtype=np.int64)
    assert [h.tolist() for h in found.take(rows)] == [lists[row] for row in rows]
    ends = np.array(data.draw(st.lists(st.integers(0, 8), min_size=len(rows), max_size=len(rows))), dtype=np.int64)
    assert [h.tolist() for h in found.before(ends, rows)] == [lists[r][:e] for r, e in zip(rows, ends, strict=True)]
    assert found.rows.tolist() == [row for row, entry in enumerate(lists) for _ in entry]
    assert found.ages.tolist() == [len(entry) - 1 - k for entry in lists for k in range(len(entry))]


def test_cases_take() -> None:
    found = Cases.of(Histories.of([[1], [2, 3], []]), np.array([4, 5, 6], np.int32), np.array([7, 8, 9], np.int32))
    assert cases(found.take(slice(1, 3))) == {8: ([2, 3], 5), 9: ([], 6)}
    assert cases(Cases.of(Histories.of([[1]]))) == {-1: ([1], -1)}
