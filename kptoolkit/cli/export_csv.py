"""``kptool export-csv``: files for the bulk import of a Neo4j server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.cli.sources import SourceOptions, say_recognized, warn_of_bad_rows

if TYPE_CHECKING:
    from kptoolkit.graph.loading.export import Export


@command(app, "export-csv", example="kptool export-csv dump.nt.gz --output import --database neo4j", results=True)
def export_csv(
    session: Session,
    options: SourceOptions,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")] = Path("import"),
    database: Annotated[str | None, typer.Option("--database", help="Database to import into.")] = None,
) -> None:
    """Write CSV files for `neo4j-admin database import full`, and print the command to run.

    The import is many times as fast as load-kg, for millions of triples. It fills a new database of a stopped server.
    """
    from kptoolkit.graph.loading import export as exporting
    from kptoolkit.graph.loading.link_check import check_links, require_links, value_warnings
    from kptoolkit.graph.loading.survey import survey

    config = session.config()
    source = options.open(pack=config.prompts.pack)
    say_recognized(session, source.recognized)
    database = database or config.graph.database or "neo4j"
    with session.progress() as progress:
        found = survey(source, progress)
        require_links(links := check_links(found), source.label)
        made = exporting.export_csv(found, output, database=database, progress=progress)
    warn_of_bad_rows(session, source.bad_rows)
    for warning in links.warnings() + value_warnings(found) + source.warnings():
        session.warn(warning)
    if session.json:
        session.emit(
            {**made.to_json(), "bad_rows": source.bad_rows.count, "literals_left_out": source.literals_left_out}
        )
    else:
        _show(session, made)


def _show(session: Session, made: Export) -> None:
    rows = [[name, count] for name, count in made.files.items()]
    session.table(f"written to {made.folder}", ["file", "rows"], rows)
    lines = [
        "import it where the server's files are, with the server stopped:",
        f"  {made.command}",
        "start the server, then:",
        f"  {made.schema_command}",
    ]
    session.lines(lines)
