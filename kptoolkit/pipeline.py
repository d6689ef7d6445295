"""The whole run, one readable function a stage: graph, data, knowledge, training, evaluation."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit import distributed, metrics
from kptoolkit.config import Config, GraphConfig, difference, load_config, to_toml, validate, which_graph
from kptoolkit.data.histories import Cases
from kptoolkit.data.interactions import notice_of
from kptoolkit.errors import RunError, UnknownNameError
from kptoolkit.evaluation.baselines import ItemKNN, Popularity
from kptoolkit.evaluation.controls import CONTROLS, unchanged
from kptoolkit.evaluation.ranking import Ranking
from kptoolkit.evaluation.ranking import evaluate as rank_cases
from kptoolkit.evaluation.significance import compare
from kptoolkit.evaluation.table import Evaluation, Row
from kptoolkit.explain.explanations import with_faithfulness
from kptoolkit.explain.triplet_reasons import explaining
from kptoolkit.graph import Graph
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.prepare import Prepared, data_dir, fetch_knowledge, prepare
from kptoolkit.models import AcceptsNewItems, Backend, FitResult, FitTask, ReadsKnowledge, backend_class
from kptoolkit.models.backend import beam_search_of
from kptoolkit.names import nearest
from kptoolkit.progress import ProgressCallback, silent
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.manifest import MANIFEST, Manifest, write_json
from kptoolkit.runs.run import (
    BACKEND,
    CATALOGUE,
    CONFIG,
    CONTROL_DIR,
    INTERACTIONS,
    NEIGHBOURHOODS,
    PACK,
    Run,
    load_backend,
    replace_parts,
    seal,
    write_per_user,
)
from kptoolkit.storage.write_errors import write_errors

TRAINING, CHECKPOINTS = "training.json", "checkpoints"
BEAM_SEARCH = "beam search"


def fit(
    config: Config | str | Path,
    *,
    run: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    pack: TemplatePack | None = None,
    progress: ProgressCallback = silent,
) -> Run:
    """Train a recommender on a graph and on interactions, and write a run.

    A folder that holds an unfinished run of the same settings is gone on with.

    Under ``torchrun`` every process calls this: they train one model together, the first asks the graph and writes the
    run, and every process must see the folder.

    Args:
        config: Settings, or the TOML file that holds them.
        run: Folder of the run; ``[run] dir`` when not given.
        resume: Insist on going on with an unfinished run.
        overwrite: Replace what the folder holds.
        pack: Template pack made in Python, instead of ``[prompts] pack``.
        progress: Told about every stage.

    Raises:
        RunError: The folder holds a finished run, or an unfinished one of other settings.
        ConfigError, DataError, GraphError, TrainingError: As their names say.
    """
    settings = config if isinstance(config, Config) else load_config(config)
    folder = Path(run or settings.run.dir)
    manifest, going_on = _begin(folder, settings, resume=resume, overwrite=overwrite)
    data_dir(settings)
    kind = backend_class(settings.model.backend)
    backend: Backend = kind(validate(kind.Options, settings.model.options, "model"))
    distributed.wait()  # all have looked at the folder before the first writes into it
    if not distributed.is_first():
        return _fit_beside(backend, settings, folder, resume=going_on)
    with _timed(manifest, "prepare"):
        prepared = prepare(settings, pack=pack, progress=progress)
        prepared.split.require(kind.min_training_events)
        if overwrite:
            shutil.rmtree(folder, ignore_errors=True)
        with write_errors(folder):
            _write_inputs(folder, prepared, manifest)
    distributed.wait()
    with _timed(manifest, "fit"):
        result = train_backend(backend, prepared, folder, resume=going_on, progress=progress)
    _write_outputs(folder, backend, result, manifest)
    distributed.wait()
    return Run(folder, manifest)


def _fit_beside(backend: Backend, settings: Config, folder: Path, *, resume: bool) -> Run:
    """What every process but the first does in :func:`fit`: read what the first prepared, and train with it."""
    distributed.wait()
    train_backend(backend, _prepared_by_first(folder, settings), folder, resume=resume)
    distributed.wait()
    return Run(folder, Manifest.read(folder))


def _prepared_by_first(folder: Path, settings: Config) -> Prepared:
    run = Run(folder, Manifest.read(folder))
    return Prepared(settings, run.interactions, run.split, run.catalogue, run.knowledge_source(), "")


def load(folder: str | Path) -> Run:
    """Open a finished run; see :meth:`kptoolkit.runs.run.Run.load`."""
    return Run.load(folder)


def train_backend(
    backend: Backend,
    prepared: Prepared,
    folder: Path,
    *,
    change: Callable[[ItemTrees], ItemTrees] = unchanged,
    resume: bool = False,
    progress: ProgressCallback = silent,
) -> FitResult:
    """Fit a backend on prepared data; ``change`` is a control's."""
    settings = prepared.config.evaluation

    def validate_with(score: Callable[[Cases], NDArray[np.float32]]) -> dict[str, float]:
        cases, items = prepared.split.valid, len(prepared.catalogue)
        ranking = rank_cases(score, cases, items, batch_size=settings.batch_size, shared=True)
        return metrics.summary(ranking.ranks, settings.ks if 10 in settings.ks else (*settings.ks, 10))

    task = FitTask(
        config=prepared.config,
        catalogue=prepared.catalogue,
        split=prepared.split,
        user_ids=prepared.interactions.user_ids,
        knowledge=prepared.knowledge,
        knowledge_change=change,
        folder=folder,
        validate=validate_with,
        resume=resume,
        progress=progress,
    )
    return backend.fit(task)


