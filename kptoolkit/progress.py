"""Progress reports: library code calls a function with events; ``kptoolkit.cli`` draws them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kptoolkit.errors import escaped
from kptoolkit.names import singular


@dataclass(frozen=True)
class ProgressEvent:
    """One progress report.

    Attributes:
        stage: Name of the stage, e.g. ``"load triples"``; each stage has one progress bar.
        done: Units finished in this stage.
        total: All units of this stage, ``None`` if unknown.
        unit: Name of the units, e.g. ``"triples"``.
        info: Figures to show next to the bar, e.g. ``{"loss": 3.21}``; they stay until the next ones.
        note: A sentence to print once, e.g. how long the stage will take.
        stopped: Whether the stage ended before all units were done, as a training does that stops early.
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = ""
    info: Mapping[str, float | str] = field(default_factory=dict)
    note: str = ""
    stopped: bool = False

    @property
    def ended(self) -> bool:
        """Whether the stage has ended."""
        return self.stopped or (self.total is not None and self.done >= self.total)

    @property
    def sentence(self) -> str:
        """The note with the name of its stage, safe to print."""
        return escaped(f"{self.stage}: {self.note}")

    @property
    def count(self) -> str:
        """``done/total unit``; an unknown total is left out."""
        total = "" if self.total is None else f"/{self.total:,}"
        return f"{self.done:,}{total} {singular(self.unit) if (self.total or self.done) == 1 else self.unit}"

    @property
    def figures(self) -> str:
        """The figures of ``info`` as text, safe to print."""
        return "  ".join(f"{escaped(key)} {cell(value)}" for key, value in self.info.items())


def moment(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as text such as ``2026-05-31 18:05 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


ProgressCallback = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Ignore a progress report; the default progress callback."""


class Lines:
    """Writes a line when a stage ends, and every few seconds for events with figures.

    Args:
        write: Writes a line.
    """

    EVERY = 5.0
    """Seconds between two lines of a stage."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
        self.last: dict[str, float] = {}

    def __call__(self, event: ProgressEvent) -> None:
        """Write an event, if it ends a stage or the last line is some seconds old."""
        if event.note:
            self.write(event.sentence)
        now = time.monotonic()
        if event.ended or (event.info and now - self.last.get(event.stage, -self.EVERY) >= self.EVERY):
            self.last[event.stage] = now
            self.write(f"{event.stage}: {event.count}  {event.figures}".rstrip())


def cell(value: Any) -> str:
    """Return a value as a table and a progress bar show it."""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else escaped(str(value), lines=True)


def with_prefix(prefix: str, progress: ProgressCallback) -> ProgressCallback:
    """Return a progress callback that puts ``prefix`` before the name of each stage."""
    return lambda event: progress(replace(event, stage=f"{prefix}: {event.stage}"))
