"""Gains by group: who is in which group, and the figures of each."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.evaluation.groups import COLD, FEWEST, Group, groupings, groups
from kptoolkit.evaluation.significance import bootstrap_interval

COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30), st.booleans()), min_size=1, max_size=80)


def divided(cases: list[tuple[int, int, bool]], **values: list[float]) -> tuple[Group, ...]:
    events, history, triples = (np.array(column) for column in zip(*cases, strict=True))
    return groups(
        groupings(events, history, triples), {name: np.array(each) for name, each in values.items()}, resamples=200
    )


def test_an_example_by_hand() -> None:
    """40 cold cases without triples where both fail, then 40 and 20 cases in which the run leads by .5 and by -.25."""
    cases = [(0, 1, False)] * 40 + [(3, 2, True)] * 40 + [(8, 2, True)] * 20
    found = divided(cases, run=[0.0] * 40 + [0.75] * 40 + [0.25] * 20, other=[0.0] * 40 + [0.25] * 40 + [0.5] * 20)
    figures = {(group.by, group.group): (group.cases, group.rows["run"].value, group.rows["other"]) for group in found}
    assert [(name, cases) for (_, name), (cases, _, _) in figures.items()] == [
        (COLD, 40),
        ("3 events", 40),
        ("4 to 8 events", 20),
        ("1 item", 40),
        ("2 items", 60),
        ("without triples", 40),
        ("with triples", 60),
    ]
    _, value, row = figures["events of the target", "3 events"]
    assert (value, row.value, row.lead, row.low, row.high) == (0.75, 0.25, 0.5, 0.5, 0.5)
    _, value, row = figures["events of the target", "4 to 8 events"]
    assert (value, row.value, row.lead, row.low, row.high) == (0.25, 0.5, None, None, None), "20 cases are too few"
    _, value, row = figures["length of the history", "2 items"]
    assert value == pytest.approx((40 * 0.75 + 20 * 0.25) / 60)
    assert row.lead == pytest.approx((40 * 0.5 - 20 * 0.25) / 60)
    assert row.low is not None
    assert row.high is not None
    assert row.low < (60 * 0.5 - 20 * 0.75) / 60 < row.high


def test_the_json() -> None:
    cases = [(5, 2, True)] * FEWEST
    written = [group.to_json() for group in divided(cases, run=[1.0] * FEWEST, other=[0.5] * FEWEST)]
    assert written[0] == {
        "by": "events of the target",
        "group": "5 events",
        "cases": FEWEST,
        "rows": {
            "run": {"NDCG@10": 1.0, "lead": None, "low": None, "high": None},
            "other": {"NDCG@10": 0.5, "lead": 0.5, "low": 0.5, "high": 0.5},
        },
    }
    assert json.loads(json.dumps(written)) == written


@given(COUNTS)
def test_every_case_is_in_one_group_of_each_way(cases: list[tuple[int, int, bool]]) -> None:
    values = np.random.default_rng(len(cases)).random(len(cases))
    found = divided(cases, run=values.tolist(), other=(values / 2).tolist())
    for by in ("events of the target", "length of the history", "triples of the target"):
        parts = [group for group in found if group.by == by]
        assert sum(group.cases for group in parts) == len(cases)
        assert min(group.cases for group in parts) > 0, "a group without cases is left out"
        total = sum(group.cases * group.rows["run"].value for group in parts)
        assert total == pytest.approx(values.sum())
        assert len({group.group for group in parts}) == len(parts)
        assert all((group.rows["other"].lead is None) == (group.cases < FEWEST) for group in parts)
    cold = sum(group.cases for group in found if group.group == COLD)
    assert cold == sum(events == 0 for events, _, _ in cases)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200))
def test_the_name_of_a_group_says_what_is_in_it(events: list[int]) -> None:
    ways = groupings(np.array(events), np.ones(len(events), dtype=int), np.ones(len(events), dtype=bool))
    names, number = ways[0].names, ways[0].number
    for count, place in zip(events, number, strict=True):
        words = names[place].replace(",", "").split()
        low, high = (int(words[0]), int(words[2])) if "to" in words else (int(words[0]), int(words[0]))
        assert low <= count <= high
        assert words[-1] == ("event" if low == high == 1 else "events")
    sizes = np.bincount(number)[1:]
    assert len(sizes) <= 4
    if len(set(events)) == len(events) >= 4:
        assert sizes.max() <= len(events) / 4 + 1, "quarters of the cases"


def test_intervals_are_those_of_the_bootstrap() -> None:
    draw = np.random.default_rng(7)
    run, other = draw.random(400), draw.random(400)
    found = groups(
        groupings(np.ones(400, dtype=int), np.ones(400, dtype=int), np.ones(400, dtype=bool)),
        {"run": run, "other": other, "third": run},
        resamples=2000,
    )
    row, expected = found[0].rows["other"], bootstrap_interval(run - other)
    assert row.lead == pytest.approx(expected.mean)
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high), abs=2e-3)
    assert found[0].rows["third"].lead == 0
    assert found[0].rows["third"].high == 0
    again = groups(
        groupings(np.ones(400, dtype=int), np.ones(400, dtype=int), np.ones(400, dtype=bool)),
        {"run": run, "other": other, "third": run},
        resamples=2000,
    )
    assert again == found, "the seed is fixed"