def refresh(run: Run, graph: GraphConfig | None = None, *, progress: ProgressCallback = silent) -> Run:
    """Read the knowledge of a run's items anew, and take in the graph's new items; nothing is trained.

    A new item is ranked by its knowledge alone. Writes into the run's folder: catalogue, neighbourhoods and backend.

    Args:
        run: A finished run whose backend can be extended, such as ``sequence``.
        graph: Where the graph is; ``None`` is the run's own, with user name and password from file and environment.
        progress: Told about fetching.

    Returns:
        The run over the extended catalogue.

    Raises:
        RunError: The backend cannot rank items it was not trained on.
        GraphError: The graph cannot be reached.
    """
    backend = load_backend(run.config, run.folder / BACKEND)
    if not isinstance(backend, AcceptsNewItems):
        raise RunError(
            f"backend '{backend.name}' ranks only the items it was trained on; train again, or train with "
            "model.backend = 'sequence'"
        )
    settings = run.config.model_copy(update={"graph": graph or which_graph(load_config().graph, run.config.graph)})
    with Graph.open(config=settings.graph, create=False) as opened:
        catalogue = run.catalogue.extended(opened.items())
        pack = TemplatePack.load(run.folder / PACK)
        knowledge = fetch_knowledge(settings, opened, catalogue, pack, progress)
        fingerprint = opened.fingerprint()
    backend.extend(catalogue, knowledge)
    manifest = run.manifest
    manifest.fingerprints |= {"graph": fingerprint, "neighbourhoods": knowledge.neighbourhoods.fingerprint}
    manifest.reports["knowledge"] = knowledge_report(knowledge)
    manifest.reports["refreshed"] = {"new_items": len(catalogue) - len(run.catalogue), "items": len(catalogue)}
    replace_parts(run.folder, backend, {CATALOGUE: catalogue.save, NEIGHBOURHOODS: knowledge.neighbourhoods.save})
    seal(run.folder, manifest)
    return Run.load(run.folder)


def control(run: Run, name: str, *, progress: ProgressCallback = silent) -> Backend:
    """A run's control, trained anew with the run's settings, budget and seeds; trained once, then read.

    Args:
        run: A finished run.
        name: A key of :data:`kptoolkit.evaluation.controls.CONTROLS`.
        progress: Told about training.

    Raises:
        RunError: The run's backend uses no knowledge, so that its controls would be itself.
        UnknownNameError: No control has this name.
    """
    if name not in CONTROLS:
        raise UnknownNameError("control", name, nearest(name, CONTROLS), f"Known: {', '.join(CONTROLS)}")
    kind = backend_class(run.config.model.backend)
    if not issubclass(kind, ReadsKnowledge):
        raise RunError(f"backend '{kind.name}' uses no knowledge; it has no controls")
    folder = run.folder / CONTROL_DIR / name
    finished = (folder / MANIFEST).is_file() and Manifest.read(folder).status == "finished"
    distributed.wait()  # all have looked at the folder before the first writes into it
    if finished:
        Manifest.read(folder).verify(folder)
        return load_backend(run.config, folder / BACKEND)
    manifest = Manifest(settings=_plain_settings(run.config), reports={"control": name})
    if distributed.is_first():
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write(folder)
    distributed.wait()
    knowledge = run.knowledge_source()
    prepared = Prepared(run.config, run.interactions, run.split, run.catalogue, knowledge, "")
    backend: Backend = kind(validate(kind.Options, run.config.model.options, "model"))
    with _timed(manifest, "fit"):
        result = train_backend(backend, prepared, folder, change=CONTROLS[name], resume=True, progress=progress)
    if distributed.is_first():
        _write_outputs(folder, backend, result, manifest)
    distributed.wait()
    return backend


