"""Prefetched results and the progress of a stage."""

from __future__ import annotations

import threading
import time

import pytest

from kptoolkit.progress import ProgressEvent
from kptoolkit.storage.batches import Meter, prefetch


def test_results_come_in_order() -> None:
    def work(part: int) -> int:
        time.sleep((7 - part) * 0.01)
        return part * part

    assert list(prefetch(work, range(8), threads=3)) == [(part, part * part) for part in range(8)]
    assert list(prefetch(work, [])) == []


def test_only_the_next_parts_are_computed_while_one_is_processed() -> None:
    started, pair = list[int](), threading.Barrier(2, timeout=20)

    def work(part: int) -> int:
        started.append(part)
        pair.wait()  # breaks unless another part is at work at the same time
        return part

    for part, _ in prefetch(work, range(6)):
        time.sleep(0.1)
        assert len(started) <= part + 4, "two processed, two prefetched"
    assert sorted(started) == list(range(6))


def test_no_part_is_started_after_an_error() -> None:
    started, taken = list[int](), list[int]()

    def work(part: int) -> int:
        started.append(part)
        if part == 3:
            raise ValueError("part 3")
        return part

    def take() -> None:
        for part, _ in prefetch(work, range(100)):
            taken.append(part)

    with pytest.raises(ValueError, match="part 3"):
        take()
    assert taken == [0, 1, 2]
    count = len(started)
    assert count < 10
    time.sleep(0.1)
    assert len(started) == count


def test_closing_does_not_wait_for_prefetched_results() -> None:
    free = threading.Event()

    def work(part: int) -> int:
        if part:
            assert free.wait(120)
        return part

    results = prefetch(work, range(10))
    assert next(results) == (0, 0)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 60
    free.set()


def test_the_first_units_of_a_stage_are_reported_at_once() -> None:
    """A stage that ends within a second reports its first and its last units, so whoever watches can stop it."""
    reports: list[ProgressEvent] = []
    meter = Meter("load", 40, "triples", reports.append)
    for _ in range(4):
        meter.add(10)
    assert [report.done for report in reports] == [10, 40]
