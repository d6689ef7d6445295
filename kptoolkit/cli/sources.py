"""Options that name what is to be read, shared by the commands that read a source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kptoolkit.cli.session import Session

if TYPE_CHECKING:
    from kptoolkit.graph.tables import BadRows

SHOWN = 10
_RDF = "RDF"

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE…", help="RecBole folders; .kg, CSV, TSV, N-Triples (.nt), Turtle (.ttl) files."),
]
FormatOption = Annotated[
    Literal["recbole", "csv", "tsv", "ntriples", "turtle"] | None,
    typer.Option("--format", help="Format of the files; by default their names say it."),
]
LinkOption = Annotated[Path | None, typer.Option("--link", help="File that links items to entities.")]
NamesOption = Annotated[Path | None, typer.Option("--names", help="File with the names of entities.")]
ItemsOption = Annotated[Path | None, typer.Option("--items", help="File that lists items and their titles.")]
LanguageOption = Annotated[
    str, typer.Option("--language", help="Names in this language go before others, e.g. de.", rich_help_panel=_RDF)
]
LiteralsOption = Annotated[
    Literal["drop", "entities"],
    typer.Option("--literals", help="Literals that are no names: left out, or entities.", rich_help_panel=_RDF),
]
SkipBadRows = Annotated[bool, typer.Option("--skip-bad-rows", help="Skip, count and list rows that cannot be read.")]


def warn_of_bad_rows(session: Session, bad_rows: BadRows) -> None:
    """Name the first skipped rows and count the others."""
    for row in bad_rows.rows[:SHOWN]:
        session.warn(f"skipped {row.path}, line {row.line}: {row.reason}")
    if bad_rows.count > SHOWN:
        session.warn(f"skipped {bad_rows.count - SHOWN:,} more rows; --json lists the first thousand")
