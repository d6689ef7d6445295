"""Batches, and the progress made through them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from kptoolkit.progress import ProgressCallback, ProgressEvent

T = TypeVar("T")
_SECONDS = 1.0


class Meter:
    """Reports the progress of one stage, about once a second, with its rate.

    Args:
        stage: Name of the stage.
        total: Units in all.
        unit: What is counted.
        progress: Who wants to hear.
    """

    def __init__(self, stage: str, total: int, unit: str, progress: ProgressCallback) -> None:
        self.stage, self.total, self.unit, self.progress = stage, total, unit, progress
        self.done, self.start, self.said = 0, time.monotonic(), time.monotonic()

    def add(self, count: int) -> None:
        """``count`` more units are done."""
        self.done += count
        now = time.monotonic()
        if now - self.said >= _SECONDS or self.done >= self.total:
            self.said = now
            rate = f"{self.done / max(now - self.start, 1e-9):,.0f} {self.unit}/s"
            self.progress(ProgressEvent(self.stage, self.done, self.total, self.unit, {"rate": rate}))


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``rows`` in parts of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