def check_abilities(run: Run, *, beam: bool, explain: bool) -> None:
    """Check that a run's backend can do what an evaluation asks of it, before anything is ranked or trained.

    Args:
        run: A finished run.
        beam: Whether beam search is needed.
        explain: Whether explanations are needed.

    Raises:
        InputError: The backend offers no beam search, or cannot say which triplets mattered.
    """
    if beam:
        beam_search_of(run.backend)
    if explain:
        explaining(run.backend)


def evaluate(
    run: Run,
    *,
    split: str = "test",
    controls: Sequence[str] = (),
    beam: bool = False,
    explain: bool = False,
    progress: ProgressCallback = silent,
) -> Evaluation:
    """Rank the full catalogue for every case, beside popularity and item-kNN, and write what was found into the run.

    Writes ``metrics-SPLIT.json`` and ``per-user-SPLIT.parquet``. Under ``torchrun`` every process calls this: each
    ranks its share of the cases, all have the same result, and the first writes it.

    Args:
        run: A finished run.
        split: ``"test"`` or ``"valid"``.
        controls: Names from :data:`kptoolkit.evaluation.controls.CONTROLS` to train anew and rank; with any, the
            trained model with its knowledge taken away (reliance) is ranked too.
        beam: Rank by beam search too: what it does not find has no rank, so it gives no MRR.
        explain: Measure too whether the triplets named for a recommendation carry it.
        progress: Told about every ranking.

    Raises:
        InputError: With ``beam``, the backend offers no beam search; with ``explain``, it cannot say which triplets
            mattered.
    """
    check_abilities(run, beam=beam, explain=explain)
    config, items = run.config, len(run.catalogue)
    progress = progress if distributed.is_first() else silent
    cases = run.split.test if split == "test" else run.split.valid
    rankings: dict[str, Ranking] = {}

    def rank(name: str, score: Callable[[Cases], NDArray[np.float32]]) -> None:
        size, stage = config.evaluation.batch_size, f"rank: {name}"
        rankings[name] = rank_cases(score, cases, items, batch_size=size, progress=progress, stage=stage, shared=True)

    rank(config.model.backend, run.backend.score)
    rank("popularity", Popularity().fit(run.split.train, items).score)
    rank("item-kNN", ItemKNN.tuned(run.split, items).score)
    notes = [run.notice] if run.notice else []
    if beam:
        rankings[BEAM_SEARCH] = _beam_ranking(run, cases)
        notes.append(f"beam search: {config.evaluation.beams} beams; items it does not find count as missed, no MRR")
    for name in controls:
        rank(name, control(run, name, progress=progress).score)
    if controls:
        reliance = load_backend(config, run.folder / BACKEND)
        if isinstance(reliance, ReadsKnowledge):
            reliance.use_trees(CONTROLS["no-knowledge"])
            rank("reliance", reliance.score)
            notes.append("reliance: the trained model with its knowledge taken away, not trained anew")
    result = _compared(run, split, rankings, tuple(notes))
    if explain:
        result = with_faithfulness(result, run, cases, progress)
    if distributed.is_first():
        write_json(run.folder / f"metrics-{split}.json", result.to_json())
        write_per_user(run, split, rankings)
    distributed.wait()
    return result


def _beam_ranking(run: Run, cases: Cases) -> Ranking:
    beams, own = run.config.evaluation.beams, cases.take(distributed.share(len(cases)))
    found, _ = beam_search_of(run.backend).beam_search(own, beams, beams)
    hit = found == own.targets[:, None]
    ranks = distributed.gather(np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf))
    return Ranking(cases.user, cases.targets, ranks, cases.histories.lengths)


def _known_to_beams(metric: str, beams: int) -> bool:
    """Whether a metric looks no deeper than beam search does."""
    _, _, k = metric.partition("@")
    return k != "" and int(k) <= beams


