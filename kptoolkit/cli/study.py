"""``kptool study``: train the grid of a study, and say what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session, command
from kptoolkit.errors import InputError
from kptoolkit.resources import demo_data_dir

if TYPE_CHECKING:
    from kptoolkit.config import Config


@command(app, "study", example="kptool study hops --quick", graph=True, packs=True, results=True)
def study(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The study; without a name, all are listed.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Interactions, as for `fit`; with --quick the bundled set is the default."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small models and one seed: a look, no evidence.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Models of the size of the paper's, for a GPU.")] = False,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Trainings per arm: 1 quick, 2, or 3 full.")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option("--backend", help="Only this backend of the study; repeat for several.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder to write into; by default studies/NAME.")
    ] = None,
    drop_runs: Annotated[
        bool, typer.Option("--drop-runs", help="Remove each run when it is ranked; its results stay.")
    ] = False,
) -> None:
    """Train the grid of a study and compare its arms. After an interruption, the same command resumes.

    It writes a page with table and plots, and the raw results with the manifests of all trainings.
    """
    from kptoolkit.studies.engine.find_study import find_study, study_names

    if name is None:
        rows = [[each, find_study(each).question] for each in study_names()]
        if session.json:
            session.emit([{"name": each, "question": question} for each, question in rows])
        else:
            session.table("Studies", ["name", "question"], rows)
        return
    if quick and full:
        raise InputError("--quick and --full exclude each other")
    found = find_study(name).of_backends(backend or ())
    folder = output or Path("studies") / name.replace(":", "-")
    config = _config(session, data, folder, quick=quick)
    from kptoolkit.studies.engine.run_study import run_study
    from kptoolkit.studies.engine.study_page import PAGE, findings, way_rows

    how: dict[str, Any] = {"mode": "quick" if quick else "full" if full else "standard", "seeds": seeds}
    with session.progress() as progress:
        result = run_study(
            found,
            config,
            output=folder,
            keep_runs=not drop_runs,
            trust_code=session.trust_code,
            progress=progress,
            **how,
        )
    if session.json:
        session.emit([result.to_json()])
        return
    session.say(found.question)
    for way in result.ways:
        header, cells = way_rows(result, way)
        session.table(f"Ranked {way}", header, [list(row) for row in cells], caption=result.trained[0].notice)
    session.lines(findings(result).splitlines())
    session.say(f"page with table and plots: {folder / PAGE}")


def _config(session: Session, data: Path | None, folder: Path, *, quick: bool) -> Config:
    """The settings of the data; the bundled set is loaded into a graph of its own."""
    from kptoolkit.graph import Graph, open_source

    config = session.config(data__dir=data)
    if data is not None or config.data.dir is not None:
        return config
    if not quick:
        raise InputError("no interactions: give --data DIR, or --quick for the bundled set")
    for key in ("graph.uri", "prompts.pack"):
        if key in session.overrides:
            given = "--graph" if key == "graph.uri" and session.graph_option else f"--set {key}"
            raise InputError(f"{given}: the bundled set has a graph and a pack of its own; give --data DIR too")
    bundled = demo_data_dir()
    config = session.config(data__dir=bundled, graph__uri=f"embedded:{folder / 'kg'}", prompts__pack="books")
    with session.progress() as progress, Graph.open(config=config.graph) as graph:
        graph.load(open_source([bundled]), progress=progress)
    return config
