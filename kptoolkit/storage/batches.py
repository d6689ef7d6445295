"""Batches, the progress made through them, and many rows taken in quickly."""

from __future__ import annotations

import gc
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


def ahead(work: Callable[[T], R], parts: Iterable[T], threads: int = 2) -> Generator[tuple[T, R]]:
    """Each part with ``work(part)``, in order, while ``threads`` threads are at work on those that follow.

    A database then looks for the next answers while this one is taken in. Nothing is begun after an error.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="kptool-ahead")
    begun: deque[tuple[T, Future[R]]] = deque()
    try:
        for part in parts:
            begun.append((part, pool.submit(work, part)))
            if len(begun) > threads:
                yield _taken(begun)
        while begun:
            yield _taken(begun)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _taken(begun: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    part, answer = begun.popleft()
    return part, answer.result()


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles of objects, which among millions of rows costs more than it frees."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
