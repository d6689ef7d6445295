"""Trains and ranks the grid of a study, run by run; the same call again resumes a stopped study."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from kptoolkit import pipeline
from kptoolkit.arguments import checked
from kptoolkit.config import Config, load_config, validate
from kptoolkit.errors import InputError
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.models.pretrained import read_config, read_tokenizer
from kptoolkit.models.text.random_encoder import write_random_encoder
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent, with_prefix
from kptoolkit.resources import Trust, agreed
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.run_settings import plain_settings
from kptoolkit.storage.arrays import json_hash
from kptoolkit.storage.atomic import atomic_folder, remove_folder
from kptoolkit.storage.replacement import folder_lock, remove_left_overs
from kptoolkit.studies.engine.peak_memory import peak_memory, reset_peak_memory
from kptoolkit.studies.engine.same_training import (
    CASES,
    GRAPH,
    INTERACTIONS,
    cases_of,
    inputs_now,
    require_inputs,
    require_settings,
)
from kptoolkit.studies.engine.study_definition import (
    ENCODER,
    PAPER,
    RANDOM_ENCODER,
    SMALL,
    START,
    Arm,
    Study,
    folder_name,
)
from kptoolkit.studies.engine.study_page import write_page
from kptoolkit.studies.engine.study_result import ALONE, WITH_PARTS, StudyResult, Trained, study_rows
from kptoolkit.studies.engine.training_notes import TrainingNotes

MARKS: Final = (ENCODER, RANDOM_ENCODER, START)
"""Values in the settings of arms that stand for something in the study's own settings."""
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
        InputError: ``seeds`` is below 1.
        RunError: The folder has runs of other settings or data, or two arms rank other cases.
        LockedError: Another command is writing into the folder.
        KptoolError: As for :func:`kptoolkit.pipeline.fit`.
    """
    count = SEEDS[mode] if seeds is None else seeds
    if count < 1:
        raise InputError(f"{count} seeds; train each arm at least once")
    base = config if isinstance(config, Config) else load_config(config)
    folder = Path(output).resolve()  # trainings name folders in it
    with folder_lock(folder), folder_lock(folder / _RESULTS):
        trainings = _Trainings(study, base, mode, folder, marks_of(base, study, folder), trust_code=trust_code)
        result = _trained_and_ranked(trainings, count, keep_runs=keep_runs, progress=progress)
        write_page(result, folder)
    return result


def _trained_and_ranked(
    trainings: _Trainings, seeds: int, *, keep_runs: bool, progress: ProgressCallback
) -> StudyResult:
    """Train and rank all runs that have no results yet, and collect the results."""
    study, base, mode, folder = trainings.study, trainings.base, trainings.mode, trainings.folder
    numbers = tuple(base.training.seed + number for number in range(seeds))
    arms = study.grid(quick=mode == "quick", missing=[mark for mark in MARKS if mark not in trainings.marks])
    grid = [(backend, arm, seed) for seed in numbers for backend, arm in arms]
    trained = []
    for number, (backend, arm, seed) in enumerate(grid, 1):
        place = f"{number}/{len(grid)}"  # short, for narrow terminals
        cell = Cell(backend, arm, seed)
        results = folder / _RESULTS / cell.name
        if results.is_dir():
            progress(ProgressEvent(f"{place}: {cell.name}", 1, 1, "runs", {"finished": "earlier"}))
        else:
            progress(ProgressEvent(f"{place}: {cell.name}", 0, 1, "runs"))
            run = trainings.train(cell, with_prefix(place, progress))
            notes = trainings.notes(cell)
            measured = study.measure(run, notes.added) if study.measure is not None else {}
            noted = replace(notes, figures={**notes.figures, **measured}, inputs=trainings.read(cell))
            ranked = _rank(run, arm, noted, with_prefix(place, progress))
            ranked.save(results, run.files.read_manifest())
            progress(ProgressEvent(f"{place}: {cell.name}", 1, 1, "runs"))
            if not keep_runs and not any(cell.starts(Cell(*later)) for later in grid[number:]):
                remove_folder(run.folder)
        trained.append(Trained.load(results, plain_settings(trainings.settings(cell)), trainings.inputs(cell)))
    if not keep_runs:
        remove_folder(folder / "runs")
    labels = {(backend, arm.series, arm.x): arm.label for backend, arm, _ in grid}
    return StudyResult(study, mode, numbers, study_rows(labels, trained, base.evaluation.resamples), tuple(trained))


def marks_of(base: Config, study: Study, folder: Path) -> dict[str, str]:
    """What the marks in the settings of arms stand for; an encoder with random weights is written once."""
    found = {}
    if base.training.start_from is not None:
        found[START] = str(base.training.start_from.resolve())
    encoder = base.parts.text_encoder
    if encoder is not None:
        found[ENCODER] = encoder
        if any(arm.needs(RANDOM_ENCODER) for arm in study.arms):
            found[RANDOM_ENCODER] = str(_random_encoder(encoder, folder))
    return found


def _random_encoder(encoder: str, folder: Path) -> Path:
    """Write an encoder with random weights, unless it is there; each encoder has its own."""
    random = folder / f"random-encoder-{_encoder_hash(encoder)[:8]}"
    if not random.is_dir():
        with atomic_folder(random) as new:
            write_random_encoder(encoder, new, seed=0)
    return random


def _encoder_hash(encoder: str) -> str:
    """Hash of what an encoder with random weights has of another one: its configuration and its vocabulary."""
    known = json.loads(read_config(encoder).to_json_string(use_diff=False))
    config = {name: value for name, value in known.items() if name not in ("_name_or_path", "transformers_version")}
    place = str(Path(encoder).resolve()) if Path(encoder).is_dir() else encoder
    return json_hash([place, config, sorted(read_tokenizer(encoder).get_vocab().items())], sort_keys=True)


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Attributes:
        backend: Its backend.
        arm: Its arm.
        seed: Its seed.
    """

    backend: str
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """Name of its folders."""
        return folder_name(self.backend, self.arm, self.seed)

    @property
    def start(self) -> Cell | None:
        """The training whose weights it starts from."""
        return None if self.arm.start is None else Cell(self.backend, self.arm.start, self.seed)

    def starts(self, other: Cell) -> bool:
        """Whether another training starts from the weights of this one, or from one that does."""
        return other.start is not None and (other.start == self or self.starts(other.start))


