"""The whole run, one function per stage: prepare, train, evaluate, train controls."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit import distributed, metrics
from kptoolkit.arguments import Moment, checked
from kptoolkit.config import Config, load_config, validate
from kptoolkit.data.histories import Cases
from kptoolkit.evaluation.baselines import TuningTask, check_names, tuned_baselines
from kptoolkit.evaluation.controls import Control, applicable, unchanged, without_knowledge
from kptoolkit.evaluation.controls import named as named_control
from kptoolkit.evaluation.groups import Group, groupings, groups
from kptoolkit.evaluation.ranking import Ranking, ranks_by_case
from kptoolkit.evaluation.ranking import evaluate as rank_cases
from kptoolkit.evaluation.several import mean_values
from kptoolkit.evaluation.table import (
    ALONE,
    BEAM_SEARCH,
    HELD_OUT,
    RELIANCE,
    TEXT_ONLY,
    Evaluation,
    has_ndcg,
    notes_of,
    protocol_line,
    rows_of,
)
from kptoolkit.explain.faithfulness import with_faithfulness
from kptoolkit.explain.triplet_drops import check_abilities
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prepare import Prepared, as_read, data_dir, input_reports, prepare
from kptoolkit.models import Backend, FitTask, ReadsKnowledge, backend_class, options_class
from kptoolkit.models.backend import beam_search_of
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.text.text_vectors import check_encoder
from kptoolkit.names import SplitName
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback, ProgressEvent, moment, silent, with_prefix
from kptoolkit.prompts import TemplatePack
from kptoolkit.resources import Trust, agreed
from kptoolkit.runs.ensemble import require_single
from kptoolkit.runs.frame_inputs import KEPT, keep_frames
from kptoolkit.runs.manifest import Manifest
from kptoolkit.runs.refresh_run import refresh as refresh
from kptoolkit.runs.run import Run as Run
from kptoolkit.runs.run_folder import RunFolder, Start
from kptoolkit.runs.run_inputs import inputs_of, inputs_to_resume
from kptoolkit.runs.run_settings import plain_settings
from kptoolkit.runs.several_runs import require_own_interactions
from kptoolkit.runs.start_from_run import start_from_run
from kptoolkit.storage.layouts.frames import DataFrame


@checked
def fit(
    config: Config | str | Path | None = None,
    *,
    interactions: DataFrame | None = None,
    triples: DataFrame | None = None,
    items: DataFrame | None = None,
    names: DataFrame | None = None,
    links: DataFrame | None = None,
    notice: str = "",
    keep: str | Path = KEPT,
    run: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    fresh: bool = False,
    since: Moment = math.inf,
    pack: TemplatePack | None = None,
    change: Callable[[Prepared], Prepared] = as_read,
    trust_code: Trust = False,
    progress: ProgressCallback = shown,
) -> Run:
    """Train a recommender on a graph and on interactions, and write a run.

    The graph is always read. If the folder contains an interrupted run of the same settings, its training is resumed
    with the knowledge of its beginning.

    Under ``torchrun`` every process calls this: they train one model together; the first process reads the graph and
    writes the run, and every process must see the folder.

    Interactions and triples are files and a graph that the settings name, or DataFrames of pandas, polars or pyarrow.
    Columns of DataFrames are found by the names that files have; without ``names``, ids that are words are names;
    without ``links``, an item is linked to the entity of the same id. DataFrames are kept as Parquet files, and their
    triples as an embedded graph, which ``resume``, :func:`refresh` and paths of explanations need.

    Args:
        config: Settings, or a TOML file with settings; ``None`` reads ``kptool.toml`` if there is one.
        interactions: Users, items and times, instead of ``[data] dir``.
        triples: Heads, relations and tails, instead of ``[graph]``.
        items: Items and titles; needs ``interactions``.
        names: Entities and names; needs ``triples``.
        links: Items and entities; needs ``triples``.
        notice: A line that every output of the run repeats, as that of a file ``NOTICE``; needs ``interactions``.
        keep: Folder in which DataFrames and their graph are kept; the same tables are kept, and loaded, once.
        run: Folder of the run; ``[run] dir`` if ``None``.
        resume: Raise an error if there is no unfinished run. One that left no checkpoint starts again.
        overwrite: Replace the run that the folder contains; not with ``resume``.
        fresh: Read nothing that earlier commands cached; a training is resumed only if the graph gives the same.
        since: Use cached neighbourhoods that were fetched at this time, in seconds since the epoch, or later.
        pack: Template pack made in Python, instead of ``[prompts] pack``.
        change: Applied to the inputs before the run is written, such as to leave out a part of the triples.
        trust_code: Whether to run the filters that ``[prompts] pack`` names, see :meth:`TemplatePack.load`. A backend
            and a ranking that the settings name are run: the settings are yours.
        progress: Progress callback.

    Raises:
        RunError: The folder contains a finished run, or an unfinished one of other settings or inputs.
        LockedError: Another command is writing into the folder.
        ConfigError: A setting is unknown or has a bad value.
        InputError: A DataFrame lacks another one that it needs, or both ``resume`` and ``overwrite`` are given.
        DataError: The interactions cannot be read or split, or no item is linked to the graph.
        GraphError: The graph cannot be reached.
        TrainingError: Training failed.

    Example:
        >>> run = fit("kptool.toml", run="runs/first")  # doctest: +SKIP
        >>> run = fit(interactions=events, triples=facts, run="runs/second")  # doctest: +SKIP
        >>> run.recommend(items=["Toy Story"], k=10)  # doctest: +SKIP
    """
    settings = config if isinstance(config, Config) else load_config(config)
    given = {"interactions": interactions, "items": items, "triples": triples, "names": names, "links": links}
    frames = keep_frames(settings, given, Path(keep), notice)
    settings = frames.config
    folder = RunFolder(run or settings.run.dir)
    start = folder.begin(settings, resume=resume, overwrite=overwrite)
    data_dir(settings)
    backend = new_backend(settings)
    check_encoder(settings.parts)
    if not start.resumed:
        start_from_run(backend, settings, trust_code=trust_code)
    distributed.wait()  # every process has looked at the folder before the first process writes into it
    trusted = agreed(trust_code, plain_settings(settings), pack=pack is not None)
    if not distributed.is_first():
        return _fit_with_others(backend, settings, folder, resume=start.resumed, trusted=trusted)
    with folder.writing():
        start = folder.begin(settings, resume=resume, overwrite=overwrite)  # nobody else can change it from here on
        manifest = start.manifest
        if start.resumed:
            manifest.reports["resumed"] = int(manifest.reports.get("resumed", 0)) + 1
        if start.again:
            progress(ProgressEvent("train", 0, note="the unfinished run left no checkpoint; it starts again"))
        with _timed(manifest, "prepare"):
            if start.resumed and not fresh:
                begun = Run(folder.path, manifest, trust_code=trusted)
                prepared = inputs_to_resume(begun, settings, pack, progress, changed=change is not as_read)
            else:
                how: dict[str, Any] = {"since": math.inf if fresh else since, "fresh": fresh, "progress": progress}
                with frames.errors(), frames.opened(progress) as graph:
                    prepared = change(prepare(settings, pack=pack, graph=graph, trust_code=trust_code, **how))
                prepared.split.require(backend.min_training_events)
                _write_inputs(prepared, folder, start, overwrite=overwrite)
        distributed.wait()
        task = fit_task(prepared, folder, resume=start.resumed, progress=progress)
        _train_and_write(backend, task, folder, manifest)
    return Run(folder.path, manifest, trust_code=trusted)


def _write_inputs(prepared: Prepared, folder: RunFolder, start: Start, *, overwrite: bool) -> None:
    """Write the inputs of a training, or check that they are those of the interrupted one."""
    manifest = start.manifest
    if start.resumed:
        folder.resume_inputs(prepared, manifest)
    else:
        manifest.reports |= input_reports(prepared) | {"fetched": moment(time.time())}
        folder.write_inputs(prepared, manifest, overwrite=overwrite)


def _fit_with_others(backend: Backend, settings: Config, folder: RunFolder, *, resume: bool, trusted: Trust) -> Run:
    """Do what every process except the first does in :func:`fit`: read the inputs of the run, and train."""
    distributed.wait()
    run = Run(folder.path, folder.read_manifest(), trust_code=trusted)
    _train_and_write(backend, fit_task(inputs_of(run, settings), folder, resume=resume), folder, run.manifest)
    return Run(folder.path, folder.read_manifest(), trust_code=trusted)


def _train_and_write(backend: Backend, task: FitTask, folder: RunFolder, manifest: Manifest) -> None:
    """Train a backend in all processes; the first process then fits the score parts and writes everything."""
    with _timed(manifest, "fit"):
        result = backend.fit(task)
    if distributed.is_first():
        with _timed(manifest, "parts"):
            parts = fit_parts(task, backend.score)
        folder.write_outputs(Recommender(backend, parts), result, manifest)
    distributed.wait()


def new_backend(settings: Config) -> Backend:
    """Create the untrained backend that the settings name."""
    kind = backend_class(settings.model.backend)
    backend: Backend = kind(validate(options_class(kind), settings.model.options, "model"))
    return backend


def fit_task(
    prepared: Prepared,
    folder: RunFolder,
    *,
    change: Callable[[ItemTrees], ItemTrees] = unchanged,
    resume: bool = False,
    progress: ProgressCallback = silent,
) -> FitTask:
    """Create the task of a training on prepared data.

    Args:
        prepared: The inputs.
        folder: Gets checkpoints and logs.
        change: Applied to the item trees: the identity, or the change of a control.
        resume: Whether to resume from the checkpoints in ``folder``.
        progress: Progress callback.
    """
    settings = prepared.config.evaluation

    def validate_with(score: Callable[[Cases], NDArray[np.float32]]) -> dict[str, float]:
        cases, items = prepared.split.valid, len(prepared.catalogue)
        ranking = rank_cases(score, cases, items, batch_size=settings.batch_size, shared=True)
        return metrics.summary(ranking.ranks, settings.ks if 10 in settings.ks else (*settings.ks, 10))

    return FitTask(
        config=prepared.config,
        catalogue=prepared.catalogue,
        split=prepared.split,
        user_ids=prepared.interactions.user_ids,
        knowledge=prepared.knowledge,
        knowledge_change=change,
        checkpoints=folder.checkpoints,
        logs=folder.logs,
        validate=validate_with,
        resume=resume,
        progress=progress,
    )


@checked
def load(folder: str | Path, *, trust_code: Trust = False) -> Run:
    """Open a finished run; see :meth:`kptoolkit.runs.run.Run.load`."""
    return Run.load(folder, trust_code=trust_code)


# -- controls ---------------------------------------------------------------------------------------------------------


@checked
def control(run: Run, name: str, *, progress: ProgressCallback = shown) -> Recommender:
    """Retrain a run as a control, with the run's settings, budget and seeds, and fit its own score parts.

    A control that was trained on the same inputs is only read.

    Args:
        run: A finished run.
        name: A key of :data:`kptoolkit.evaluation.controls.CONTROLS`.
        progress: Progress callback.

    Raises:
        InputError: The run is an ensemble, or has other interactions than its own.
        RunError: Neither backend nor score parts read knowledge, or the control would equal the run.
        UnknownNameError: No control has this name.
    """
    require_single(run, "training a control")
    require_own_interactions(run)
    chosen = named_control(name)
    settings, folder = chosen.settings(run.config), run.files.control(name)
    earlier = folder.read_manifest() if folder.is_finished else None
    distributed.wait()  # every process has looked at the folder before the first process writes into it
    if earlier is not None and earlier.other_input(run.manifest.fingerprints) is None:
        folder.verify(earlier)
    else:
        _train_control(run, chosen, settings, with_prefix(chosen.name, progress))
    return folder.recommender(settings)


def _train_control(run: Run, chosen: Control, settings: Config, progress: ProgressCallback) -> None:
    folder = run.files.control(chosen.name)
    manifest = Manifest(settings=plain_settings(settings), reports={"control": chosen.name})
    manifest.fingerprints = dict(run.manifest.fingerprints)
    prepared = inputs_of(run, settings, run.catalogue if chosen.titles else run.catalogue.untitled())

    def change(trees: ItemTrees) -> ItemTrees:
        return chosen.trees(trees, prepared.knowledge)

    with folder.writing():
        if distributed.is_first():
            folder.begin_control(manifest)
        distributed.wait()
        task = fit_task(prepared, folder, change=change, resume=True, progress=progress)
        backend = new_backend(settings)
        start_from_run(backend, settings, trust_code=run.trust_code)
        _train_and_write(backend, task, folder, manifest)


# -- evaluate ---------------------------------------------------------------------------------------------------------


@checked
def evaluate(
    run: Run,
    *,
    split: SplitName = "test",
    controls: Sequence[str] = (),
    baselines: Sequence[str] = (),
    beam: bool = False,
    explain: bool = False,
    progress: ProgressCallback = shown,
) -> Evaluation:
    """Rank the full catalogue for every case, compare with popularity and item-kNN, and write the results into the run.

    Under ``torchrun`` every process calls this: each ranks its share of the cases, all return the same result, and the
    first process writes it.

    Args:
        run: A finished run.
        split: ``"test"`` or ``"valid"``.
        controls: Names from :data:`kptoolkit.evaluation.controls.CONTROLS` to retrain and rank, or ``"all"``. One that
            says nothing about the run is left out, and a note says why. With any, the trained model is also ranked
            without its knowledge (reliance).
        baselines: Names from :data:`kptoolkit.evaluation.baselines.BASELINES` to tune and rank next to popularity and
            item-kNN.
        beam: Also rank by beam search. An item that it does not find has no rank, so there is no MRR.
        explain: Also measure whether scores depend on the triplets named for a recommendation.
        progress: Progress callback.

    Raises:
        InputError: The run is an ensemble, or has other interactions than its own; with ``beam``, the backend offers no
            beam search; with ``explain``, it cannot say which triplets mattered.
        RunError: With ``controls``, the run reads no knowledge.
        UnknownNameError: No baseline or control has this name.
    """
    check_abilities(run, beam=beam, explain=explain)
    check_names(baselines)
    names, left_out = applicable(controls, [run.config])
    progress = progress if distributed.is_first() else silent
    cases = run.split.cases(split)
    rankings = rank_run(run, cases, progress)
    found, notes = rank_baselines(run, cases, baselines, progress)
    others, more_notes = rank_others(run, cases, controls=names, beam=beam, progress=progress)
    rankings |= found | others
    return record(run, split, rankings, [*notes, *more_notes, *left_out], explain=explain, progress=progress)


Run.evaluator = staticmethod(evaluate)


def record(
    run: Run,
    split: str,
    rankings: Mapping[str, Ranking],
    notes: Sequence[str],
    *,
    explain: bool = False,
    progress: ProgressCallback = silent,
) -> Evaluation:
    """Compare the rankings of an evaluation, the run's first, and write the result into the run.

    Args:
        run: The run.
        split: ``"test"`` or ``"valid"``.
        rankings: Name of the row to ranking.
        notes: Sentences to show with the figures, after the notice of the data.
        explain: As in :func:`evaluate`.
        progress: Progress callback.
    """
    settings, data, cases = run.config.evaluation, run.config.data, len(next(iter(rankings.values())))
    rows = rows_of(rankings, settings.ks, beams=settings.beams, resamples=settings.resamples)
    notes = (*([run.notice] if run.notice else []), *notes, *notes_of(rows))
    items, seeds = len(run.catalogue), [run.config.training.seed]
    protocol = protocol_line(split, cases, items, seeds, method=data.split, min_events=data.min_events)
    parts = groups_of(run, {name: [ranking] for name, ranking in rankings.items()})
    result = Evaluation(str(run.folder), split, cases, items, rows, notes, protocol=protocol, groups=parts)
    if explain:
        result = with_faithfulness(result, run, run.split.cases(split), progress)
    if distributed.is_first():
        per_user = ranks_by_case(rankings, run.interactions.user_ids, run.catalogue.item_ids)
        run.files.write_evaluation(split, result.to_json(), per_user, run.manifest)
    distributed.wait()
    return result


def groups_of(run: Run, rankings: Mapping[str, Sequence[Ranking]]) -> tuple[Group, ...]:
    """Compute the figures of groups of cases: by popularity of the target, length of the history, and triples.

    Args:
        run: A run; its training events and its knowledge divide the cases.
        rankings: Name of the row to its rankings, one per run or one for all runs; the first row is that of the runs.
            Beam search with fewer than 10 beams is left out.
    """
    first = next(iter(rankings.values()))[0]
    events = np.bincount(run.split.train.items, minlength=len(run.catalogue))
    triples = replace(run.knowledge_source(), cache=None).trees(0).lengths
    ways = groupings(events[first.targets], first.history, triples[first.targets] > 0)
    settings = run.config.evaluation
    names = [name for name in rankings if has_ndcg(name, settings.beams)]
    return groups(ways, {name: mean_values(rankings[name]) for name in names}, resamples=settings.resamples)


def _rank(
    run: Run, cases: Cases, name: str, score: Callable[[Cases], NDArray[np.float32]], progress: ProgressCallback
) -> Ranking:
    size = run.config.evaluation.batch_size
    stage = f"rank: {name}"
    return rank_cases(score, cases, len(run.catalogue), batch_size=size, progress=progress, stage=stage, shared=True)


def rank_run(run: Run, cases: Cases, progress: ProgressCallback = silent) -> dict[str, Ranking]:
    """Rank the run, and its backend alone if there are score parts; by name of the row."""
    name, recommender = run.backend.name, run.recommender
    rankings = {name: _rank(run, cases, name, recommender.score, progress)}
    if recommender.has_parts:
        alone = f"{name} {ALONE}"
        rankings[alone] = _rank(run, cases, alone, recommender.backend.score, progress)
    return rankings


def rank_baselines(
    run: Run, cases: Cases, names: Sequence[str], progress: ProgressCallback = silent
) -> tuple[dict[str, Ranking], list[str]]:
    """Rank popularity, item-kNN and the named baselines; also returns notes on their settings."""
    neighbourhoods = run.files.neighbourhoods() if names else None
    settings = run.config.evaluation
    others = {"rectools": settings.rectools, "minutes": settings.sasrec_minutes}
    task = TuningTask.of(run.split, len(run.catalogue), neighbourhoods, progress, **others)
    tuned, notes = tuned_baselines(task, names)
    return {baseline.name: _rank(run, cases, baseline.name, baseline.score, progress) for baseline in tuned}, notes


def rank_others(
    run: Run, cases: Cases, *, controls: Sequence[str] = (), beam: bool = False, progress: ProgressCallback = silent
) -> tuple[dict[str, Ranking], list[str]]:
    """Rank by beam search, controls and the model without its knowledge, as asked; also returns notes on them."""
    rankings, notes = dict[str, Ranking](), list[str]()
    if beam:
        rankings[BEAM_SEARCH] = _rank_by_beams(run, cases)
        beams = run.config.evaluation.beams
        notes.append(f"beam search: {beams} beams; items it does not find count as missed, no MRR")
    if controls:
        rankings |= _rank_controls(run, cases, controls, progress)
        template = next(iter(run.pack.held_out), None)
        score = None if template is None else run.recommender.by_template(template)
        if template is not None and score is not None:
            rankings[HELD_OUT] = _rank(run, cases, HELD_OUT, score, progress)
            notes.append(f"{HELD_OUT}: the trained model with the MPP '{template.id}', which no training uses")
        if RELIANCE in rankings:
            notes.append("reliance: the trained model with its knowledge taken away, not retrained")
    return rankings, notes


def _rank_controls(run: Run, cases: Cases, controls: Sequence[str], progress: ProgressCallback) -> dict[str, Ranking]:
    """Rank the controls, and the trained model without its knowledge."""
    found = dict[str, Ranking]()
    for name in controls:
        retrained = control(run, name, progress=progress)
        found[name] = _rank(run, cases, name, retrained.score, progress)
        alone = f"{name} {ALONE}"
        if alone == TEXT_ONLY and retrained.has_parts and isinstance(retrained.backend, ReadsKnowledge):
            found[alone] = _rank(run, cases, alone, retrained.backend.score, progress)
    trained = run.files.recommender(run.config)
    if isinstance(trained.backend, ReadsKnowledge):
        trained.backend.use_trees(without_knowledge)
    without = Recommender(trained.backend, trained.parts.without_knowledge())
    found[RELIANCE] = _rank(run, cases, RELIANCE, without.score, progress)
    return found


def _rank_by_beams(run: Run, cases: Cases) -> Ranking:
    beams, own = run.config.evaluation.beams, cases.take(distributed.share(len(cases)))
    found, _ = beam_search_of(run.backend).beam_search(own, beams, beams)
    hit = found == own.targets[:, None]
    ranks = distributed.gather(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf))
    return Ranking(cases.user, cases.targets, ranks, cases.histories.lengths)


@contextmanager
def _timed(manifest: Manifest, stage: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        manifest.seconds[stage] = manifest.seconds.get(stage, 0.0) + time.monotonic() - started
