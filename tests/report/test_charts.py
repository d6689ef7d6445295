"""Positions of the pictures: on the picture, in order, and those of their values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.report.charts import PATTERNS, SERIES, Axis, Bar, Dot, LineChart

VALUES = st.lists(st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6), min_size=1, max_size=8)


@given(VALUES, st.booleans())
def test_an_axis_contains_its_values_and_ends_at_round_numbers(values: list[float], zero: bool) -> None:
    axis = Axis.of(values, zero=zero)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low - slack <= min(values)
    assert max(values) <= axis.high + slack
    assert not zero or axis.low <= 0 <= axis.high
    assert 2 <= len(axis.ticks) <= 8
    assert list(axis.ticks) == sorted(set(axis.ticks))
    places = [axis.percent(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert (axis.marks[0][0], axis.marks[-1][0]) == (0, 100)


@given(VALUES)
def test_a_bar_goes_from_zero_to_its_value(values: list[float]) -> None:
    axis = Axis.of(values)
    for value in values:
        bar = Bar.of(axis, value)
        ends = (bar.start, bar.start + bar.width)
        assert bar.negative == (value < 0)
        assert ends[not bar.negative] == pytest.approx(axis.percent(value), abs=0.02)
        assert ends[bar.negative] == pytest.approx(axis.percent(0), abs=0.02)


def test_ticks_and_places_by_hand() -> None:
    axis = Axis.of([0.12, 0.03, math.nan])
    assert axis.ticks == (0, 0.05, 0.1, 0.15)
    assert axis.marks == [(0.0, "0.00"), (33.33, "0.05"), (66.67, "0.10"), (100.0, "0.15")]
    assert Dot.of(axis, 0.075, (0.03, 0.12)) == Dot(50.0, 20.0, 80.0)
    assert Dot.of(axis, 0.075) == Dot(50.0, 50.0, 50.0)
    both = Axis.of([-1, 3])
    assert (Bar.of(both, 3), Bar.of(both, -1)) == (Bar(25.0, 75.0, False), Bar(0.0, 25.0, True))


def test_equal_values_and_no_values_have_an_axis() -> None:
    for axis in (Axis.of([]), Axis.of([0.0]), Axis.of([5.0, 5.0], zero=False), Axis.of([-2.0], zero=False)):
        assert axis.low < axis.high


def test_a_chart_of_two_curves() -> None:
    curves = {"one": [(0.0, 1.0), (10.0, 3.0)], "two": [(5.0, 2.0)], "none": []}
    chart = LineChart.of("loss", curves, {"one": 10.0, "two": None})
    assert chart is not None
    one, two, none = chart.lines
    assert [(point.x, point.y, point.chosen) for point in one.points] == [(0.0, 100.0, False), (100.0, 0.0, True)]
    assert [(point.x, point.y, point.chosen) for point in two.points] == [(50.0, 50.0, False)]
    assert one.points[1].label == "one, epoch 10: 3.0000"
    assert one.summary == "1.0000 at epoch 0, 3.0000 at epoch 10"
    assert len(one.segments) == 1
    assert not none.points
    assert [line.number for line in chart.lines] == [0, 1, 2]
    assert LineChart.of("loss", {"one": []}, {}) is None


def test_no_two_of_many_lines_look_the_same() -> None:
    chart = LineChart.of("loss", {str(n): [(0.0, 1.0)] for n in range(SERIES * PATTERNS)}, {})
    assert chart is not None
    assert all(line.number < SERIES for line in chart.lines)
    assert len({(line.number, line.pattern) for line in chart.lines}) == SERIES * PATTERNS
