"""``kptool fit`` and ``kptool compile``: train a run; fetch and render its knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kptoolkit.cli.app import app
from kptoolkit.cli.session import KEEPS, Session, command
from kptoolkit.cli.sources import ColumnsOption, DateFormatOption, EncodingOption, SkipBadRowsOption
from kptoolkit.config import GRAPH_DATA, Config, load_config
from kptoolkit.errors import InputError

Data = Annotated[Path | None, typer.Option("--data", help="Interactions: a folder, a file, or the word `graph:`.")]

Fresh = Annotated[bool, typer.Option("--fresh", help="Take nothing from a cache: fetch, render and tokenize again.")]

Engine = Literal["local", "ray"]

_LOOKED_AT = 300_000_000
"""Bytes of files of a graph up to which they are checked before a training."""


@command(
    app,
    "fit",
    example="kptool fit --data ./data --run runs/first",
    graph=True,
    packs=True,
    results=True,
    resumes=True,
    resumes_without="overwrite",
)
def fit(
    session: Session,
    data: Data = None,
    columns: ColumnsOption = None,
    encoding: EncodingOption = None,
    date_format: DateFormatOption = None,
    skip_bad_rows: SkipBadRowsOption = None,
    run: Annotated[Path | None, typer.Option("--run", help="Folder of the run.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Fail if there is no unfinished run; with --run, use the settings of the run."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run, or all runs, in the folder.")
    ] = False,
    fresh: Fresh = False,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help="Train this many runs that differ in training.seed, in RUN/seed-NUMBER."),
    ] = None,
) -> None:
    """Train a recommender. After an interruption, the same command resumes the training.

    The graph is always read; a training that is resumed keeps the knowledge that it began with.
    """
    from kptoolkit import distributed
    from kptoolkit.runs.run_folder import RunFolder

    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other: resume keeps a run, overwrite replaces it")
    if seeds is not None and resume:
        raise InputError("--seeds and --resume exclude each other: the same command with --seeds resumes its runs")
    trained = None
    if resume and run is not None and session.config_file is None and (file := RunFolder(run).config_file).is_file():
        session.config_file = file
        trained = load_config(file, environ={}).graph
    given: dict[str, Any] = {"data__dir": data, "data__columns": columns, "data__encoding": encoding}
    given |= {"data__date_format": date_format, "data__skip_bad_rows": skip_bad_rows}
    config = session.config(**given, run__dir=run)
    config = config.model_copy(update={"graph": session.graph(trained)})
    if distributed.is_first():
        _warn_of_data(session, config)
    how: dict[str, Any] = {"overwrite": overwrite, "fresh": fresh}
    if seeds is not None:
        _fit_seeds(session, config, seeds, how)
        return
    from kptoolkit import pipeline

    with session.progress() as progress:
        fitted = pipeline.fit(config, resume=resume, trust_code=session.trust_code, progress=progress, **how)
    if not distributed.is_first():
        return
    report = fitted.manifest.reports
    if session.json:
        session.emit({"run": str(fitted.folder), "seconds": fitted.manifest.seconds, **report})
        return
    session.table("Trained", ["figure", "value"], _figures(report), caption=fitted.notice)
    session.say(f"run: {fitted.folder}")
    session.say(f"next: kptool evaluate {fitted.folder}")


def _warn_of_data(session: Session, config: Config) -> None:
    """Print in one line what ``kptool data check`` would warn of; nothing with ``-q``."""
    from kptoolkit.data.checking.checks import check
    from kptoolkit.data.data_folder import DataFolder
    from kptoolkit.data.event_files import reading_of

    data = config.data.dir
    if session.verbosity < 0 or data is None or data == GRAPH_DATA or not data.exists():
        return
    try:
        folder = DataFolder.read(data, reading_of(config.data), most_bytes=_LOOKED_AT)
        findings = check(folder, config.prompts.pack, trust_code=session.trust_code)
    except InputError:
        return  # the training reports it, after what is wrong with its settings
    if found := [finding for finding in findings if finding.level == "warning"]:
        listed = "; ".join(f"{finding.what}: {finding.count:,}" for finding in found)
        session.warn(f"{listed}; `kptool data check {data}` says what follows from this")


def _fit_seeds(session: Session, config: Config, seeds: int, how: dict[str, Any]) -> None:
    """Train the runs of ``--seeds`` with further arguments, and print one row for each."""
    from kptoolkit import distributed
    from kptoolkit.studies import fit_seeds

    with session.progress() as progress:
        runs = fit_seeds(config, seeds=seeds, trust_code=session.trust_code, progress=progress, **how)
    if not distributed.is_first():
        return
    if session.json:
        entries = [
            {
                "run": str(run.folder),
                "seed": run.config.training.seed,
                "seconds": run.manifest.seconds,
                **run.manifest.reports,
            }
            for run in runs
        ]
        session.emit({"folder": str(config.run.dir), "runs": entries})
        return
    rows: list[list[Any]] = []
    for run in runs:
        training = run.manifest.reports["training"]
        best = training["best"].get("NDCG@10")
        rows.append([run.folder.name, _epochs(training), best, round(sum(run.manifest.seconds.values()))])
    columns = ["run", "epochs", "validation NDCG@10, backend alone", "seconds"]
    session.table(f"Trained in {config.run.dir}", columns, rows, caption=runs[0].notice)
    session.say(f"runs: {config.run.dir}")
    session.say(f"next: kptool evaluate {config.run.dir}")


@command(app, "compile", example="kptool compile --data ./data --engine ray", graph=True, packs=True, results=True)
def compile_(
    session: Session,
    run: Annotated[Path | None, typer.Argument(help="A finished run, with --refresh.")] = None,
    data: Data = None,
    columns: ColumnsOption = None,
    encoding: EncodingOption = None,
    date_format: DateFormatOption = None,
    skip_bad_rows: SkipBadRowsOption = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Add new facts and new items of the graph to RUN, without training.")
    ] = False,
    fresh: Fresh = False,
    engine: Annotated[
        Engine | None,
        typer.Option(
            "--engine",
            help=r"What renders and tokenizes 50,000 or more distinct prompts; ray needs kptoolkit\[ray].",
        ),
    ] = None,
) -> None:
    """Fetch the neighbourhoods of the catalogue, render the triplet prompts, and count the knowledge.

    `fit` does the same when it is needed. With RUN and --refresh, a finished run gets the knowledge.
    """
    if refresh != (run is not None):
        raise InputError("RUN and --refresh belong together: kptool compile runs/first --refresh")
    from kptoolkit.knowledge.prepare import knowledge_report, prepare

    if run is not None:
        _refuse_without_effect(
            session,
            {
                "data": data,
                "columns": columns,
                "encoding": encoding,
                "date-format": date_format,
                "skip-bad-rows": skip_bad_rows,
                "engine": engine,
            },
        )
        report = _refresh(session, run, fresh=fresh)
    else:
        given: dict[str, Any] = {"data__dir": data, "data__columns": columns, "data__encoding": encoding}
        given |= {"data__date_format": date_format, "data__skip_bad_rows": skip_bad_rows}
        config = session.config(**given, prompts__engine=engine)
        config = config.model_copy(update={"graph": session.graph()})
        with session.progress() as progress:
            prepared = prepare(config, fresh=fresh, trust_code=session.trust_code, progress=progress)
            report = knowledge_report(prepared.knowledge, prepared.interactions.n_items)
            prepared.knowledge.render()
        report |= {"cache": str(config.graph.cache)}
    if session.json:
        session.emit(report)
    else:
        session.table(
            "Knowledge", ["figure", "value"], [[key.replace("_", " "), value] for key, value in report.items()]
        )


def _refuse_without_effect(session: Session, options: Mapping[str, object]) -> None:
    """Check that a call with ``--refresh`` gives nothing that the run has decided already."""
    for option, value in options.items():
        if value is not None:
            raise InputError(f"--{option}: {KEEPS}")
    session.allow_only("graph")


def _refresh(session: Session, folder: Path, *, fresh: bool) -> dict[str, Any]:
    from kptoolkit import pipeline
    from kptoolkit.runs.run import Run

    run = Run.load(folder, trust_code=session.trust_code)
    graph = session.graph(run.config.graph)
    with session.progress() as progress:
        refreshed = pipeline.refresh(run, graph, fresh=fresh, progress=progress)
    reports = refreshed.manifest.reports
    if removed := reports["refreshed"]["removed"]:
        session.say(f"removed, since it belongs to the earlier knowledge: {', '.join(removed)}; evaluate again")
    return {**reports["knowledge"], "new_items": reports["refreshed"]["new_items"]}


def _epochs(training: dict[str, Any]) -> str:
    """The epochs that were trained, and the one whose weights were kept."""
    best = training.get("best_epoch")
    return f"{training['epochs']:g}" + (f", best {best:g}" if best else "")


def _figures(report: dict[str, Any]) -> list[list[Any]]:
    data, knowledge, training = report["data"], report["knowledge"], report["training"]
    rows: list[list[Any]] = [
        ["users with training events", data["train_users"]],
        ["training events", data["train_events"]],
        ["items", knowledge["items"]],
        ["items with triples", knowledge["items_with_triples"]],
        ["triples per item", f"{knowledge['triples_per_item']:.2f}"],
        ["template pack", knowledge["pack"]],
    ]
    named = {
        "parameters": "parameters",
        "tokens_per_prompt": "tokens per prompt",
        "training_seconds": f"training seconds{', since it was resumed' if report.get('resumed') else ''}",
    }
    rows += [[name, round(training[key])] for key, name in named.items() if key in training]
    rows += [["padding", f"{training['padding']:.0%}"]] if "padding" in training else []
    rows.append(["epochs", _epochs(training)])
    rows += [[f"validation {name}, backend alone", value] for name, value in training["best"].items() if "@10" in name]
    weights = report["parts"]["weights"]
    return rows + [[f"weight: {part}", f"{weight:.2f}"] for part, weight in weights.items() if weight]