@dataclass(frozen=True)
class _Trainings:
    """Trains the cells of a study in its folder.

    Attributes:
        study: The study.
        base: Settings of the data.
        mode: As in :func:`run_study`.
        folder: Folder of the study.
        marks: What marks in the settings of arms stand for.
        trust_code: As in :func:`run_study`.
        began: When the study was started, in seconds since the epoch: no knowledge is older.
        known: Fingerprints of the data by the settings that name it.
    """

    study: Study
    base: Config
    mode: Mode
    folder: Path
    marks: Mapping[str, str]
    trust_code: Trust
    began: float = field(default_factory=time.time)
    known: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def settings(self, cell: Cell) -> Config:
        """Settings of a training."""
        start = None if cell.start is None else self._run_folder(cell.start)
        return settings_of(self.study, self.base, cell.backend, cell.arm, cell.seed, self.mode, self.marks, start)

    def train(self, cell: Cell, progress: ProgressCallback) -> Run:
        """Train a run, resume it, or open it if it is finished; the run that it starts from comes first."""
        folder, settings = self._run_folder(cell), self.settings(cell)
        begun = RunFolder(folder)
        earlier = begun.is_finished or begun.begin(settings, resume=False, overwrite=False).resumed
        if earlier:
            require_inputs(folder, self.read(cell), self.inputs(cell))
        if not begun.is_finished:
            if cell.start is not None:
                self.train(cell.start, progress)
            folder.parent.mkdir(parents=True, exist_ok=True)
            how: dict[str, Any] = {"since": self.began, "progress": progress}
            if cell.arm.change is not None:
                how["change"] = partial(self._changed, cell)
            # Notes of the same training stay if it is resumed; the change of an arm writes new ones.
            (replace(self.notes(cell), resumed=True) if earlier else TrainingNotes()).save(self._notes_folder(cell))
            reset_peak_memory()
            pipeline.fit(settings, run=folder, trust_code=self.trust_code, **how)
            if not earlier:
                self._note_memory(cell, peak_memory())
                self.known.setdefault(self._data_key(cell), self.read(cell))
        else:
            remove_left_overs(folder)
        run = Run.load(folder, trust_code=agreed(self.trust_code, plain_settings(settings)))
        require_settings(folder, run.manifest.settings, plain_settings(settings))
        return run

    def inputs(self, cell: Cell) -> Mapping[str, str]:
        """Fingerprints of the interactions and the graph that the settings of a training name; read once per call."""
        key = self._data_key(cell)
        if key not in self.known:
            self.known[key] = inputs_now(self.settings(cell))
        return self.known[key]

    def _data_key(self, cell: Cell) -> str:
        known = plain_settings(self.settings(cell))
        return json_hash([known["data"] | {"history": None}, known["graph"]], sort_keys=True)

    def read(self, cell: Cell) -> Mapping[str, str]:
        """Fingerprints of the interactions and the graph that a training has read, before the change of its arm."""
        found = self.notes(cell).inputs
        if cell.arm.change is None:
            found = RunFolder(self._run_folder(cell)).read_manifest().fingerprints
        return {name: found[name] for name in (INTERACTIONS, GRAPH) if name in found}

    def notes(self, cell: Cell) -> TrainingNotes:
        """What was noted of a training."""
        return TrainingNotes.load(self._notes_folder(cell))

    def _note_memory(self, cell: Cell, memory: float | None) -> None:
        notes = self.notes(cell)
        figures = {} if memory is None else {"peak memory, MiB": memory}
        replace(notes, figures={**notes.figures, **figures}).save(self._notes_folder(cell))

    def _changed(self, cell: Cell, prepared: Prepared) -> Prepared:
        """The changed inputs of a cell."""
        assert cell.arm.change is not None
        changed = cell.arm.change(prepared, cell.seed)
        TrainingNotes.of_change(prepared, changed).save(self._notes_folder(cell))
        return changed

    def _run_folder(self, cell: Cell) -> Path:
        return self.folder / "runs" / cell.name

    def _notes_folder(self, cell: Cell) -> Path:
        return self.folder / "notes" / cell.name


