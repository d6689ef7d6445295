"""``kptool data``: the contents of a data folder, and its suspicious parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.command_group import CommandGroup
from kptoolkit.cli.session import Session, command
from kptoolkit.cli.sources import (
    ColumnsOption,
    DateFormatOption,
    EncodingOption,
    IdMapOption,
    ItemIdsOption,
    LinkIdsOption,
    MappingOption,
    SkipBadRowsOption,
    say_recognized,
)
from kptoolkit.config import GRAPH_DATA
from kptoolkit.errors import InputError

if TYPE_CHECKING:
    from kptoolkit.data.checking.finding import Finding
    from kptoolkit.data.data_folder import DataFolder

data_app = typer.Typer(
    cls=CommandGroup, help="Look at a data folder: counts, and suspicious parts.", no_args_is_help=True
)
app.add_typer(data_app, name="data")

_Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="A folder with the data, its interactions file, or the word `graph:`."),
]


@command(data_app, "check", example="kptool data check examples/demo", graph=True, packs=True, results=True)
def check_data(
    session: Session,
    path: _Folder,
    columns: ColumnsOption = None,
    encoding: EncodingOption = None,
    date_format: DateFormatOption = None,
    skip_bad_rows: SkipBadRowsOption = None,
    link_ids: LinkIdsOption = None,
    item_ids: ItemIdsOption = None,
    id_map: IdMapOption = None,
    mapping: MappingOption = None,
) -> None:
    """Check data for what misleads a model or a measurement, such as equal times, missing links, repeated relations.

    The exit code is 2 if something is an error.
    """
    from kptoolkit.data.checking.checks import check

    pack = session.config().prompts.pack
    graph = {"link_ids": link_ids, "item_ids": item_ids, "id_map": id_map, "mapping": mapping}
    flags: dict[str, Any] = {"data__columns": columns, "data__encoding": encoding, "data__date_format": date_format}
    flags["data__skip_bad_rows"] = skip_bad_rows
    data = _in_graph(session, with_triples=True) if path == GRAPH_DATA else _in_files(session, path, graph, **flags)
    findings = check(data, pack, trust_code=session.trust_code)
    session.say_notice(path)
    if session.json:
        session.emit([finding.to_json() for finding in findings])
    elif not findings:
        session.say(f"{path}: nothing suspicious")
    else:
        session.table(str(path), ["level", "what", "count", "share", "advice"], [_row(finding) for finding in findings])
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(InputError.exit_code)


@command(data_app, "stats", example="kptool data stats examples/demo", graph=True, results=True)
def show_stats(
    session: Session,
    path: _Folder,
    columns: ColumnsOption = None,
    encoding: EncodingOption = None,
    date_format: DateFormatOption = None,
    skip_bad_rows: SkipBadRowsOption = None,
) -> None:
    """Count users, items, events and triples, and show how they are distributed over users and items."""
    from kptoolkit.data.checking.checks import stats

    flags: dict[str, Any] = {"data__columns": columns, "data__encoding": encoding, "data__date_format": date_format}
    flags["data__skip_bad_rows"] = skip_bad_rows
    in_graph = path == GRAPH_DATA
    values = stats(_in_graph(session, with_triples=False) if in_graph else _in_files(session, path, {}, **flags))
    session.say_notice(path)
    if session.json:
        session.emit(values)
        return
    session.table(str(path), ["what", "value"], [[name, value] for name, value in values.items()])


def _in_files(session: Session, path: Path, graph: Mapping[str, Any], **flags: Any) -> DataFolder:
    """Read a folder or file, and print the layouts that are not the usual ones."""
    from kptoolkit.data.data_folder import DataFolder
    from kptoolkit.data.event_files import reading_of

    reading = reading_of(session.config(**flags).data)
    folder = DataFolder.read(path, reading, **graph)
    if folder.report is not None and folder.report.layout:
        say_recognized(session, [f"{folder.report.layout} ({folder.report.path})"])
    elif folder.report is None and folder.source is not None:
        say_recognized(session, folder.source.recognized)
    return folder


def _in_graph(session: Session, *, with_triples: bool) -> DataFolder:
    """Read the interactions and items of the graph, and its triples."""
    from kptoolkit.data.data_folder import DataFolder
    from kptoolkit.graph import Graph

    with Graph.open(config=session.graph(), create=False) as graph:
        return DataFolder.of_graph(graph, with_triples=with_triples)


def _row(finding: Finding) -> list[Any]:
    share = "" if finding.share is None else f"{finding.share:.1%}"
    examples = f"; e.g. {', '.join(finding.examples)}" if finding.examples else ""
    return [finding.level, finding.what + examples, finding.count, share, finding.advice]
