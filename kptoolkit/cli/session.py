"""What every command shares: its common options, its settings, its two consoles and its way to fail."""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from kptoolkit import distributed
from kptoolkit.config import Config, GraphConfig, load_config, parse_assignment, which_graph
from kptoolkit.errors import InputError, KptoolError, shorten
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent

COMMON = "Common options"
INTERRUPTED = 130


@dataclass
class Session:
    """One call of one command.

    Attributes:
        config_file: Value of ``--config``.
        overrides: ``--set`` and ``--graph`` as ``{"section.key": value}``; a command adds its own flags.
        json: Whether standard output is to hold JSON alone.
        verbosity: -1 quiet, 0 normal, 1 verbose.
        debug: Whether errors keep their traceback.
        out: Console on standard output, for results.
        err: Console on standard error, for progress and messages.
    """

    config_file: Path | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    json: bool = False
    verbosity: int = 0
    debug: bool = False
    environ: Mapping[str, str] | None = None
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def config(self, **flags: Any) -> Config:
        """The settings of this call; ``flags`` such as ``tree__hops=2`` beat ``--set``, ``None`` is left out."""
        given = {key.replace("__", "."): value for key, value in flags.items() if value is not None}
        return load_config(self.config_file, {**self.overrides, **given}, self.environ)

    def evaluation(self) -> dict[str, Any]:
        """``--set evaluation.…`` of this call, for a finished run.

        Raises:
            InputError: ``--set`` names what a run was trained with, which stays as it was.
        """
        for key in self.overrides:
            if key.partition(".")[0] not in ("evaluation", "graph"):
                raise InputError(f"--set {key}: a finished run keeps the settings it was trained with; fit another one")
        given = {key: value for key, value in self.overrides.items() if key.startswith("evaluation.")}
        chosen = load_config(None, given, {}).evaluation
        return {name: getattr(chosen, name) for name in (key.partition(".")[2] for key in given)}

    def graph(self, trained: GraphConfig | None = None) -> GraphConfig:
        """Decide which graph the command reads, and print it on standard error.

        It is the graph of ``--graph`` (or ``--set graph.uri``), else the run's own, else the configured one; see
        :func:`kptoolkit.config.which_graph`.

        Args:
            trained: ``[graph]`` of the run that the command takes; ``None`` if it takes none.
        """
        given = {key.partition(".")[2] for key in self.overrides if key.startswith("graph.")}
        chosen = which_graph(self.config().graph, trained, given)
        source = "from --graph" if self.names_graph else "from the settings" if trained is None else "the run's own"
        if distributed.is_first():
            self.say(f"graph: {shorten(chosen.uri, 500)} ({source})")
        return chosen

    @property
    def names_graph(self) -> bool:
        """Whether the command line names a graph."""
        return "graph.uri" in self.overrides

    def say(self, message: str, style: str | None = None) -> None:
        """Print a message on standard error; nothing with ``-q``."""
        if self.verbosity >= 0:
            self.err.print(message, style=style, highlight=False, markup=False, soft_wrap=True)

    def warn(self, message: str) -> None:
        """Print a warning on standard error, also with ``-q``."""
        self.err.print(f"warning: {message}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def emit(self, result: Any) -> None:
        """Print ``result`` as JSON on standard output."""
        self.out.file.write(json.dumps(result, ensure_ascii=False, indent=2, default=_jsonable) + "\n")

    def table(self, title: str, columns: list[str], rows: list[list[Any]], *, caption: str | None = None) -> None:
        """Print a table on standard output, cells as text, numbers to the right; the caption on one line below."""
        table = Table(title=Text(title), title_justify="left")
        for index, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        self.out.print(table, markup=False)
        if caption:
            self.out.print(caption, style="italic", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[ProgressCallback]:
        """A progress callback drawn on standard error: bars on a terminal, a line a stage elsewhere, none with -q."""
        if self.verbosity < 0:
            yield silent
        elif self.err.is_terminal:
            with _bars(self.err) as bars:
                yield _Bars(bars)
        else:
            yield _Lines(self.err)


class _Bars:
    """Draws progress events as one bar a stage."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: ProgressEvent) -> None:
        if event.stage not in self.tasks:
            self.tasks[event.stage] = self.bars.add_task(event.stage, total=event.total, unit=event.unit, info="")
        info = "  ".join(f"{key} {_cell(value)}" for key, value in event.info.items())
        self.bars.update(
            self.tasks[event.stage], completed=event.done, total=event.total, unit=event.unit, info=info, refresh=True
        )


class _Lines:
    """Writes a line when a stage ends, and every few seconds for events that carry figures."""

    EVERY = 5.0
    """Seconds between two lines of a stage."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last: dict[str, float] = {}

    def __call__(self, event: ProgressEvent) -> None:
        finished = event.total is not None and event.done >= event.total
        now = time.monotonic()
        if finished or (event.info and now - self.last.get(event.stage, -self.EVERY) >= self.EVERY):
            self.last[event.stage] = now
            total = "" if event.total is None else f"/{event.total:,}"
            info = "  ".join(f"{key} {_cell(value)}" for key, value in event.info.items())
            text = f"{event.stage}: {event.done:,}{total} {event.unit}  {info}".rstrip()
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _CountColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[info]}", markup=False),
        console=console,
    )


