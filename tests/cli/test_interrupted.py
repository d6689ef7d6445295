"""Ctrl-C ends a command with 130, also when cleaning up after it fails."""

from __future__ import annotations

import pytest
import typer
from rich.console import Console

from kptoolkit.cli.session import INTERRUPTED, fail


def ended(error: BaseException) -> int:
    with pytest.raises(typer.Exit) as exit_:
        fail(Console(stderr=True), error)
    return exit_.value.exit_code


def test_clean_up_that_fails_after_ctrl_c_is_still_ctrl_c() -> None:
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise BufferError("a connection in mid-message cannot be closed")

    with pytest.raises(BufferError) as caught:
        interrupted()
    assert ended(caught.value) == INTERRUPTED
    assert ended(KeyboardInterrupt()) == INTERRUPTED
    assert ended(BufferError("alone")) == 1


@pytest.mark.timeout(20)
def test_errors_that_cause_each_other_end_a_command_too() -> None:
    itself, one, other = BufferError("itself"), BufferError("one"), BufferError("other")
    itself.__cause__ = itself
    one.__cause__, other.__cause__ = other, one
    assert [ended(error) for error in (itself, one, other)] == [1, 1, 1]
    other.__context__, one.__cause__ = None, None
    one.__context__ = KeyboardInterrupt()
    assert ended(other) == INTERRUPTED
