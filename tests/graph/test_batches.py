"""Answers asked for ahead."""

from __future__ import annotations

import threading
import time

import pytest

from kptoolkit.storage.batches import ahead


def test_answers_come_in_order() -> None:
    def work(part: int) -> int:
        time.sleep((7 - part) * 0.01)
        return part * part

    assert list(ahead(work, range(8), threads=3)) == [(part, part * part) for part in range(8)]
    assert list(ahead(work, [])) == []


def test_the_next_parts_are_at_work_while_one_is_taken_in_and_no_more() -> None:
    begun, pair = list[int](), threading.Barrier(2, timeout=20)

    def work(part: int) -> int:
        begun.append(part)
        pair.wait()  # breaks unless another part is at work at the same time
        return part

    for part, _ in ahead(work, range(6)):
        time.sleep(0.1)
        assert len(begun) <= part + 4, "two in hand, two behind them"
    assert sorted(begun) == list(range(6))


def test_after_an_error_nothing_is_begun() -> None:
    begun, taken = list[int](), list[int]()

    def work(part: int) -> int:
        begun.append(part)
        if part == 3:
            raise ValueError("part 3")
        return part

    def take() -> None:
        for part, _ in ahead(work, range(100)):
            taken.append(part)

    with pytest.raises(ValueError, match="part 3"):
        take()
    assert taken == [0, 1, 2]
    count = len(begun)
    assert count < 10
    time.sleep(0.1)
    assert len(begun) == count


def test_whoever_stops_asking_is_not_held_up() -> None:
    free = threading.Event()

    def work(part: int) -> int:
        if part:
            assert free.wait(20)
        return part

    answers = ahead(work, range(10))
    assert next(answers) == (0, 0)
    started = time.monotonic()
    answers.close()
    assert time.monotonic() - started < 5
    free.set()
