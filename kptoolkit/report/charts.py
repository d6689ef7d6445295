"""Geometry of the pictures of a report: positions in percent of the width and height of a picture.

Positions in percent let a picture grow with the page while its text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_TICKS: Final = 4
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
SERIES: Final = 8
"""Number of different colours and markers of lines."""
PATTERNS: Final = 3
"""Number of different patterns of their strokes."""


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low: Value at 0 %.
        high: Value at 100 %.
        ticks: Round values between both, ascending.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float], *, zero: bool = True) -> Axis:
        """Create an axis that contains some values.

        Args:
            values: The values; those that are not finite are left out.
            zero: Whether the axis contains 0 too.
        """
        finite = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
            low, high = low - 0.5 * abs(low or 1.0), high + 0.5 * abs(high or 1.0)
            low = 0.0 if zero and min(finite, default=0.0) >= 0 else low
        step = _round_step((high - low) / _TICKS)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return cls(first * step, last * step, tuple(round(n * step, 12) for n in range(first, last + 1)))

    def percent(self, value: float) -> float:
        """Position of a value, between 0 and 100."""
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(100.0, max(0.0, place)), 2)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Position and text of each tick."""
        digits = max((len(f"{tick:.6f}".rstrip("0").partition(".")[2]) for tick in self.ticks), default=0)
        return [(self.percent(tick), f"{tick:.{digits}f}") for tick in self.ticks]


@dataclass(frozen=True)
class Dot:
    """A value with its interval, in percent of an axis.

    Attributes:
        at: Position of the value.
        low: Lower end of the interval.
        high: Upper end.
    """

    at: float
    low: float
    high: float

    @classmethod
    def of(cls, axis: Axis, value: float, interval: Sequence[float | None] | None = None) -> Dot:
        """Place a value on an axis; without an interval its ends are the value."""
        low, high = (value if end is None else end for end in (interval or (None, None)))
        return cls(axis.percent(value), axis.percent(low), axis.percent(high))


@dataclass(frozen=True)
class Bar:
    """A bar from 0 to a value, in percent of an axis.

    Attributes:
        start: Left end.
        width: Width.
        negative: Whether the value is below 0.
    """

    start: float
    width: float
    negative: bool

    @classmethod
    def of(cls, axis: Axis, value: float) -> Bar:
        """Place a value on an axis."""
        zero, end = axis.percent(0.0), axis.percent(value)
        return cls(min(zero, end), round(abs(end - zero), 2), value < 0)


@dataclass(frozen=True)
class Point:
    """A point of a line.

    Attributes:
        x: Position from the left, in percent.
        y: Position from the top, in percent.
        label: Its values, as text.
        chosen: Whether it is marked.
    """

    x: float
    y: float
    label: str
    chosen: bool


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: Its name.
        number: Number of its colour and marker, below :data:`SERIES`.
        pattern: Number of the pattern of its stroke; lines of the same colour and marker differ in it.
        points: Its points, from left to right.
        summary: First and last value, as text.
    """

    name: str
    number: int
    pattern: int
    points: tuple[Point, ...]
    summary: str

    @property
    def segments(self) -> list[tuple[Point, Point]]:
        """Neighbouring points."""
        return list(zip(self.points, self.points[1:], strict=False))


@dataclass(frozen=True)
class LineChart:
    """Lines over the epochs of a training.

    Attributes:
        title: What is drawn.
        lines: The lines.
        x: Position and text of the ticks of the horizontal axis.
        y: The same for the vertical axis, from the top.
    """

    title: str
    lines: tuple[Line, ...]
    x: tuple[tuple[float, str], ...]
    y: tuple[tuple[float, str], ...]

    @classmethod
    def of(
        cls, title: str, curves: Mapping[str, Sequence[tuple[float, float]]], chosen: Mapping[str, float | None]
    ) -> LineChart | None:
        """Draw curves; ``None`` if there is no point.

        Args:
            title: What is drawn.
            curves: Name to epochs and values.
            chosen: Name to the epoch to mark.
        """
        points = [point for curve in curves.values() for point in curve]
        if not points:
            return None
        across = Axis.of((epoch for epoch, _ in points))
        up = Axis.of((value for _, value in points), zero=False)
        lines = []
        for number, (name, curve) in enumerate(curves.items()):
            placed = tuple(
                Point(
                    across.percent(epoch),
                    round(100 - up.percent(value), 2),
                    f"{name}, epoch {epoch:g}: {value:.4f}",
                    epoch == chosen.get(name),
                )
                for epoch, value in curve
            )
            lines.append(Line(name, number % SERIES, number // SERIES % PATTERNS, placed, _summary(curve)))
        y = tuple((round(100 - place, 2), text) for place, text in up.marks)
        return cls(title, tuple(lines), tuple(across.marks), y)


def _summary(curve: Sequence[tuple[float, float]]) -> str:
    if not curve:
        return "no value"
    (first, start), (last, end) = curve[0], curve[-1]
    return f"{start:.4f} at epoch {first:g}, {end:.4f} at epoch {last:g}"


def _round_step(width: float) -> float:
    """The smallest round number that is not below ``width``."""
    power = 10.0 ** math.floor(math.log10(width))
    return power * next(step for step in _STEPS if step >= width / power - 1e-9)