def _compared(run: Run, split: str, rankings: Mapping[str, Ranking], notes: tuple[str, ...]) -> Evaluation:
    settings = run.config.evaluation
    name, *others = rankings
    table = compare(name, rankings[name], {o: rankings[o] for o in others}, resamples=settings.resamples)
    rows = []
    for line in table:
        ranking = rankings[line.name]
        figures = ranking.summary(sorted({*settings.ks, 5, 10}))
        if line.name == BEAM_SEARCH:
            figures = {metric: value for metric, value in figures.items() if _known_to_beams(metric, settings.beams)}
        against = line.against
        interval = (line.value.low, line.value.high)
        difference, p_value = (None, None) if against is None else (against.difference, against.p_value)
        rows.append(Row(line.name, figures, interval, difference, p_value))
    return Evaluation(str(run.folder), split, len(rankings[name]), len(run.catalogue), tuple(rows), notes)


def _begin(folder: Path, config: Config, *, resume: bool, overwrite: bool) -> tuple[Manifest, bool]:
    """Decide whether a folder is begun, gone on with or refused; nothing is written before the inputs are known.

    An unfinished run without a checkpoint holds nothing that could be lost: it is begun anew, whatever its settings.
    """
    settings = _plain_settings(config)
    if (folder / MANIFEST).is_file():
        if overwrite:
            return Manifest(settings=settings), False
        earlier = Manifest.read(folder)
        if earlier.status == "finished":
            raise RunError(f"{folder} holds a finished run; give another --run, or --overwrite to replace it")
        if not any((folder / CHECKPOINTS).glob("*")):
            return Manifest(settings=settings), False
        if (different := difference(earlier.settings, settings)) is not None:
            raise RunError(
                f"{folder} holds an unfinished run with another {different}; give the same settings, another --run, "
                "or --overwrite"
            )
        return earlier, True
    if resume:
        raise RunError(f"{folder} holds no unfinished run to resume; leave out --resume to begin one")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise RunError(f"{folder} is not empty and not a run; give another --run")
    return Manifest(settings=settings), False


def _plain_settings(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"run"}, exclude_none=True)


def _write_inputs(folder: Path, prepared: Prepared, manifest: Manifest) -> None:
    """Keep what the run was trained on; refuse to go on with other data."""
    knowledge = prepared.knowledge
    prints = {
        "graph": prepared.graph_fingerprint,
        "neighbourhoods": knowledge.neighbourhoods.fingerprint,
        "interactions": prepared.interactions.content_hash(),
    }
    for part, value in prints.items():
        if manifest.fingerprints.get(part, value) != value:
            raise RunError(f"{folder} was begun with other {part}; give another --run, or --overwrite to begin anew")
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(folder)
    (folder / CONFIG).write_text(to_toml(prepared.config), encoding="utf-8")
    prepared.catalogue.save(folder / CATALOGUE)
    prepared.interactions.save(folder / INTERACTIONS)
    knowledge.pack.save(folder / PACK)
    knowledge.neighbourhoods.save(folder / NEIGHBOURHOODS)
    manifest.fingerprints = prints
    manifest.reports["data"] = prepared.split.report.to_json()
    manifest.reports["notice"] = notice_of(data_dir(prepared.config))
    manifest.reports["knowledge"] = knowledge_report(knowledge)
    manifest.write(folder)


def knowledge_report(source: KnowledgeSource) -> dict[str, Any]:
    """How much knowledge the catalogue has: items with triples, triples an item, what was left out."""
    trees = source.trees(0)
    sizes = np.diff(trees.indptr)
    return {
        "pack": source.pack.name,
        "items": len(source.catalogue),
        "linked_items": int(source.catalogue.linked.sum()),
        "items_with_triples": int((sizes > 0).sum()),
        "triples_an_item": float(sizes.mean()) if len(sizes) else 0.0,
        "left_out_nameless": source.nameless,
        "distinct_prompts": len(source.pool),
        "entities": len(source.neighbourhoods),
        "rows_beyond_cap": source.neighbourhoods.truncated,
    }


def _write_outputs(folder: Path, backend: Backend, result: FitResult, manifest: Manifest) -> None:
    replace_parts(folder, backend)
    training = {"epochs": result.epochs, "best": result.best, "history": result.history, "figures": result.figures}
    with write_errors(folder):
        write_json(folder / TRAINING, training)
    manifest.reports["training"] = {"epochs": result.epochs, "best": dict(result.best), **result.figures}
    seal(folder, manifest)


@contextmanager
def _timed(manifest: Manifest, stage: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        manifest.seconds[stage] = manifest.seconds.get(stage, 0.0) + time.monotonic() - started
