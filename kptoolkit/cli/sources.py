"""Options of the commands that read a knowledge graph from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kptoolkit.cli.session import Session
from kptoolkit.errors import shorten
from kptoolkit.names import quantity

if TYPE_CHECKING:
    from kptoolkit.graph import FileSource
    from kptoolkit.storage.text_tables import BadRows

SHOWN = 10
_RDF = "RDF"
AUTO, _ENGLISH = "auto", "en"
_LONGEST = 600
"""Letters of a line about a layout, which may contain headers of a file."""
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns", help="Header or number of columns by role: item=track_id,user=3.", metavar="ROLE=COLUMN,…"
    ),
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of tables, e.g. latin-1; UTF-8 and UTF-16 are found.")
]
DateFormatOption = Annotated[
    str | None, typer.Option("--date-format", help="Form of dates, e.g. %d.%m.%Y; ISO dates and numbers are found.")
]
SkipBadRowsOption = Annotated[
    bool | None,
    typer.Option("--skip-bad-rows", help="Leave out events without user, item or time, or that cannot be read."),
]
MappingOption = Annotated[
    Path | None, typer.Option("--mapping", help="TOML file that says which keys of JSON become triples.")
]
LinkIdsOption = Annotated[
    str | None,
    typer.Option(
        "--link-ids",
        help="Rewrite ids of entities in links: prefix=TEXT, without=TEXT, zeros, zeros=7, lower, upper; or find them "
        "in the triples whatever their case (fold) or form (freebase, wikidata).",
        metavar="RULE,…",
    ),
]
ItemIdsOption = Annotated[
    str | None,
    typer.Option("--item-ids", help="Rewrite ids of items in links and items likewise.", metavar="RULE,…"),
]
IdMapOption = Annotated[
    Path | None,
    typer.Option("--id-map", help="File with two columns: an id in links (or of an item), and its id in the graph."),
]


@dataclass(frozen=True)
class EventOptions:
    """How a file of events is read; the fields are settings of ``[data]``."""

    columns: ColumnsOption = None
    encoding: EncodingOption = None
    date_format: DateFormatOption = None
    skip_bad_rows: SkipBadRowsOption = None

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class SourceOptions:
    """Files and their formats; the fields are the arguments of :func:`kptoolkit.graph.open_source`."""

    paths: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE…", help="Folders in a layout that is known; tables; RDF of any format."),
    ]
    format: Annotated[
        Literal["recbole", "csv", "tsv", "ntriples", "turtle", "rdfxml", "n3", "trig", "nquads", "jsonld"] | None,
        typer.Option("--format", help="Format of the files; by default recognized."),
    ] = None
    link: Annotated[Path | None, typer.Option("--link", help="File that links items to entities.")] = None
    names: Annotated[Path | None, typer.Option("--names", help="File with the names of entities.")] = None
    items: Annotated[Path | None, typer.Option("--items", help="File that lists items and their titles.")] = None
    language: Annotated[
        str | None,
        typer.Option("--language", help="Preferred language of names; default: the pack's.", rich_help_panel=_RDF),
    ] = None
    literals: Annotated[
        Literal["drop", "entities"],
        typer.Option("--literals", help="What to do with literals that are not names.", rich_help_panel=_RDF),
    ] = "drop"
    columns: ColumnsOption = None
    encoding: EncodingOption = None
    date_format: DateFormatOption = None
    split: Annotated[
        str | None, typer.Option("--split", help="Separator of several values in the tail of a triple, e.g. '|'.")
    ] = None
    mapping: MappingOption = None
    link_ids: LinkIdsOption = None
    item_ids: ItemIdsOption = None
    id_map: IdMapOption = None
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", help="Relation whose triples are left out; may be repeated.", metavar="RELATION"),
    ] = None
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Skip rows that cannot be read; they are counted and listed.")
    ] = False

    def open(self, *, pack: str = AUTO, interactions: bool = False, min_rating: float | None = None) -> FileSource:
        """Open the source; other arguments and errors as in :func:`kptoolkit.graph.open_source`.

        Args:
            pack: Template pack whose language is that of names unless ``--language`` is given.
            interactions: Whether to read the events of a folder as well.
            min_rating: Lowest rating of events that are read; ``None`` reads all.
        """
        from kptoolkit.graph import open_source

        given = {**vars(self), "language": self.language or _language_of(pack)}
        return open_source(interactions=interactions, min_rating=min_rating, **given)


def _language_of(pack: str) -> str:
    """The language of a pack; none of its filters is run."""
    from kptoolkit.prompts.reading.pack_reader import read_parts
    from kptoolkit.prompts.reading.pack_sources import find_pack

    return _ENGLISH if pack == AUTO else read_parts(find_pack(pack), trust_code=False)[0].language


def say_recognized(session: Session, recognized: Sequence[str]) -> None:
    """Print the layouts that were recognized."""
    for line in recognized:
        session.say(f"recognized {shorten(line, _LONGEST)}")


def warn_of_bad_rows(session: Session, bad_rows: BadRows) -> None:
    """Print the first skipped rows, and count the others."""
    for row in bad_rows.rows[:SHOWN]:
        session.warn(f"skipped {row.path}, line {row.line}: {row.reason}")
    if bad_rows.count > SHOWN:
        session.warn(f"skipped {quantity(bad_rows.count - SHOWN, 'more rows')}; --json lists the first thousand")
