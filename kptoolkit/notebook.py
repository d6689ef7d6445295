"""What a notebook shows: the progress of long calls, and tables about graphs, packs and runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from kptoolkit.errors import escaped
from kptoolkit.progress import Lines, ProgressEvent, cell

_CELL = "text-align:left;padding:0 1em 0 0"
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
        if new or event.note or event.done == event.total or now - self.last >= self.EVERY:
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


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return facts as an HTML table of two columns.

    Args:
        title: Title of the table.
        facts: Value by name; names and values are escaped.
    """
    rows = "".join(
        f'<tr><th style="{_CELL}">{_text(name)}</th><td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><b>{_text(title)}</b><table>{rows}</table></div>"


def rows_html(columns: Sequence[str], rows: Iterable[Sequence[object]], more: int = 0) -> str:
    """Return rows as an HTML table.

    Args:
        columns: Names of the columns.
        rows: Values; they are escaped.
        more: Number of rows that are left out, which the last line says.
    """
    head = "".join(f'<th style="{_CELL}">{_text(name)}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{_text(value)}</td>' for value in row) + "</tr>" for row in rows
    )
    rest = f"<div>and {more:,} more</div>" if more else ""
    return f"<table><tr>{head}</tr>{body}</table>{rest}"


def lines_html(lines: Iterable[str]) -> str:
    """Return sentences as HTML, one per line; they are escaped."""
    return "".join(f'<div style="max-width:60em">{_text(line)}</div>' for line in lines if line)


def _text(value: object) -> str:
    return escape(escaped(cell(value)))


def _bar(event: ProgressEvent) -> str:
    name, figures = _text(event.stage), escape(event.figures)
    bar = "" if not event.total else f'<progress value="{event.done}" max="{event.total}"></progress>'
    cells = (name, bar, _text(event.count), figures)
    return "<tr>" + "".join(f'<td style="{_CELL}">{text}</td>' for text in cells) + "</tr>"


def _with_info(event: ProgressEvent, info: Mapping[str, float | str]) -> ProgressEvent:
    return ProgressEvent(event.stage, event.done, event.total, event.unit, info, event.note)


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
