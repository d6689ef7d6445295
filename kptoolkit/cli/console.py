"""The consoles of the command line: no text can command the terminal, and no usage error repeats a secret."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typer.core import TyperGroup

from kptoolkit.errors import escaped, redacted

_USAGE_ERRORS: Any = typer.BadParameter.__bases__


class SafeConsole(Console):
    """A console whose texts are escaped, whatever they come from; colours and cursor movements are its own alone.

    A text such as ``:a:`` stays as it is, also where rich would write an emoji.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of a renderable with escaped texts."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable() or segment.text == "\n":
                yield segment
            else:
                yield Segment(escaped(segment.text, lines=True), segment.style)


def open_console(*, stderr: bool) -> SafeConsole:
    """Open a console; 120 columns wide where the stream is no terminal and ``COLUMNS`` is not set."""
    width = None if (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ else 120
    return SafeConsole(stderr=stderr, width=width)


class SafeGroup(TyperGroup):
    """A group of commands whose usage errors are escaped and repeat no secret."""

    def make_context(self, *given: Any, **named: Any) -> Any:
        """Create the context of a call."""
        with _safe_usage_errors():
            return super().make_context(*given, **named)

    def invoke(self, ctx: Any) -> Any:
        """Call the command."""
        with _safe_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _safe_usage_errors() -> Iterator[None]:
    try:
        yield
    except _USAGE_ERRORS as error:
        error.message = escaped(redacted(str(error.message or "")))
        raise


def json_text(value: Any, default: Callable[[Any], Any]) -> str:
    """Write a value as JSON in which no character commands a terminal; a number that is not finite is ``null``.

    Args:
        value: The value.
        default: As for :func:`json.dumps`.
    """
    finite = json.loads(json.dumps(value, default=default), parse_constant=lambda _: None)
    text = json.dumps(finite, ensure_ascii=False, indent=2, allow_nan=False)
    return "\n".join(line if escaped(line) == line else _json_escaped(line) for line in text.split("\n"))


def _json_escaped(line: str) -> str:
    return "".join(c if escaped(c) == c else f"\\u{ord(c):04x}" for c in line)
