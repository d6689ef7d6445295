from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data import Interactions, find_interactions, read_interactions
from kptoolkit.errors import DataError, RunError, UnknownNameError

EVENTS = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "ü 3", "10"]), st.sampled_from("abcdefg"), st.integers(0, 4)),
    min_size=1,
    max_size=60,
)


def slow_histories(events: list[tuple[str, str, int]]) -> dict[str, list[str]]:
    """The protocol in plain words: by (time, row), exact repeats keep the first."""
    histories: dict[str, list[str]] = {}
    for user, item, _ in sorted(events, key=lambda event: event[2]):
        history = histories.setdefault(user, [])
        if item not in history:
            history.append(item)
    return histories


def interactions(events: list[tuple[str, str, int]]) -> Interactions:
    users, items, times = zip(*events, strict=True)
    return Interactions.of(users, items, times)


def histories(found: Interactions) -> dict[str, list[str]]:
    return {user: found.item_ids[found.history_of(user)].tolist() for user in found.user_ids}


@given(EVENTS)
def test_events_follow_the_protocol(events: list[tuple[str, str, int]]) -> None:
    found = interactions(events)
    assert histories(found) == slow_histories(events)
    assert found.user_ids.tolist() == sorted(found.user_ids)
    assert all(
        events[row][:2] == (found.user_ids[u], found.item_ids[i])
        for u, i, row in zip(found.user, found.item, found.row, strict=True)
    )


@given(EVENTS)
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str, int]]) -> None:
    path = tmp_path_factory.mktemp("run") / "interactions.parquet"
    found, _ = interactions(events).restrict_to(["z", *"gfedcba"])
    found.save(path)
    again = Interactions.load(path)
    for name in ("user_ids", "item_ids", "user", "item", "time", "row"):
        assert getattr(again, name).tolist() == getattr(found, name).tolist()
        assert getattr(again, name).dtype == getattr(found, name).dtype
    assert again.timed
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_hash_sees_ids_and_order_and_not_numbering() -> None:
    first = Interactions.of(["u", "u", "v"], ["a", "b", "a"], [1, 2, 3])
    assert first.content_hash() == Interactions.of(["v", "u", "u"], ["a", "a", "b"], [9, 10, 20]).content_hash()
    assert first.content_hash() == first.restrict_to(["x", "b", "a"])[0].content_hash()
    others = [
        Interactions.of(["u", "u", "v"], ["b", "a", "a"]),
        Interactions.of(["u", "u", "w"], ["a", "b", "a"]),
        Interactions.of(["u", "u", "v"], ["a", "b", "b"]),
        Interactions.of(["u", "u"], ["a", "b"]),
        Interactions.of(["ua", "ua", "v"], ["a", "b", "a"]),
    ]
    assert len({first.content_hash(), *(other.content_hash() for other in others)}) == 1 + len(others)


def test_restricting_counts_and_renumbers() -> None:
    found, left_out = Interactions.of(["u", "u", "v"], ["a", "b", "c"]).restrict_to(["c", "a", "q"])
    assert left_out == 1
    assert histories(found) == {"u": ["a"], "v": ["c"]}
    assert found.item.tolist() == [1, 0]
    with pytest.raises(DataError, match="none of the 2 interactions"):
        found.restrict_to(["zzz"])


def test_unknown_names_get_the_nearest_three() -> None:
    found = Interactions.of(["user10", "user11", "user12", "zebra"], ["a", "b", "c", "d"])
    with pytest.raises(UnknownNameError, match="no user 'user1'; nearest: ") as caught:
        found.history_of("user1")
    assert sorted(caught.value.nearest) == ["user10", "user11", "user12"]


def test_damaged_or_foreign_run_files(tmp_path: Path) -> None:
    path = tmp_path / "interactions.parquet"
    with pytest.raises(RunError, match="missing or damaged"):
        Interactions.load(path)
    Interactions.of(["u", "u"], ["a", "b"]).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="missing or damaged"):
        Interactions.load(path)
    pd.DataFrame({"user_id": ["u"]}).to_parquet(path)
    with pytest.raises(RunError, match="missing or damaged"):
        Interactions.load(path)


def test_all_formats_give_the_same_events(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "user_id": ["007", "x", "007", "007"],
            "item_id": ["1", "2", "2", "1"],
            "rating": [1, 0, 5, 2],
            "timestamp": [9, 1, 3, 1],
        }
    )
    frame.to_csv(tmp_path / "a.inter", sep="\t", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False)
    frame.to_csv(tmp_path / "c.csv.gz", index=False)
    frame.to_parquet(tmp_path / "d.parquet")
    hashes = set()
    for path in sorted(tmp_path.iterdir()):
        found, report = read_interactions(path)
        hashes.add(found.content_hash())
        assert (report.rows, report.repeats, report.users, report.items, report.events) == (4, 1, 2, 2, 3)
        assert histories(found) == {"007": ["1", "2"], "x": ["2"]}
    assert len(hashes) == 1


def test_without_times_the_rows_count(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("user,item\nu,b\nu,a\n")
    found, report = read_interactions(path)
    assert histories(found) == {"u": ["b", "a"]}
    assert not report.timed
    assert not found.timed


def test_folder_lookup(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no interactions here"):
        find_interactions(tmp_path)
    (tmp_path / "items.csv").write_text("item_id,title\n1,One\n")
    with pytest.raises(DataError, match="no interactions here"):
        find_interactions(tmp_path)
    (tmp_path / "events.csv").write_text("user,item\nu,1\n")
    assert find_interactions(tmp_path).name == "events.csv"
    (tmp_path / "more.csv").write_text("user,item\nu,1\n")
    with pytest.raises(DataError, match=r"several interactions files: events\.csv, more\.csv"):
        find_interactions(tmp_path)
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\nu\t1\n")
    assert find_interactions(tmp_path).name == "x.inter"
    (tmp_path / "x.test.inter").write_text("user_id:token\titem_id:token\nu\t1\n")
    with pytest.raises(DataError, match=r"x\.inter, x\.test\.inter; give the path of one"):
        find_interactions(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        find_interactions(tmp_path / "nothing")


def test_an_empty_table_has_no_numbers() -> None:
    assert np.array_equal(Interactions.of([], []).indptr, [0])
