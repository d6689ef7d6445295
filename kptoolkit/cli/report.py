"""``kptool report``: one HTML page about one or several runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.run_arguments import load_runs, open_graph_if_there
from kptoolkit.cli.session import Session, command


@command(app, "report", example="kptool report runs/first --output report.html", graph=True, packs=True, results=True)
def report(
    session: Session,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN…", help="Folders of finished runs, or a folder of `fit --seeds`; one page."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="HTML file; by default report.html in the run, or next to the first of several."),
    ] = None,
    users: Annotated[int, typer.Option("--users", min=0, help="Users with example recommendations.")] = 3,
    split: Annotated[Literal["test", "valid"], typer.Option("--split", help="Evaluation to show.")] = "test",
) -> None:
    """Write one self-contained HTML page: results, curves, weights, example reasons, and signs of failure."""
    from kptoolkit.report.write_report import output_path, write_report

    loaded = load_runs(session, runs, "graph")
    output_path(loaded, output)
    graph = open_graph_if_there(session, loaded[0]) if users else None
    try:
        with session.progress() as progress:
            written = write_report(loaded, output, split=split, users=users, graph=graph, progress=progress)
    finally:
        if graph is not None:
            graph.close()
    if session.json:
        session.emit(written.to_json())
        return
    for part, sentence in written.page.left_out.items():
        if part != "paths":  # open_graph_if_there has said it
            session.say(sentence)
    if missing := written.page.not_evaluated:
        session.say(f"not evaluated: {', '.join(missing)}")
    for row in written.page.signatures:
        if row.found_in:
            figures = ", ".join(finding.figure for finding in row.findings if finding.state == "found")
            session.say(f"{row.signature.name}: {figures}. {row.signature.advice}")
    session.say(f"report written to {written.path}")
