"""Trains and ranks the grid of a study, run by run; the same call again resumes a stopped study."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from kptoolkit import pipeline
from kptoolkit.arguments import checked
from kptoolkit.config import Config, load_config, validate
from kptoolkit.errors import RunError
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.models.text.random_encoder import write_random_encoder
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent, with_prefix
from kptoolkit.resources import Trust, agreed
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.run_settings import different_setting, plain_settings
from kptoolkit.storage.atomic import atomic_folder, remove_folder
from kptoolkit.storage.replacement import folder_lock
from kptoolkit.studies.engine.study_definition import ENCODER, PAPER, RANDOM_ENCODER, SMALL, Arm, Study, folder_name
from kptoolkit.studies.engine.study_page import write_page
from kptoolkit.studies.engine.study_result import ALONE, WITH_PARTS, StudyResult, Trained, study_rows

Mode = Literal["quick", "standard", "full"]
SEEDS: Final[Mapping[Mode, int]] = {"quick": 1, "standard": 2, "full": 3}
"""Seeds of each mode, unless others are asked for."""
_SIZES: Final = {"quick": SMALL, "standard": {}, "full": PAPER}
_RESULTS = "results"
_OF_THE_DATA = ("graph", "prompts", "data", "evaluation", "limits")
"""Sections that every arm has from the settings of the study; those of the model are the study's own."""


@checked
def run_study(
    study: Study,
    config: Config | str | Path,
    *,
    output: str | Path,
    mode: Mode = "standard",
    seeds: int | None = None,
    keep_runs: bool = True,
    trust_code: Trust = False,
    progress: ProgressCallback = silent,
) -> StudyResult:
    """Train all runs of a study, rank the test cases by each, and write table, plots, raw results and a page.

    The same call again resumes: finished runs are not trained again, an interrupted one continues.

    Args:
        study: The study.
        config: Settings, or a TOML file with settings: graph, prompts, data and evaluation are those of all arms.
        output: Folder to write into.
        mode: Size of models and trainings: ``"quick"`` within minutes, ``"standard"`` by the defaults of the backends,
            ``"full"`` of the size of the paper's.
        seeds: Trainings per arm, which differ in ``training.seed``; by default 1, 2 or 3 by the mode.
        keep_runs: Whether runs stay after they were ranked; their results always stay.
        trust_code: As in :func:`kptoolkit.pipeline.fit`.
        progress: Progress callback; names of stages start with the number of the run.

    Raises:
        RunError: The folder has runs of other settings.
        LockedError: Another command is writing into the folder.
        KptoolError: As for :func:`kptoolkit.pipeline.fit`.
    """
    base = config if isinstance(config, Config) else load_config(config)
    folder, began = Path(output), time.time()
    with folder_lock(folder), folder_lock(folder / _RESULTS):
        how: dict[str, Any] = {"mode": mode, "keep_runs": keep_runs, "trust_code": trust_code, "progress": progress}
        result = _trained_and_ranked(study, base, folder, began, seeds or SEEDS[mode], **how)
        write_page(result, folder)
    return result


def _trained_and_ranked(
    study: Study,
    base: Config,
    folder: Path,
    began: float,
    seeds: int,
    *,
    mode: Mode,
    keep_runs: bool,
    trust_code: Trust,
    progress: ProgressCallback,
) -> StudyResult:
    """Train and rank all runs that have no results yet, and collect the results."""
    numbers = tuple(base.training.seed + number for number in range(seeds))
    arms = study.grid(quick=mode == "quick", encoder=base.parts.text_encoder is not None)
    grid = [(backend, arm, seed) for seed in numbers for backend, arm in arms]
    encoders = _encoders(base, [arm for _, arm in arms], folder)
    trained = []
    for number, (backend, arm, seed) in enumerate(grid, 1):
        name = folder_name(backend, arm, seed)
        place = f"{number}/{len(grid)}"  # short, for narrow terminals
        settings = settings_of(study, base, backend, arm, seed, mode, encoders)
        results = folder / _RESULTS / name
        if results.is_dir():
            progress(ProgressEvent(f"{place}: {name}", 1, 1, "runs", {"finished": "earlier"}))
        else:
            how: dict[str, Any] = {"trust_code": trust_code, "progress": with_prefix(place, progress)}
            progress(ProgressEvent(f"{place}: {name}", 0, 1, "runs"))
            run = _train(settings, arm, folder / "runs" / name, began, **how)
            _rank(run, arm, study, with_prefix(place, progress)).save(results, run.files.read_manifest())
            progress(ProgressEvent(f"{place}: {name}", 1, 1, "runs"))
            if not keep_runs:
                remove_folder(run.folder)
        trained.append(Trained.load(results, plain_settings(settings)))
    labels = {(backend, arm.series, arm.x): arm.label for backend, arm, _ in grid}
    return StudyResult(study, mode, numbers, study_rows(labels, trained, base.evaluation.resamples), tuple(trained))


