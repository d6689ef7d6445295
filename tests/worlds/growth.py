"""How the time that some work takes grows with its input."""

from __future__ import annotations

import time
from collections.abc import Callable

_TIMES = 4
"""The long text has so many times the length of the short one."""


def assert_linear(work: Callable[[str], object], piece: str, length: int) -> None:
    """Check that a text of many equal pieces takes in proportion to its length.

    The time of quadratic work grows sixteenfold here. CPU seconds of one process are compared with each other, so the
    speed of the machine does not matter.

    Args:
        work: Reads a text.
        piece: What the text repeats.
        length: Of the long text, in characters.
    """
    seconds = []
    for wanted in (length // _TIMES, length):
        text = piece * max(1, wanted // len(piece))
        begun = time.process_time()
        work(text)
        seconds.append(time.process_time() - begun)
    short, long = seconds
    assert long < 2 * _TIMES * short + 0.5, f"{short:.2f} and {long:.2f} CPU seconds"
