"""The progress of long calls: bars in a notebook, lines on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

from kptoolkit.notebook.html_tables import CELL_STYLE, html_text, lines_html
from kptoolkit.progress import Lines, ProgressEvent

_NOTES = 5


def shown(event: ProgressEvent) -> None:
    """Show a progress report to whoever looks: bars in a notebook, lines on a terminal, and nothing elsewhere.

    This is the default progress callback of the functions that take long; ``kptoolkit.progress.silent`` shows nothing.
    """
    shell = _notebook()
    if shell is not None:
        cell_number = int(getattr(shell, "execution_count", 0))
        if cell_number not in _BARS:
            _BARS.clear()
            _BARS[cell_number] = NotebookBars()
        _BARS[cell_number](event)
    elif sys.stderr is not None and sys.stderr.isatty():
        _LINES(event)


class NotebookBars:
    """Draws progress events in the output of a notebook cell, one bar per stage; needs no widgets."""

    EVERY = 0.2
    """Seconds between two updates of the output."""

    def __init__(self) -> None:
        self.stages: dict[str, ProgressEvent] = {}
        self.notes: list[str] = []
        self.handle: Any = None
        self.last = -self.EVERY

    def __call__(self, event: ProgressEvent) -> None:
        """Draw an event; between two updates, only those that begin or end a stage."""
        new = event.stage not in self.stages
        earlier = {} if new else self.stages[event.stage].info
        self.stages[event.stage] = event if event.info else _with_info(event, earlier)
        if event.note and event.sentence not in self.notes:
            self.notes = [*self.notes, event.sentence][-_NOTES:]
        now = time.monotonic()
        if new or event.note or event.ended or now - self.last >= self.EVERY:
            self.last = now
            self._draw({"text/html": self.html(), "text/plain": f"{event.stage}: {event.count}"})

    def html(self) -> str:
        """Return bars and notes as HTML."""
        rows = "".join(map(_bar, self.stages.values()))
        return f"<table>{rows}</table>{lines_html(self.notes)}"

    def _draw(self, data: Mapping[str, str]) -> None:
        if self.handle is None:
            display: Any = sys.modules["IPython.display"]
            self.handle = display.display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def _bar(event: ProgressEvent) -> str:
    name, figures = html_text(event.stage), escape(event.figures)
    bar = "" if not event.total else f'<progress value="{event.done}" max="{event.total}"></progress>'
    cells = (name, bar, html_text(event.count), figures)
    return "<tr>" + "".join(f'<td style="{CELL_STYLE}">{text}</td>' for text in cells) + "</tr>"


def _with_info(event: ProgressEvent, info: Mapping[str, float | str]) -> ProgressEvent:
    return replace(event, info=info)


def _notebook() -> Any:
    """The shell of the notebook that this runs in; ``None`` outside a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") and "IPython.display" in sys.modules else None


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")


_BARS: dict[int, NotebookBars] = {}
"""The bars of the cell that runs, by its number."""
_LINES = Lines(_write)
