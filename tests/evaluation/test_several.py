"""One table for several runs: means, spread, tests on values averaged over runs, and the mean of scores."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kptoolkit.evaluation import Ranking, bootstrap_interval, paired_test
from kptoolkit.evaluation.several import SeveralRow, detectable_note, several_rows
from kptoolkit.evaluation.significance import LEVEL, holm
from kptoolkit.evaluation.table import protocol_line
from kptoolkit.runs.ensemble import standardized

USERS = 40
P_VALUES = st.lists(st.floats(0.0005, 1.0), max_size=8)


# -- Holm ---------------------------------------------------------------------------------------------------------


def rejected_by_holm(p_values: list[float], level: float) -> set[int]:
    """The procedure as Holm states it: from the smallest on, reject while p <= level / (number of tests left)."""
    rejected = set[int]()
    for test in sorted(range(len(p_values)), key=lambda test: p_values[test]):
        if p_values[test] > level / (len(p_values) - len(rejected)):
            break
        rejected.add(test)
    return rejected


@given(P_VALUES, st.floats(0.001, 0.999))
def test_holm_rejects_what_its_definition_rejects(p_values: list[float], level: float) -> None:
    corrected = holm(p_values)
    close = [abs(p * (len(p_values) - place) - level) < 1e-9 for place, p in enumerate(sorted(p_values))]
    if not any(close):
        assert {test for test, p in enumerate(corrected) if p <= level} == rejected_by_holm(p_values, level)


@given(P_VALUES)
def test_holm_keeps_the_order_and_never_makes_a_p_value_smaller(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert len(corrected) == len(p_values)
    for p, new in zip(p_values, corrected, strict=True):
        assert p <= new <= min(1.0, p * len(p_values)) or new == pytest.approx(max(p, new))
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert [new for _, new in pairs] == sorted(corrected)


def test_holm_on_an_example_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


# -- rows ---------------------------------------------------------------------------------------------------------


def ranking(ranks: np.ndarray) -> Ranking:
    count = len(ranks)
    return Ranking(np.arange(count, dtype=np.int32), np.zeros(count, np.int32), ranks, np.ones(count, np.int64))


@pytest.fixture(scope="module")
def ranks() -> dict[str, np.ndarray]:
    """Three runs, their backends alone and a baseline: ``(runs, users)`` each."""
    draw = np.random.default_rng(5)
    top = {"model": 8, "model alone": 14, "popularity": 40}
    runs = {"model": 3, "model alone": 3, "popularity": 1}
    return {name: draw.integers(1, high, (runs[name], USERS)).astype(float) for name, high in top.items()}


def gains(ranks: np.ndarray) -> np.ndarray:
    """NDCG@10 of one target per case, from its definition."""
    return np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0.0)


def table(ranks: dict[str, np.ndarray]) -> tuple[SeveralRow, ...]:
    rankings = {name: [ranking(each) for each in rows] for name, rows in ranks.items()}
    return several_rows(rankings, (1, 10), resamples=400)


def test_means_and_spread_are_those_of_the_runs(ranks: dict[str, np.ndarray]) -> None:
    for row in table(ranks):
        by_run = [float(gains(each).mean()) for each in ranks[row.name]]
        assert row.metrics["NDCG@10"] == pytest.approx(statistics.mean(by_run))
        assert [run["NDCG@10"] for run in row.by_run] == pytest.approx(by_run)
        hits = [float((each <= 1).mean()) for each in ranks[row.name]]
        assert row.metrics["HR@1"] == pytest.approx(statistics.mean(hits))
        if len(by_run) == 1:
            assert row.spread is None
            continue
        assert row.spread is not None
        assert row.spread.deviation == pytest.approx(statistics.stdev(by_run))
        assert (row.spread.low, row.spread.high) == pytest.approx((min(by_run), max(by_run)))


def test_intervals_and_tests_are_of_values_per_user_averaged_over_runs(ranks: dict[str, np.ndarray]) -> None:
    first, *others = table(ranks)
    means = {name: gains(each).mean(axis=0) for name, each in ranks.items()}
    assert (first.difference, first.p_value, first.detectable) == (None, None, None)
    for row in (first, *others):
        interval = bootstrap_interval(means[row.name], resamples=400)
        assert row.interval == pytest.approx((interval.low, interval.high))
    tests = [paired_test(means["model"], means[row.name], resamples=400) for row in others]
    assert [row.difference for row in others] == pytest.approx([test.difference for test in tests])
    assert [row.p_uncorrected for row in others] == [test.p_value for test in tests]
    assert [row.p_value for row in others] == holm([test.p_value for test in tests])


def test_the_smallest_detectable_difference(ranks: dict[str, np.ndarray]) -> None:
    """Only where nothing was found; by simulation, such a difference is found in about 80 % of the samples."""
    close = ranks | {"near": ranks["model"] + np.random.default_rng(2).integers(0, 2, (3, USERS))}
    close["near"][:, ::2] = ranks["model"][:, ::2]
    rows = table({"model": close["model"], "near": close["near"] + 0.0, "popularity": close["popularity"]})
    for row in rows[1:]:
        differences = gains(close["model"]).mean(axis=0) - gains(close[row.name]).mean(axis=0)
        smallest = (2.241 + 0.842) * statistics.stdev(differences) / math.sqrt(USERS)  # two tests: 1.25 % on each side
        assert row.p_value is not None
        assert row.detectable == (None if row.p_value <= LEVEL else pytest.approx(smallest, rel=1e-3))
    draw = np.random.default_rng(0)
    shift = paired_test(draw.normal(0, 1, 400), np.zeros(400), resamples=99).detectable()
    assert shift is not None
    samples = [draw.normal(shift, 1, 400) for _ in range(300)]
    found = [paired_test(sample, np.zeros(400), resamples=199).p_value <= LEVEL for sample in samples]
    assert 0.7 < np.mean(found) < 0.9


def test_equal_differences_say_nothing_about_what_could_be_found() -> None:
    assert paired_test(np.ones(5), np.zeros(5)).detectable() is None
    assert paired_test(np.zeros(0), np.zeros(0)).detectable() is None


def test_the_note_names_what_could_have_been_found() -> None:
    rows = [SeveralRow("model", {}, (0, 1)), SeveralRow("item-kNN", {}, (0, 1), detectable=0.01234)]
    note = detectable_note(rows)
    assert note is not None
    assert "item-kNN 0.0123" in note
    assert detectable_note(rows[:1]) is None


def test_the_protocol_line() -> None:
    line = protocol_line("test", 1234, 56, [7], method="leave-one-out", min_events=5)
    for words in ("leave-one-out", "5 or more events", "1,234 test cases", "56 items", "full catalogue", "seed 7"):
        assert words in line
    assert "history excluded" in line
    assert "mean rank" in line
    assert protocol_line("valid", 1, 1, [1, 2], method="temporal").endswith("seeds 1, 2")


# -- the mean of scores -------------------------------------------------------------------------------------------

SCORES = arrays(np.float32, (3, 7), elements=st.integers(-6400, 6400).map(lambda count: count / 64))


@given(SCORES)
def test_standardized_scores_have_mean_0_and_deviation_1_and_the_same_order(scores: np.ndarray) -> None:
    found = standardized(scores)
    for row, own in zip(found, scores.astype(np.float64), strict=True):
        assert row.mean() == pytest.approx(0, abs=1e-6)
        if own.std() > 1e-3:
            assert row.std() == pytest.approx(1)
            assert row == pytest.approx((own - own.mean()) / own.std(), abs=1e-6)
        assert np.array_equal(np.argsort(row, kind="stable"), np.argsort(own, kind="stable"))


def test_infinite_scores_stay_at_the_ends() -> None:
    found = standardized(np.array([[1.0, np.inf, 3.0, -np.inf], [np.inf] * 4], np.float32))
    assert np.isfinite(found).all()
    assert found[0, [0, 2]] == pytest.approx([-1.0, 1.0])
    assert found[0].argmax() == 1
    assert found[0].argmin() == 3
    assert len(set(found[1])) == 1
