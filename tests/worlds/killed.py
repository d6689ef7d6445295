"""Kills a process at one of its file operations, as ``kill -9`` would: a fork of the test's own process.

An operation creates, opens for writing, renames or removes a file or folder. Python reports them as audit events;
what libraries in C write into a file that they opened themselves is not seen.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

_OPERATIONS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_left: int | None = None


def moments(before: Callable[[], object], work: Callable[[], object], every: int = 1) -> Iterator[int]:
    """Run ``work`` again and again, killed one operation later each time, until it ends before that.

    Args:
        before: Called before each time, to bring everything back to the start.
        work: Called in a fork; an exception fails the test.
        every: Only every so many operations.

    Yields:
        The number of operations that were finished, after each kill.
    """
    step = 0
    before()
    while killed(step, work):
        yield step
        step += every
        before()
    assert step > 0, "no file operation was seen"


def killed(operations: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a fork that is killed after a number of operations; return whether it was."""
    child = os.fork()
    if child == 0:
        _child(operations, work)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"the process ended with {code}"
    return code != 0


def _child(operations: int, work: Callable[[], object]) -> None:
    global _left
    code = 1
    try:
        sys.addaudithook(_count)
        _left = operations
        work()
        _left = None
        code = 0
    except BaseException:
        _left = None
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _count(event: str, given: tuple[Any, ...]) -> None:
    global _left
    if _left is None or not (event in _OPERATIONS or (event == "open" and _for_writing(*given))):
        return
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _left -= 1


def _for_writing(path: object, mode: object, flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITES) and not str(path).startswith("/dev/")
