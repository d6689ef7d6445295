"""How library code reports progress: it calls a function; ``kptoolkit.cli`` draws what it hears."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ProgressEvent:
    """One report.

    Attributes:
        stage: What is going on, in words for a person, e.g. ``"load triples"``; one bar is drawn a stage.
        done: Units finished so far in this stage.
        total: Units in all, ``None`` when unknown.
        unit: What is counted, e.g. ``"triples"``.
        info: Figures worth showing, e.g. ``{"loss": 3.21}``.
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = ""
    info: Mapping[str, float | str] = field(default_factory=dict)


ProgressCallback = Callable[[ProgressEvent], None]


def silent(event: ProgressEvent) -> None:
    """Ignore progress: the default of every function that takes a callback."""
