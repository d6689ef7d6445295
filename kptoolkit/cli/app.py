"""The ``kptool`` command: collects the commands of this package."""

from __future__ import annotations

import importlib
import sys

import typer

app = typer.Typer(
    name="kptool",
    help="Turns a knowledge graph in Neo4j into prompts that train, run and explain a recommender.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)

#: Modules that register commands, in the order of ``kptool --help``. None of them imports torch at the top.
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
    "doctor",
)

for _name in COMMANDS:
    importlib.import_module(f"kptoolkit.cli.{_name}")


def main() -> None:
    """Run the command line; end with the exit codes of ``kptoolkit.errors``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
