"""The ``kptool`` command: collects the commands of this package."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated

import typer

from kptoolkit import __version__
from kptoolkit.cli.command_group import CommandGroup

app = typer.Typer(
    name="kptool",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Modules that register commands, in the order of ``kptool --help``. None of them imports torch at module level.
COMMANDS: tuple[str, ...] = (
    "init",
    "demo",
    "load_kg",
    "export_csv",
    "graph",
    "render_prompts",
    "tree",
    "templates",
    "data",
    "fit",
    "evaluate",
    "recommend",
    "report",
    "study",
    "doctor",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kptool {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Turns a knowledge graph in Neo4j into prompts that train, run and explain a recommender.

    Options may be before or after the command. --install-completion makes the shell complete commands and options.
    """


for _name in COMMANDS:
    importlib.import_module(f"kptoolkit.cli.{_name}")


def main() -> None:
    """Run the command line; the exit codes are those of ``kptoolkit.errors``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
