"""``kptool evaluate``: full ranking beside baselines and controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.evaluation_output import show
from kptoolkit.cli.session import Session, command


@command(app, "evaluate", example="kptool evaluate runs/first --controls", results=True)
def evaluate(
    session: Session,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of finished runs.")],
    split: Annotated[Literal["test", "valid"], typer.Option("--split", help="Which cases.")] = "test",
    controls: Annotated[bool, typer.Option("--controls", help="Train and rank the controls too.")] = False,
    beam: Annotated[bool, typer.Option("--beam", help="Rank by beam search too; gives no MRR.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Measure whether the triplets named for a recommendation carry it.")
    ] = False,
) -> None:
    """Rank the full catalogue for every case, beside popularity and item-kNN, with intervals and paired tests."""
    from kptoolkit import distributed, pipeline
    from kptoolkit.evaluation.controls import CONTROLS
    from kptoolkit.runs.run import Run

    chosen = tuple(CONTROLS) if controls else ()
    loaded_runs = [Run.load(folder, session.evaluation()) for folder in runs]
    for loaded in loaded_runs:
        pipeline.check_abilities(loaded, beam=beam, explain=explain)
    results = []
    for loaded in loaded_runs:
        with session.progress() as progress:
            result = pipeline.evaluate(
                loaded, split=split, controls=chosen, beam=beam, explain=explain, progress=progress
            )
            results.append(result)
    if not distributed.is_first():
        return
    if session.json:
        session.emit([result.to_json() for result in results])
        return
    for folder, result in zip(runs, results, strict=True):
        show(session, str(folder), result)
