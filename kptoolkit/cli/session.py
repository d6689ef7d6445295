"""What all commands share: common options, settings, the two consoles, and how errors end a command."""

from __future__ import annotations

import functools
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kptoolkit import distributed, limits
from kptoolkit.cli.console import json_text, open_console
from kptoolkit.cli.progress_display import WIDE, Bars, StageTimes, bars_on
from kptoolkit.config import Config, GraphConfig, load_config, parse_assignment, used_settings
from kptoolkit.errors import ConfigError, InputError, KptoolError, escaped, redacted, shorten
from kptoolkit.limits import LimitsConfig
from kptoolkit.progress import Lines, ProgressCallback, cell, silent
from kptoolkit.resources import Trust, check_queries, named_code, which_graph

COMMON = "Common options"
INTERRUPTED = 130
_WHOLE = 13
"""Length up to which the texts and figures of a column are never wrapped."""
_TO_COPY = ("kptool ", "`", "pip ", "neo4j-admin", "cypher-shell")
"""Parts of lines with a command."""
_LONG = 40
"""Length from which a word is probably a path."""
_PERCENT = re.compile(r"\d[\d.]* ?%")
KEEPS = "a finished run keeps the settings it was trained with; fit another one"
UNREAD = "this command does not read it; leave it out"


@dataclass
class Session:
    """One call of one command.

    Attributes:
        config_file: Value of ``--config``.
        overrides: ``--set`` and ``--graph`` as ``{"section.key": value}``.
        json: Whether the result is printed as JSON.
        verbosity: -1 quiet, 0 normal, 1 verbose.
        debug: Whether the traceback of an error is printed.
        graph_option: Whether ``--graph`` was given.
        trust_all: Whether all code that a pack or a run names may be run (``--trust-code``).
        environ: Environment variables; ``None`` is ``os.environ``.
        described: Whether it was printed which settings are used (``-v``).
        out: Console on standard output, for results.
        err: Console on standard error, for progress and messages.
    """

    config_file: Path | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    json: bool = False
    verbosity: int = 0
    debug: bool = False
    graph_option: bool = False
    trust_all: bool = False
    environ: Mapping[str, str] | None = None
    described: bool = False
    out: Console = field(default_factory=lambda: open_console(stderr=False))
    err: Console = field(default_factory=lambda: open_console(stderr=True))

    def config(self, **flags: Any) -> Config:
        """Load the settings; ``flags`` such as ``tree__hops=2`` are stronger than ``--set``, ``None`` is left out."""
        given = {key.replace("__", "."): value for key, value in flags.items() if value is not None}
        config = load_config(self.config_file, {**self.overrides, **given}, self.environ)
        if not self.described:
            self.described = True
            self.detail(f"settings: {used_settings(self.config_file, self.environ)}")
            self.detail(f"pack: {config.prompts.pack}; caches: {config.graph.cache}, {config.prompts.cache}")
        return config

    def evaluation(self, *read: str) -> dict[str, Any]:
        """Return the values of ``--set evaluation.…``, for a finished run.

        Args:
            read: What the command reads, as for :meth:`allow_only`.

        Raises:
            InputError: ``--set`` names another setting.
        """
        self.allow_only(*read)
        given = {key: value for key, value in self.overrides.items() if key.startswith("evaluation.")}
        chosen = load_config(None, given, {}).evaluation
        return {name: getattr(chosen, name) for name in (key.partition(".")[2] for key in given)}

    def allow_only(self, *read: str) -> None:
        """Check that the settings of the command line can change what a command does with a finished run.

        Args:
            read: Sections, and single settings such as ``"evaluation.beams"``, that can.

        Raises:
            InputError: ``--set`` names another setting: the command does not read it, or it is one of the training.
        """
        for key in self.overrides:
            section = key.partition(".")[0]
            if key in read or section in (*read, "limits"):
                continue
            raise InputError(f"--set {key}: {UNREAD if section in ('evaluation', 'graph') else KEEPS}")

    @property
    def trust_code(self) -> Trust:
        """What a pack or a run may name: anything with ``--trust-code``, else what the settings of the user name."""
        if self.trust_all:
            return True
        try:
            return named_code(load_config(self.config_file, self.overrides, self.environ).model_dump(mode="json"))
        except ConfigError:
            return False  # a command that needs these settings says what is wrong with them

    def limits(self) -> LimitsConfig:
        """Return the limits of the settings; the defaults if the settings have mistakes elsewhere.

        Raises:
            ConfigError: A limit is unknown or has a bad value.
        """
        given = {key: value for key, value in self.overrides.items() if key.startswith("limits.")}
        try:
            return load_config(self.config_file, given, self.environ).limits
        except ConfigError as error:
            if given or "limits." in str(error):
                raise
            return LimitsConfig()

    def graph(self, trained: GraphConfig | None = None) -> GraphConfig:
        """Decide which graph the command reads, and print it on standard error.

        It is the graph of ``--graph`` (or ``--set graph.uri``), else the run's own, else the configured one; see
        :func:`kptoolkit.resources.which_graph`.

        Args:
            trained: ``[graph]`` of the run that the command takes; ``None`` if it takes none.
        """
        given = {key.partition(".")[2] for key in self.overrides if key.startswith("graph.")}
        own = self.config().graph
        chosen = which_graph(own, trained, given, trusted=self.trust_all)
        check_queries(chosen.cypher, own.cypher, self.trust_code)
        if self.names_graph:
            source = "from --graph" if self.graph_option else "from --set graph.uri"
        else:
            source = "from the settings" if trained is None else "the run's own"
        if distributed.is_first():
            self.say(f"graph: {shorten(chosen.uri, 500)} ({source})")
            if own.password is not None and chosen.password is None:
                self.warn(
                    "the run names this graph, the settings another one, so that no password is sent; if the server is "
                    f"yours, give --graph {shorten(chosen.uri, 500)}"
                )
        return chosen

    @property
    def wide(self) -> bool:
        """Whether tables on standard output have room for all columns."""
        return self.out.width >= WIDE

    @property
    def names_graph(self) -> bool:
        """Whether the command line names a graph."""
        return "graph.uri" in self.overrides

    def say(self, message: str, style: str | None = None) -> None:
        """Print a message of one line on standard error; nothing with ``-q``."""
        if self.verbosity >= 0:
            _print_line(self.err, escaped(redacted(message)), style)

    def detail(self, message: str) -> None:
        """Print a message of one line on standard error, with ``-v`` only."""
        if self.verbosity > 0:
            self.say(message, "dim")

    def warn(self, message: str) -> None:
        """Print a warning on standard error, also with ``-q``."""
        _print_line(self.err, f"warning: {escaped(redacted(message))}", "yellow")

    def say_notice(self, data: Path) -> None:
        """Print the notice of a data folder on standard error, if it has one."""
        from kptoolkit.data.interactions import notice_of

        if notice := notice_of(data):
            self.say(notice)

    def emit(self, result: Any) -> None:
        """Print ``result`` as JSON on standard output."""
        self.out.file.write(json_text(result, _jsonable) + "\n")

    def table(self, title: str, columns: list[str], rows: list[list[Any]], *, caption: str | None = None) -> None:
        """Print a title, a table with numbers aligned right, and a caption, whose lines a terminal wraps at words."""
        self.out.print(Text(escaped(title), style="italic"), soft_wrap=True)
        table = Table()
        for index, column in enumerate(columns):
            numeric = _is_numeric([row[index] for row in rows])
            whole = all(len(cell(row[index])) <= _WHOLE for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
        for row in rows:
            table.add_row(*(cell(value) for value in row))
        self.out.print(table, markup=False)
        if caption:
            self.sentence(caption)

    def sentence(self, text: str, style: str = "italic") -> None:
        """Print sentences on standard output; a terminal wraps them at words."""
        self.out.print(text, style=style, highlight=False, markup=False, soft_wrap=not self.out.is_terminal)

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines on standard output; a line break inside a line, from a name, starts no new one."""
        for line in lines:
            _print_line(self.out, escaped(line))

    @contextmanager
    def progress(self) -> Iterator[ProgressCallback]:
        """Yield a progress callback for standard error: bars on a terminal, else a line per stage; nothing with -q.

        With ``-v`` a line says how long each stage took.
        """
        if self.verbosity < 0:
            yield silent
        elif self.err.is_terminal:
            with bars_on(self.err) as bars:
                drawn = Bars(bars)
                yield StageTimes(drawn, self.detail)
                drawn.finish()
        else:
            lines = Lines(functools.partial(self.err.print, highlight=False, markup=False, soft_wrap=True))
            yield StageTimes(lines, self.detail)


def _print_line(console: Console, line: str, style: str | None = None) -> None:
    """Print a line; a terminal wraps it at words, unless it has a command or a long path, which stay whole to copy."""
    long = any(len(word) > _LONG for word in line.split())
    whole = not console.is_terminal or long or any(mark in line for mark in _TO_COPY)
    console.print(line, style=style, highlight=False, markup=False, soft_wrap=whole)


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether a column has numbers and percentages alone; some may be missing."""
    given = [value for value in values if value is not None and value != ""]
    return bool(given) and all(isinstance(value, int | float) or _PERCENT.fullmatch(str(value)) for value in given)


_Register = Callable[[Callable[..., None]], Callable[..., None]]


def command(
    app: typer.Typer,
    name: str,
    *,
    example: str,
    graph: bool = False,
    packs: bool = False,
    results: bool = False,
    resumes: bool = False,
    resumes_without: str | None = None,
) -> _Register:
    """Register a function ``f(session, ...)`` as a command with the common options.

    A parameter that is annotated with a dataclass is replaced by options, one per field.

    Args:
        app: The application or group of commands.
        name: Name of the command.
        example: A call shown by ``--help``.
        graph: Whether the command has ``--graph``.
        packs: Whether the command has ``--trust-code``, because it reads template packs or runs.
        results: Whether the command has ``--json``.
        resumes: Whether the same command continues after an interruption.
        resumes_without: An option that it has to leave out then, e.g. ``"overwrite"``, with which it starts again.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        groups = {parameter.name: parameter.annotation for parameter in own if _is_group(parameter.annotation)}

        @functools.wraps(function)
        def wrapper(**kwargs: Any) -> None:
            session = _session(kwargs)
            for name, group in groups.items():
                kwargs[name] = group(**{each.name: kwargs.pop(each.name) for each in fields(group)})
            before = limits.current()
            try:
                limits.use(session.limits())
                function(session, **kwargs)
            except (KptoolError, KeyboardInterrupt, Exception) as error:
                if isinstance(error, typer.Exit | typer.Abort | typer.BadParameter):
                    raise
                if session.debug:
                    session.err.file.write(escaped(redacted(traceback.format_exc()), lines=True))
                fail(session.err, error, _after_interrupt(kwargs, resumes_without) if resumes else "")
            finally:
                limits.use(before)

        options = [option for parameter in own for option in _options(parameter)] + _common(graph, packs, results)
        wrapper.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {option.name: option.annotation for option in options}
        help_text = f"{inspect.getdoc(function)}\n\n\b\nExample:\n  {example}"
        app.command(name, help=help_text)(wrapper)
        return function

    return register


def _after_interrupt(kwargs: Mapping[str, Any], left_out: str | None) -> str:
    """What to do after an interruption of a command that resumes; it may have to leave an option out."""
    return "the same command continues from here" + (f", without --{left_out}" if left_out and kwargs[left_out] else "")


def fail(console: Console, error: BaseException, after_interrupt: str = "") -> NoReturn:
    """Print one line that says what is wrong, and exit.

    Args:
        console: Console on standard error.
        error: What ended the command.
        after_interrupt: What to do if it was Ctrl-C.

    Raises:
        typer.Exit: Always, with the exit code of the error.
    """
    if _interrupted(error):
        text = "; ".join(["interrupted", after_interrupt] if after_interrupt else ["interrupted"])
        console.print(text, style="yellow", highlight=False)
        raise typer.Exit(INTERRUPTED)
    if isinstance(error, KptoolError):
        text, code = str(error), error.exit_code
    elif isinstance(error, OSError) and error.filename is not None:
        text, code = f"{error.filename}: {error.strerror}", 1
    else:
        text, code = f"{type(error).__name__}: {error}; run again with --debug for the traceback", 1
    text = f"error: {shorten(redacted(text), 2000)}"
    console.print(text, style="bold red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused an error; the clean-up after it may have failed with another one."""
    seen = list[BaseException]()  # an error can be its own cause, over others too
    while error is not None and error not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _session(kwargs: dict[str, Any]) -> Session:
    overrides: dict[str, Any] = {}
    session = Session(kwargs.pop("config_file"), overrides, kwargs.pop("as_json", False))
    session.debug = kwargs.pop("debug")
    session.trust_all = kwargs.pop("trust_code", False)
    session.verbosity = 1 if kwargs.pop("verbose") else 0
    session.verbosity = -1 if kwargs.pop("quiet") else session.verbosity
    try:
        overrides.update(parse_assignment(text) for text in kwargs.pop("assignments") or [])
    except KptoolError as error:
        fail(session.err, error)
    if (uri := kwargs.pop("graph_uri", None)) is not None:
        overrides["graph.uri"] = uri
        session.graph_option = True
    return session


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameter itself, or the options of its dataclass."""
    if not _is_group(parameter.annotation):
        return [parameter]
    return list(inspect.signature(parameter.annotation, eval_str=True).parameters.values())


def _is_group(annotation: Any) -> bool:
    return is_dataclass(annotation)


def _common(graph: bool, packs: bool, results: bool) -> list[inspect.Parameter]:
    def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    options = [
        option(
            "config_file",
            Annotated[
                Path | None,
                typer.Option("--config", help="Settings file; default: kptool.toml.", rich_help_panel=COMMON),
            ],
            None,
        ),
        option(
            "assignments",
            Annotated[
                list[str] | None, typer.Option("--set", help="A setting: section.key=value.", rich_help_panel=COMMON)
            ],
            None,
        ),
        option(
            "verbose",
            Annotated[
                bool,
                typer.Option(
                    "--verbose",
                    "-v",
                    help="Say which settings are used and how long it took.",
                    rich_help_panel=COMMON,
                ),
            ],
            False,
        ),
        option(
            "quiet",
            Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.", rich_help_panel=COMMON)],
            False,
        ),
        option(
            "debug",
            Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=COMMON)],
            False,
        ),
    ]
    if graph:
        text = "The graph: embedded:PATH, neo4j://… or bolt://…"
        options.append(
            option("graph_uri", Annotated[str | None, typer.Option("--graph", help=text, rich_help_panel=COMMON)], None)
        )
    if packs:
        text = "Run the Python code that a pack or a run names; only for packs and runs of people you trust."
        options.append(
            option(
                "trust_code",
                Annotated[bool, typer.Option("--trust-code", help=text, rich_help_panel=COMMON)],
                False,
            )
        )
    if results:
        text = "Print the result as JSON."
        options.append(
            option("as_json", Annotated[bool, typer.Option("--json", help=text, rich_help_panel=COMMON)], False)
        )
    return options


def _jsonable(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
