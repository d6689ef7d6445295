"""Draws progress events as bars on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from kptoolkit.names import singular
from kptoolkit.progress import ProgressCallback, ProgressEvent, cell

WIDE = 110
"""Columns of a terminal from which progress has bars and tables have all columns."""


class StageTimes:
    """Draws progress events, and says how long a stage took when it ends.

    A stage starts with the last event of the stage before it.

    Args:
        draw: Gets every event.
        say: Gets a line for each stage.
    """

    def __init__(self, draw: ProgressCallback, say: Callable[[str], object]) -> None:
        self.draw, self.say = draw, say
        self.started = dict[str, float]()
        self.last = time.monotonic()

    def __call__(self, event: ProgressEvent) -> None:
        """Draw an event, and print the time of a stage that ends."""
        self.draw(event)
        self.started.setdefault(event.stage, self.last)
        self.last = time.monotonic()
        if event.ended:
            self.say(f"{event.stage}: {self.last - self.started.pop(event.stage):.1f} s")


class Bars:
    """Draws progress events, one bar per stage."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}
        self.stopped = set[str]()

    def __call__(self, event: ProgressEvent) -> None:
        """Draw an event."""
        if event.stage not in self.tasks:
            self.tasks[event.stage] = self.bars.add_task(event.stage, total=event.total, unit=event.unit, info=[])
        shown: dict[str, Any] = {"unit": event.unit}
        if event.info:
            shown["info"] = [f"{key} {cell(value)}" for key, value in event.info.items()]
        if event.note:
            self.bars.console.print(event.sentence, highlight=False, markup=False)
        task = self.tasks[event.stage]
        if event.stage in self.stopped:
            self.bars.reset(task)
            self.stopped.remove(event.stage)
        self.bars.update(task, completed=event.done, total=event.total, refresh=True, **shown)
        if event.stopped:
            self.bars.stop_task(task)
            self.stopped.add(event.stage)

    def finish(self) -> None:
        """Mark all stages as finished: a training that stopped early leaves no spinner and no time left."""
        for stage, task in self.tasks.items():
            if stage not in self.stopped:
                self.bars.stop_task(task)
        self.bars.refresh()


def bars_on(console: Console) -> Progress:
    """Progress bars; a narrow terminal has no bars and fewer figures, but those that it has are whole."""
    wide = console.width >= WIDE
    return Progress(
        _StateColumn(finished_text="✓"),
        _CutColumn("{task.description}", markup=False),
        *([BarColumn(bar_width=24)] if wide else []),
        _CountColumn(),
        TimeElapsedColumn(),
        _RemainingColumn(),
        _InfoColumn(last=not wide),
        console=console,
    )


class _StateColumn(SpinnerColumn):
    """Shows a spinner, and a mark once a stage has ended, even if it stopped early."""

    def render(self, task: Task) -> RenderableType:
        """Return the spinner or the mark for a task."""
        return super().render(task) if task.stop_time is None else self.finished_text


class _RemainingColumn(TimeRemainingColumn):
    """Shows the time left of a stage that has not ended."""

    def render(self, task: Task) -> Text:
        """Return the text of the column for a task."""
        return Text("") if task.finished or task.stop_time is not None else super().render(task)


class _CutColumn(TextColumn):
    """Shows a text that may be cut where the terminal is narrow."""

    def render(self, task: Task) -> Text:
        """Return the text of the column for a task."""
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    def get_table_column(self) -> Column:
        """Return the column: the only kind that gives up width."""
        return Column(no_wrap=False, overflow="ellipsis")


class _InfoColumn(ProgressColumn):
    """Shows the figures of a stage; only the last where all do not fit, or nothing.

    Args:
        last: Show the last figure only.
    """

    def __init__(self, *, last: bool) -> None:
        super().__init__(Column())
        self.last = last

    def render(self, task: Task) -> RenderableType:
        """Return the figures of a task."""
        pairs = list(task.fields["info"])
        texts = ["  ".join(pairs[-1:])] if self.last else ["  ".join(pairs), "  ".join(pairs[-1:])]
        return _Whole(texts)


class _Whole:
    """Shows the first of some texts that fits, as a whole, or nothing."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(next((text for text in self.texts if cell_len(text) <= options.max_width), ""))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(0, max(map(cell_len, self.texts), default=0))


class _CountColumn(TextColumn):
    """Shows ``done/total unit``; an unknown total is left out."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Any) -> Any:
        """Return the text of the column for a task."""
        total = "" if task.total is None else f"/{task.total:,.0f}"
        unit = task.fields["unit"]
        return Text(f"{task.completed:,.0f}{total} {singular(unit) if (task.total or task.completed) == 1 else unit}")