def settings_of(
    study: Study,
    base: Config,
    backend: str,
    arm: Arm,
    seed: int,
    mode: Mode,
    marks: Mapping[str, str] = MappingProxyType({}),
    start: Path | None = None,
) -> Config:
    """Settings of one training.

    Args:
        study: The study.
        base: Settings of the data.
        backend: The backend.
        arm: The arm.
        seed: ``training.seed``.
        mode: As in :func:`run_study`.
        marks: What the marks in the settings of the arm stand for.
        start: Folder of the run that it starts from.

    Raises:
        ConfigError: A setting of study or arm is unknown or has a bad value.
    """
    known = plain_settings(base)
    values: dict[str, dict[str, Any]] = {name: dict(known[name]) for name in known if name in _OF_THE_DATA}
    given = {**_SIZES[mode].get(backend, {}), **study.settings, **arm.settings}
    if start is not None:
        given["training.start_from"] = start
    for key, value in {**given, "model.backend": backend, "training.seed": seed}.items():
        section, _, name = key.partition(".")
        values.setdefault(section, {})[name] = marks.get(value, value) if isinstance(value, str) else value
    found = validate(Config, values)
    return found.model_copy(update={"graph": found.graph.model_copy(update={"password": base.graph.password})})


def _rank(run: Run, arm: Arm, noted: TrainingNotes, progress: ProgressCallback) -> Trained:
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
    figures |= noted.figures
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
        seconds=None if noted.resumed else run.manifest.seconds.get("fit", 0.0),
        figures=figures,
        fingerprints={**noted.inputs, CASES: cases_of(run)},
    )
