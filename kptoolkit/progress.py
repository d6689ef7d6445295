"""Progress reports: library code calls a function with events; ``kptoolkit.cli`` draws them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace


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
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = ""
    info: Mapping[str, float | str] = field(default_factory=dict)
    note: str = ""


def moment(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as text such as ``2026-05-31 18:05 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


ProgressCallback = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Ignore a progress report; the default progress callback."""


def with_prefix(prefix: str, progress: ProgressCallback) -> ProgressCallback:
    """Return a progress callback that puts ``prefix`` before the name of each stage."""
    return lambda event: progress(replace(event, stage=f"{prefix}: {event.stage}"))
