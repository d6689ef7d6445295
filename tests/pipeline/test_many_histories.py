"""Recommendations for many histories at once, and with some items only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kptoolkit import evaluate_runs, pipeline
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import DataError, InputError, RunError, UnknownNameError
from kptoolkit.runs.ensemble import Ensemble
from kptoolkit.runs.run import Run

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
HISTORIES = {"ann": ["i01", "i02"], "Bob <b>": ["Book 5"], "third": ["i04", "i05", "i06"]}


def test_many_histories_get_what_each_gets_alone(run: Run) -> None:
    one = Run.load(run.folder, {"batch_size": 2})
    for recommender in (one, Ensemble([run])):
        found = recommender.recommend(histories=HISTORIES, k=3)
        assert list(found.columns) == ["user_id", "rank", "item_id", "title", "score"]
        assert list(found["user_id"].unique()) == list(HISTORIES)
        for user, items in HISTORIES.items():
            own = found[found["user_id"] == user].drop(columns="user_id").reset_index(drop=True)
            pd.testing.assert_frame_equal(own, recommender.recommend(items=items, k=3), check_dtype=False, rtol=1e-4)


def test_a_dataframe_of_histories_is_read_as_interactions(run: Run) -> None:
    events = pd.DataFrame(
        {
            "user": ["b", "a", "a", "c", "a"],
            "item": ["i05", "i02", "i01", "nowhere", "elsewhere"],
            "time": range(5, 0, -1),
        }
    )
    with pytest.warns(UserWarning, match=r"2 events skipped, and 1 user with no other event: 2 items not in the run's"):
        found = run.recommend(histories=events, k=2)
    expected = run.recommend(histories={"a": ["i01", "i02"], "b": ["i05"]}, k=2)
    pd.testing.assert_frame_equal(found, expected)
    assert len(run.with_interactions(events.iloc[:3]).interactions) == 3
    with pytest.raises(DataError, match="DataFrame interactions: no column for 'item_id'"):
        run.recommend(histories=events[["user"]])
    with pytest.raises(RunError, match="do not belong together"):
        run.recommend(histories=events.assign(item="nowhere"))


def test_excluded_items_and_candidates(run: Run) -> None:
    every = run.recommend(items=["i01"], k=100)["item_id"].tolist()
    assert "i01" not in every
    first, second, *rest = every
    assert run.recommend(items=["i01"], k=100, exclude=[first])["item_id"].tolist() == every[1:]
    assert run.recommend(items=["i01"], candidates=[rest[5], rest[2], "i01"])["item_id"].tolist() == [rest[2], rest[5]]
    several = run.recommend(histories={"a": ["i01"]}, candidates=every[:3], exclude=[second])
    assert several["item_id"].tolist() == [first, rest[0]]
    assert run.recommend(run.users[0], candidates=["Book 5"], with_seen=True)["title"].tolist() == ["Book 5"]


@pytest.mark.parametrize("given", [{"exclude": ["i03", "Book 5"]}, {"candidates": [f"i{n:02d}" for n in range(12)]}])
def test_excluded_items_and_candidates_of_all_users(run: Run, tmp_path: Path, given: dict[str, Any]) -> None:
    written = tmp_path / "all.csv"
    for recommender in (Run.load(run.folder, {"batch_size": 7}), Ensemble([run])):
        assert recommender.recommend_all(written, k=5, **given) == len(run.users)
        found = pd.read_csv(written)
        assert found["user_id"].unique().tolist() == run.users
        for user in run.users[::20]:
            expected = recommender.recommend(user, k=5, **given)["item_id"].tolist()
            assert found[found["user_id"] == user]["item_id"].tolist() == expected
    with pytest.raises(InputError, match="no item is left to recommend"):
        run.recommend_all(tmp_path / "none.csv", candidates=["i03"], exclude=["i03"])
    with pytest.raises(UnknownNameError):
        run.recommend_all(tmp_path / "none.csv", exclude=["nowhere"])
    assert not (tmp_path / "none.csv").exists()


def test_the_users_of_a_run(run: Run) -> None:
    assert run.users == sorted(set(run.interactions.user_ids[run.interactions.user]))
    assert len(run.recommend(run.users[-1], k=2)) == 2
    assert run.with_interactions(run.interactions).users == run.users


def test_a_run_with_other_interactions_is_not_evaluated(run: Run) -> None:
    """Results and controls in its folder are those of its own interactions."""
    newer = run.with_interactions(Interactions.of(["eve"] * 5, ["i01", "i02", "i03", "i04", "i05"]))
    before = sorted(path for path in run.folder.rglob("*"))
    attempts = (
        newer.evaluate,
        lambda: pipeline.control(newer, "no-knowledge"),
        lambda: evaluate_runs([newer, newer], split="test"),
    )
    for attempt in attempts:
        with pytest.raises(InputError, match="with other interactions is for recommendations"):
            attempt()
    assert sorted(path for path in run.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"histories": {}}, InputError, "no histories given"),
        ({"histories": {"ann\x1b": []}}, InputError, r"the history of 'ann\\x1b' is empty"),
        ({"histories": {"ann": ["nothing"]}}, UnknownNameError, "no item 'nothing'"),
        ({"histories": HISTORIES, "items": ["i01"]}, InputError, "give either a user, a list of items, or histories"),
        ({"histories": "ann"}, InputError, r"recommend\(histories=…\)"),
        ({"histories": {"ann": "i01"}}, InputError, r"recommend\(histories=…\)"),
        ({"histories": HISTORIES, "beam": True}, InputError, "beam search takes no histories"),
        ({"items": ["i01"], "exclude": ["i02"], "beam": True}, InputError, "beam search takes no histories"),
        ({"items": ["i01"], "candidates": []}, InputError, "no item is left to recommend"),
        ({"items": ["i01"], "candidates": ["i02"], "exclude": ["i02"]}, InputError, "no item is left to recommend"),
        ({"items": ["i01"], "exclude": ["nothing"]}, UnknownNameError, "no item 'nothing'"),
    ],
)
def test_what_cannot_be_recommended_is_an_error(
    given: dict[str, Any], error: type[Exception], says: str, run: Run
) -> None:
    with pytest.raises(error, match=says):
        run.recommend(**given)
