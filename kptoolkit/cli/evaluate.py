"""``kptool evaluate``: full ranking, with baselines and controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.evaluation_output import show_evaluation
from kptoolkit.cli.session import Session, command


@command(app, "evaluate", example="kptool evaluate runs/first --controls", results=True)
def evaluate(
    session: Session,
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of finished runs.")],
    split: Annotated[Literal["test", "valid"], typer.Option("--split", help="Cases to rank.")] = "test",
    controls: Annotated[bool, typer.Option("--controls", help="Retrain and rank the controls too.")] = False,
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="Rank tuned sequential rules, EASE, content and the best blend of two too."),
    ] = False,
    beam: Annotated[bool, typer.Option("--beam", help="Rank by beam search too; there is no MRR for it.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Measure whether scores depend on the triplets named for them.")
    ] = False,
) -> None:
    """Rank the full catalogue for every case; compare with popularity and item-kNN by intervals and paired tests."""
    from kptoolkit import distributed, pipeline
    from kptoolkit.evaluation.baselines import BASELINES
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
                loaded,
                split=split,
                controls=chosen,
                baselines=BASELINES if baselines else (),
                beam=beam,
                explain=explain,
                progress=progress,
            )
            results.append(result)
    if not distributed.is_first():
        return
    if session.json:
        session.emit([result.to_json() for result in results])
        return
    for folder, result in zip(runs, results, strict=True):
        show_evaluation(session, str(folder), result)
