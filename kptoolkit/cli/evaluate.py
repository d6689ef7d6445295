"""``kptool evaluate``: full ranking, with baselines and controls; several runs in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.evaluation_output import show_evaluation, show_groups, show_several
from kptoolkit.cli.run_arguments import load_runs, warn_of_evaluation
from kptoolkit.cli.session import Session, command
from kptoolkit.errors import InputError
from kptoolkit.names import LIKELY, nearest, quantity

if TYPE_CHECKING:
    from kptoolkit.evaluation.several import SeveralEvaluation
    from kptoolkit.evaluation.table import Evaluation


@command(app, "evaluate", example="kptool evaluate runs/first --controls", packs=True, results=True)
def evaluate(
    session: Session,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN…", help="Folders of finished runs, or a folder of `fit --seeds`; one table."),
    ],
    split: Annotated[Literal["test", "valid"], typer.Option("--split", help="Cases to rank.")] = "test",
    controls: Annotated[
        bool, typer.Option("--controls", help="Retrain and rank two controls too: no-knowledge, shuffled-knowledge.")
    ] = False,
    control: Annotated[
        list[str] | None,
        typer.Option(
            "--control",
            metavar="NAME",
            help="Retrain and rank a control too; repeatable. no-knowledge, shuffled-knowledge, random-sentences, "
            "knowledge-only, mask-off, one-hop, or all of them: all.",
        ),
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="Rank tuned sequential rules, EASE, content, SASRec and the best blend too."),
    ] = False,
    beam: Annotated[bool, typer.Option("--beam", help="Rank by beam search too; there is no MRR for it.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Measure whether scores depend on the triplets named for them.")
    ] = False,
    groups: Annotated[
        bool, typer.Option("--groups", help="Show gains by popularity of the target, history and triples too.")
    ] = False,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Rank by the mean of the scores of all runs too, as the last row.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="JSON file for the table of several runs; by default next to the first run."),
    ] = None,
) -> None:
    """Rank the full catalogue for every case; compare with popularity and item-kNN by intervals and paired tests."""
    from kptoolkit import distributed

    if distributed.is_first():
        session.say(f"evaluating {', '.join(map(str, runs))} on the {split} cases")
    from kptoolkit import pipeline
    from kptoolkit.evaluation.baselines import BASELINES
    from kptoolkit.evaluation.controls import STANDARD

    names = [*(STANDARD if controls else ()), *(control or ())]
    if names:
        _refuse_names_as_runs(runs)
    loaded = load_runs(session, runs, "evaluation")
    if len(loaded) == 1 and (ensemble or output is not None):
        raise InputError("--ensemble and --output need several runs; give more, or a folder of `kptool fit --seeds`")
    if distributed.is_first():
        warn_of_evaluation(session, loaded[0])
    if names and distributed.is_first():
        _warn_of_knowledge(session, loaded[0].manifest.reports.get("knowledge", {}))
    options: dict[str, Any] = {
        "split": split,
        "controls": names,
        "baselines": BASELINES if baselines else (),
        "beam": beam,
        "explain": explain,
    }
    with session.progress() as progress:
        if len(loaded) == 1:
            result: Evaluation | SeveralEvaluation = pipeline.evaluate(loaded[0], **options, progress=progress)
        else:
            from kptoolkit.studies import evaluate_runs

            result = evaluate_runs(loaded, **options, ensemble=ensemble, output=output, progress=progress)
    if distributed.is_first():
        title = str(loaded[0].folder) if len(loaded) == 1 else ", ".join(map(str, runs))
        _show(session, title, result, groups=groups)


def _show(session: Session, title: str, result: Evaluation | SeveralEvaluation, *, groups: bool) -> None:
    """Print the results as a table, or as JSON."""
    from kptoolkit.evaluation.table import Evaluation

    if session.json:
        session.emit([result.to_json()])
        return
    if isinstance(result, Evaluation):
        show_evaluation(session, title, result)
    else:
        show_several(session, title, result)
    if groups:
        show_groups(session, result)


def _warn_of_knowledge(session: Session, known: Mapping[str, Any]) -> None:
    """Print that most items have no triples, so that controls differ little from the run."""
    items, with_triples = known.get("items_with_events", 0), known.get("items_with_events_and_triples", 0)
    if with_triples < 0.5 * items:
        said = f"only {with_triples:,} of {quantity(items, 'items')} with events have triples"
        session.warn(f"{said}; controls differ from the run by these only; kptool fit says why when it starts")


def _refuse_names_as_runs(runs: list[Path]) -> None:
    """Refuse a RUN that does not exist and is probably the name of a control: ``--controls`` takes no value."""
    from kptoolkit.evaluation.controls import ALL, CONTROLS

    for run in runs:
        meant = nearest(str(run), [*CONTROLS, ALL], 1, min_score=LIKELY)
        if meant and not run.exists():
            raise InputError(
                f"there is no run {run}; --controls takes no name. To name a control: --control {meant[0]}"
            )