class _CountColumn(TextColumn):
    """``done/total unit``, with an unknown total left out."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Any) -> Any:
        """The column's text for one task."""
        total = "" if task.total is None else f"/{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{total} {task.fields['unit']}")


_Register = Callable[[Callable[..., None]], Callable[..., None]]


def command(app: typer.Typer, name: str, *, example: str, graph: bool = False, results: bool = False) -> _Register:
    """Register a function ``f(session, ...)`` as a command with the common options.

    A parameter that is annotated with a dataclass stands for the options that are its fields.

    Args:
        app: Where to register.
        name: Name of the command.
        example: A call to show under ``--help``.
        graph: Whether ``--graph`` is offered.
        results: Whether ``--json`` is offered.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        groups = {parameter.name: parameter.annotation for parameter in own if _is_group(parameter.annotation)}

        @functools.wraps(function)
        def wrapper(**kwargs: Any) -> None:
            session = _session(kwargs)
            for name, group in groups.items():
                kwargs[name] = group(**{each.name: kwargs.pop(each.name) for each in fields(group)})
            try:
                function(session, **kwargs)
            except (KptoolError, KeyboardInterrupt, Exception) as error:
                if isinstance(error, typer.Exit | typer.Abort | typer.BadParameter):
                    raise
                if session.debug:
                    session.err.file.write(traceback.format_exc())
                fail(session.err, error)

        options = [option for parameter in own for option in _options(parameter)] + _common(graph, results)
        wrapper.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {option.name: option.annotation for option in options}
        help_text = f"{inspect.getdoc(function)}\n\n\b\nExample:\n  {example}"
        app.command(name, help=help_text)(wrapper)
        return function

    return register


def fail(console: Console, error: BaseException) -> NoReturn:
    """End the process with one line that says what is wrong."""
    if _interrupted(error):
        console.print("interrupted; the same command goes on from here", style="yellow", highlight=False)
        raise typer.Exit(INTERRUPTED)
    if isinstance(error, KptoolError):
        text, code = str(error), error.exit_code
    elif isinstance(error, OSError) and error.filename is not None:
        text, code = f"{error.filename}: {error.strerror}", 1
    else:
        text, code = f"{type(error).__name__}: {error}; run again with --debug for the traceback", 1
    console.print(f"error: {shorten(text, 2000)}", style="bold red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: what was cleaned up after it may have failed in turn."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _session(kwargs: dict[str, Any]) -> Session:
    overrides: dict[str, Any] = {}
    session = Session(kwargs.pop("config_file"), overrides, kwargs.pop("as_json", False))
    session.debug = kwargs.pop("debug")
    session.verbosity = 1 if kwargs.pop("verbose") else 0
    session.verbosity = -1 if kwargs.pop("quiet") else session.verbosity
    try:
        overrides.update(parse_assignment(text) for text in kwargs.pop("assignments") or [])
    except KptoolError as error:
        fail(session.err, error)
    if (uri := kwargs.pop("graph_uri", None)) is not None:
        overrides["graph.uri"] = uri
    return session


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameter itself, or the fields of the dataclass that it stands for."""
    if not _is_group(parameter.annotation):
        return [parameter]
    return list(inspect.signature(parameter.annotation, eval_str=True).parameters.values())


def _is_group(annotation: Any) -> bool:
    return is_dataclass(annotation)


def _common(graph: bool, results: bool) -> list[inspect.Parameter]:
    def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    options = [
        option(
            "config_file",
            Annotated[Path | None, typer.Option("--config", help="Settings file.", rich_help_panel=COMMON)],
            None,
        ),
        option(
            "assignments",
            Annotated[
                list[str] | None, typer.Option("--set", help="A setting, section.key=value.", rich_help_panel=COMMON)
            ],
            None,
        ),
        option(
            "verbose", Annotated[bool, typer.Option("--verbose", "-v", help="Say more.", rich_help_panel=COMMON)], False
        ),
        option(
            "quiet",
            Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results.", rich_help_panel=COMMON)],
            False,
        ),
        option(
            "debug",
            Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=COMMON)],
            False,
        ),
    ]
    if graph:
        text = "embedded:PATH, neo4j://… or bolt://…"
        options.append(
            option("graph_uri", Annotated[str | None, typer.Option("--graph", help=text, rich_help_panel=COMMON)], None)
        )
    if results:
        text = "Print the result as JSON and nothing else."
        options.append(
            option("as_json", Annotated[bool, typer.Option("--json", help=text, rich_help_panel=COMMON)], False)
        )
    return options


def _console(*, stderr: bool) -> Console:
    width = None if (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ else 120
    return Console(stderr=stderr, width=width)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def _jsonable(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
