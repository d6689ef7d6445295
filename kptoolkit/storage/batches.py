"""Batches: splitting rows, reporting progress, and fetching the next batches while one is processed."""

from __future__ import annotations

import gc
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from kptoolkit.progress import ProgressCallback, ProgressEvent

T = TypeVar("T")
R = TypeVar("R")
_SECONDS = 1.0


class Meter:
    """Reports the progress of one stage with the rate: the first units at once, then about once per second.

    Args:
        stage: Name of the stage.
        total: Number of units in the stage.
        unit: Name of the unit, plural.
        progress: Progress callback.
    """

    def __init__(self, stage: str, total: int, unit: str, progress: ProgressCallback) -> None:
        self.stage, self.total, self.unit, self.progress = stage, total, unit, progress
        self.done, self.start, self.reported = 0, time.monotonic(), -math.inf

    def add(self, count: int) -> None:
        """Count ``count`` more finished units; report the first, the last, and those in between once per second."""
        self.done += count
        now = time.monotonic()
        if now - self.reported >= _SECONDS or self.done >= self.total:
            self.reported = now
            rate = f"{self.done / max(now - self.start, 1e-9):,.0f} {self.unit}/s"
            self.progress(ProgressEvent(self.stage, self.done, self.total, self.unit, {"rate": rate}))


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield ``rows`` in parts of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def prefetch(work: Callable[[T], R], parts: Iterable[T], threads: int = 2) -> Generator[tuple[T, R]]:
    """Yield each part with ``work(part)``, in order, while threads work on the next ``threads`` parts.

    The database computes the next results while the caller processes this one. After an error no further part is
    started.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="kptool-prefetch")
    started: deque[tuple[T, Future[R]]] = deque()
    try:
        for part in parts:
            started.append((part, pool.submit(work, part)))
            if len(started) > threads:
                yield _next_result(started)
        while started:
            yield _next_result(started)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next_result(started: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    part, result = started.popleft()
    return part, result.result()


@contextmanager
def without_gc() -> Iterator[None]:
    """Switch Python's cyclic garbage collection off, which costs more than it frees while millions of rows are read."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