def _encoders(base: Config, arms: Iterable[Arm], folder: Path) -> dict[str, str]:
    """Text encoders by their marks in the settings of arms; one with random weights is written once."""
    used = {value for arm in arms for value in arm.settings.values() if value in (ENCODER, RANDOM_ENCODER)}
    if not used or base.parts.text_encoder is None:
        return {}
    random = folder / "random-encoder"
    if RANDOM_ENCODER in used and not random.is_dir():
        with atomic_folder(random) as new:
            write_random_encoder(base.parts.text_encoder, new, seed=0)
    return {ENCODER: str(base.parts.text_encoder), RANDOM_ENCODER: str(random)}


def settings_of(
    study: Study,
    base: Config,
    backend: str,
    arm: Arm,
    seed: int,
    mode: Mode,
    encoders: Mapping[str, str] = MappingProxyType({}),
) -> Config:
    """Settings of one training.

    Args:
        study: The study.
        base: Settings of the data.
        backend: The backend.
        arm: The arm.
        seed: ``training.seed``.
        mode: As in :func:`run_study`.
        encoders: Text encoders by their marks in the settings of the arm.

    Raises:
        ConfigError: A setting of study or arm is unknown or has a bad value.
    """
    known = plain_settings(base)
    values: dict[str, dict[str, Any]] = {name: dict(known[name]) for name in known if name in _OF_THE_DATA}
    given = {**_SIZES[mode].get(backend, {}), **study.settings, **arm.settings}
    for key, value in {**given, "model.backend": backend, "training.seed": seed}.items():
        section, _, name = key.partition(".")
        values.setdefault(section, {})[name] = encoders.get(value, value) if isinstance(value, str) else value
    found = validate(Config, values)
    return found.model_copy(update={"graph": found.graph.model_copy(update={"password": base.graph.password})})


def _train(
    settings: Config, arm: Arm, folder: Path, began: float, *, trust_code: Trust, progress: ProgressCallback
) -> Run:
    """Train a run, resume it, or open it if it is finished."""

    def change(prepared: Prepared) -> Prepared:
        return prepared if arm.change is None else arm.change(prepared, settings.training.seed)

    files = RunFolder(folder)
    if not files.is_finished:
        folder.parent.mkdir(parents=True, exist_ok=True)
        how: dict[str, Any] = {"since": began, "change": change, "progress": progress}
        return pipeline.fit(settings, run=folder, trust_code=trust_code, **how)
    run = Run.load(folder, trust_code=agreed(trust_code, plain_settings(settings)))
    if (other := different_setting(run.manifest.settings, plain_settings(settings))) is not None:
        raise RunError(f"{folder} has another {other}; give another --output")
    return run


def _rank(run: Run, arm: Arm, study: Study, progress: ProgressCallback) -> Trained:
    """Rank the test cases by a run, with score parts and without, and collect its figures."""
    scorers = {ALONE: run.backend.score, WITH_PARTS: run.recommender.score}
    size, items = run.config.evaluation.batch_size, len(run.catalogue)
    ranks = {
        way: evaluate(score, run.split.test, items, batch_size=size, progress=progress, stage=f"rank: {way}").ranks
        for way, score in scorers.items()
    }
    training = run.files.training()
    known = {name.replace("_", " "): value for name, value in training["figures"].items()}
    figures = {name: float(value) for name, value in known.items() if not isinstance(value, str)}
    figures.pop("training seconds", None)  # nearly those of the manifest
    figures["epochs"] = float(training["epochs"])
    figures |= study.measure(run) if study.measure is not None else {}
    return Trained(
        backend=run.config.model.backend,
        series=arm.series,
        x=arm.x,
        seed=run.config.training.seed,
        id=run.manifest.id,
        items=items,
        notice=run.notice,
        ranks=ranks,
        curve=[(row["epoch"], row["eval_NDCG@10"]) for row in training["history"] if "eval_NDCG@10" in row],
        seconds=run.manifest.seconds.get("fit", 0.0),
        figures=figures,
    )
