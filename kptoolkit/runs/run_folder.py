"""The folder of a run: the only module that knows how its files are named."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from kptoolkit import distributed
from kptoolkit.config import Config, to_toml, validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import DataError, InputError, KptoolError, RunError, shorten
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.limits import read_text
from kptoolkit.models import FitResult, backend_class, options_class
from kptoolkit.models.checkpoints import can_resume
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.parts.score_parts import ScoreParts
from kptoolkit.prompts import TemplatePack
from kptoolkit.resources import Trust
from kptoolkit.runs.manifest import Manifest, write_json
from kptoolkit.runs.run_settings import different_setting, plain_settings
from kptoolkit.settings_base import read_toml
from kptoolkit.storage.arrays import checksum
from kptoolkit.storage.atomic import remove_folder, write_text
from kptoolkit.storage.replacement import atomic_parts, finish_replacement, folder_lock, is_own
from kptoolkit.storage.write_errors import write_errors

_MANIFEST, _CONFIG, _TRAINING = "manifest.json", "config.toml", "training.json"
_CATALOGUE, _INTERACTIONS = "catalogue.parquet", "interactions.parquet"
_PACK, _NEIGHBOURHOODS, _BACKEND, _PARTS = "pack", "neighbourhoods", "backend", "parts"
_CHECKPOINTS, _LOGS, _CONTROLS = "checkpoints", "tensorboard", "controls"
_INPUTS = (_CONFIG, _CATALOGUE, _INTERACTIONS, _PACK, _NEIGHBOURHOODS)
_OUTPUTS = (_BACKEND, _PARTS)
_RESULTS = ("metrics-*.json", "per-user-*.parquet")
_EVALUATION_WAITS = 600.0
"""Seconds that an evaluation, which may have taken hours, waits until it can write its results."""


class Saveable(Protocol):
    """A part of a run that writes itself."""

    def save(self, path: Path) -> None:
        """Write to ``path``."""


@dataclass(frozen=True)
class Start:
    """Decision how a training starts in a folder.

    Attributes:
        manifest: Manifest of the run, a new one or that of the interrupted training.
        resumed: Whether an interrupted training is resumed.
        again: Whether an interrupted training starts again, because it left no checkpoint.
    """

    manifest: Manifest
    resumed: bool
    again: bool = False


class RunFolder:
    """The files of a run, or of one of its controls.

    ::

        RUN/
        ├── manifest.json            status, settings, fingerprints, reports, checksums
        ├── config.toml              all settings, without the password
        ├── catalogue.parquet        the items
        ├── interactions.parquet     all events
        ├── pack/                    the template pack
        ├── neighbourhoods/          what was fetched from the graph
        ├── backend/                 the model: weights, tokenizer, item index
        ├── parts/                   the score parts and their weights
        ├── training.json            epochs, best metrics, history of the training
        ├── checkpoints/             for resuming; never read by load
        ├── tensorboard/             curves of the training
        ├── metrics-SPLIT.json       written by evaluate
        ├── per-user-SPLIT.parquet   written by evaluate
        ├── report.html              written by report
        └── controls/NAME/           manifest.json, backend/, parts/, … of a control

    The manifest lists every file but itself, ``report.html``, checkpoints, logs and controls.

    Args:
        path: The folder; it need not exist.
        control: Whether it is the folder of a control, which has the inputs of its run.
        opened: The manifest with which the run was opened; a part that was replaced since is an error when it is read.
    """

    def __init__(self, path: str | Path, *, control: bool = False, opened: Manifest | None = None) -> None:
        self.path, self._opened = Path(path), opened
        self._required = _OUTPUTS if control else (*_INPUTS, *_OUTPUTS)

    def __str__(self) -> str:
        return str(self.path)

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether the folder contains a run, finished or not."""
        finish_replacement(self.path)
        return (self.path / _MANIFEST).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the folder contains a finished run."""
        return self.exists and self.read_manifest().status == "finished"

    @property
    def config_file(self) -> Path:
        """The TOML file with the settings of the run."""
        return self.path / _CONFIG

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints, from which a training is resumed."""
        return self.path / _CHECKPOINTS

    @property
    def logs(self) -> Path:
        """The folder of the TensorBoard logs."""
        return self.path / _LOGS

    def begin(self, config: Config, *, resume: bool, overwrite: bool) -> Start:
        """Decide whether a training starts here, is resumed or is refused; nothing is written.

        An unfinished run without a checkpoint contains nothing that could be lost: it starts again, whatever its
        settings. One with a checkpoint is resumed by the same settings; ``training.max_minutes`` and settings that only
        the machine needs, such as caches, may differ.

        Args:
            config: Settings of the training.
            resume: Whether there must be an unfinished run.
            overwrite: Whether a run that is there will be replaced.

        Raises:
            InputError: Both ``resume`` and ``overwrite``.
            RunError: The folder contains a finished run, an unfinished one of other settings, or other files; or there
                is no run to resume.
        """
        if resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other: resume keeps a run, overwrite replaces it")
        settings = plain_settings(config)
        if self.exists:
            return self._begin_over(settings, overwrite=overwrite)
        if resume:
            raise RunError(f"{self} holds no unfinished run to resume; leave out --resume to begin one")
        if self.path.is_file() or (self.path.is_dir() and not all(is_own(entry.name) for entry in self.path.iterdir())):
            raise RunError(f"{self} is not empty and not a run; give another --run")
        return Start(Manifest(settings=settings), resumed=False)

    def _begin_over(self, settings: dict[str, Any], *, overwrite: bool) -> Start:
        if overwrite:
            return Start(Manifest(settings=settings), resumed=False)
        earlier = self.read_manifest()
        if earlier.status == "finished":
            raise RunError(f"{self} holds a finished run; give another --run, or --overwrite to replace it")
        if not can_resume(self.checkpoints):
            return Start(Manifest(settings=settings), resumed=False, again=True)
        if (different := different_setting(earlier.settings, settings)) is not None:
            raise RunError(
                f"{self} holds an unfinished run with another {different}; give the same settings, another --run, "
                "or --overwrite"
            )
        return Start(replace(earlier, settings=settings), resumed=True)

    def open(self) -> Manifest:
        """Read the manifest of a finished run and verify its files.

        Raises:
            RunError: Not a run, an unfinished one, or a damaged one; the message names the part.
        """
        manifest = self.read_manifest()
        if manifest.status != "finished":
            remedy = f"kptool fit --run {shlex.quote(str(self))} --resume"
            raise RunError(f"run {self} is not finished; `{remedy}` resumes it")
        self.verify(manifest)
        return manifest

    def read_manifest(self) -> Manifest:
        """Read the manifest.

        Raises:
            RunError: There is none, or it cannot be read.
        """
        finish_replacement(self.path)
        path = self.path / _MANIFEST
        if not path.is_file():
            raise RunError(f"{self} is not a run: it holds no {_MANIFEST}; `kptool fit --run {self}` makes one")
        try:
            return Manifest(**json.loads(read_text(path, limited=False)))
        except (OSError, ValueError, TypeError, RecursionError, InputError) as error:
            raise RunError(f"{path} is damaged: {shorten(str(error), 200)}; train again into another folder") from error

    def verify(self, manifest: Manifest) -> None:
        """Compare the files with the manifest, which must list all of them, and with their checksums.

        Results of evaluations may be removed.

        Raises:
            RunError: A file is missing, differs or is not listed; the message names it.
        """
        parts = {name.partition("/")[0] for name in manifest.files}
        for part in self._required:
            if part not in parts:
                raise RunError(f"run {self} is damaged: {_MANIFEST} does not list {part}; train again")
        found = {file.relative_to(self.path).as_posix(): file for file in self._own_files()}
        for name, expected in manifest.files.items():
            result = any(fnmatchcase(name, pattern) for pattern in _RESULTS)
            if name not in found and not result:
                raise RunError(f"run {self} is damaged: {name} is missing; train again into another folder")
            if name in found and checksum(found[name]) != expected:
                wrote = "evaluate wrote; remove it and evaluate again" if result else "training wrote; train again"
                raise RunError(f"run {self} is damaged: {name} is not what {wrote}")
        if unlisted := sorted(found.keys() - manifest.files.keys()):
            raise RunError(f"run {self} is damaged: {_MANIFEST} does not list {unlisted[0]}; remove that file")

    def _own_files(self) -> Iterator[Path]:
        """The files that the manifest must list."""
        for part in (*_INPUTS, *_OUTPUTS, _TRAINING):
            yield from _files(self.path / part)
        yield from self._results()

    def _results(self) -> list[Path]:
        return sorted(path for pattern in _RESULTS for path in self.path.glob(pattern))

    def remove(self) -> None:
        """Delete the folder, if it exists; a process that is killed meanwhile leaves no part of a run."""
        remove_folder(self.path)

    @contextmanager
    def writing(self, seconds: float = 0.0) -> Iterator[None]:
        """Keep other commands from writing into the folder; first finish what a killed command left.

        Of several processes that train one model together, the first does this.

        Args:
            seconds: How long to wait for another command.

        Raises:
            LockedError: Another command is writing into the folder.
            OSError: The folder cannot be written.
        """
        if not distributed.is_first():
            yield
            return
        with folder_lock(self.path, seconds):
            yield

    def begin_control(self, manifest: Manifest) -> None:
        """Write the manifest of a control that will be trained; what was trained on other inputs is removed."""
        other = self.exists and self.read_manifest().other_input(manifest.fingerprints) is not None
        with self._parts(manifest, self._earlier(everything=True) if other else ()):
            pass

    def require_same(self, fingerprints: Mapping[str, str], manifest: Manifest) -> None:
        """Check that inputs are those that an interrupted training began with.

        Raises:
            RunError: One is not; the message names it.
        """
        if (other := manifest.other_input(fingerprints)) is not None:
            raise RunError(f"{self} was begun with {other}; give another --run, or --overwrite to start again")

    def write_inputs(self, prepared: Prepared, manifest: Manifest, *, overwrite: bool = False) -> None:
        """Write what a run is trained on: settings, catalogue, interactions, pack and neighbourhoods.

        They replace those of an earlier run together with its outputs and its checkpoints.

        Args:
            prepared: The inputs.
            manifest: Gets their fingerprints.
            overwrite: Whether to remove everything else that is in the folder.
        """
        manifest.fingerprints = prepared.fingerprints
        with self._parts(manifest, self._earlier(everything=overwrite)) as new:
            write_text(new / _CONFIG, to_toml(prepared.config))
            prepared.catalogue.save(new / _CATALOGUE)
            prepared.interactions.save(new / _INTERACTIONS)
            prepared.knowledge.pack.save(new / _PACK)
            prepared.knowledge.neighbourhoods.save(new / _NEIGHBOURHOODS)

    def resume_inputs(self, prepared: Prepared, manifest: Manifest) -> None:
        """Check that inputs are those of the interrupted training, and write the settings that it is resumed with.

        Raises:
            RunError: They are not.
        """
        self.require_same(prepared.fingerprints, manifest)
        self.write_settings(prepared.config, manifest)

    def write_settings(self, config: Config, manifest: Manifest) -> None:
        """Write the settings with which an interrupted training is resumed."""
        with self._parts(manifest) as new:
            write_text(new / _CONFIG, to_toml(config))

    def _earlier(self, *, everything: bool) -> list[str]:
        """Names of what an earlier run left in the folder."""
        known = [*_OUTPUTS, _TRAINING, _CHECKPOINTS, _LOGS, _CONTROLS, *self.evaluated()]
        if everything:
            known = [path.name for path in self.path.iterdir() if not is_own(path.name)]
        return [name for name in known if name not in (*_INPUTS, _MANIFEST)]

    def write_outputs(self, recommender: Recommender, result: FitResult, manifest: Manifest) -> None:
        """Write the trained backend, the score parts and the course of the training; the run is finished then."""
        training = {"epochs": result.epochs, "best": result.best, "history": result.history, "figures": result.figures}
        manifest.reports["training"] = {"epochs": result.epochs, "best": dict(result.best), **result.figures}
        manifest.reports["parts"] = {"weights": recommender.parts.weights, **recommender.parts.report}
        manifest.status = "finished"
        with self._parts(manifest) as new:
            _save_recommender(recommender, new)
            write_json(new / _TRAINING, training)

    def replace(
        self,
        manifest: Manifest,
        recommender: Recommender,
        *,
        catalogue: Saveable,
        pack: TemplatePack,
        neighbourhoods: Saveable,
        removed: Iterable[str] = (),
    ) -> None:
        """Replace manifest, backend, score parts, catalogue, pack and neighbourhoods together, and remove some files.

        Raises:
            OSError: A part cannot be written; the run is what it was before.
        """
        with self._parts(manifest, removed) as new:
            _save_recommender(recommender, new)
            catalogue.save(new / _CATALOGUE)
            pack.save(new / _PACK)
            neighbourhoods.save(new / _NEIGHBOURHOODS)

    def evaluated(self) -> list[str]:
        """Names of what evaluations wrote: results, and the folder of the controls."""
        return [*(path.name for path in self._results()), *([_CONTROLS] if (self.path / _CONTROLS).is_dir() else ())]

    def write_evaluation(
        self, split: str, report: Mapping[str, Any], per_user: pd.DataFrame, evaluated: Manifest
    ) -> None:
        """Write the results of an evaluation.

        Args:
            split: Name of the split that was ranked.
            report: The table of metrics, JSON-able.
            per_user: One row per case.
            evaluated: Manifest of the run when it was opened.

        Raises:
            RunError: The run has been changed since it was opened.
            LockedError: Another command has been writing into the folder for ten minutes.
        """
        with self.writing(_EVALUATION_WAITS):
            manifest = self.read_manifest()
            if self._without_results(manifest) != self._without_results(evaluated):
                raise RunError(f"run {self} was changed while it was evaluated; evaluate it again")
            with self._parts(manifest) as new:
                write_json(new / f"metrics-{split}.json", report)
                per_user.to_parquet(new / f"per-user-{split}.parquet")

    def _without_results(self, manifest: Manifest) -> dict[str, str]:
        return {name: value for name, value in manifest.files.items() if name.startswith(self._required)}

    @contextmanager
    def _parts(self, manifest: Manifest, removed: Iterable[str] = ()) -> Iterator[Path]:
        """Write parts into a folder; together with the manifest, which lists them, they replace those of the run."""
        removed = list(removed)
        with write_errors(self.path), atomic_parts(self.path, removed) as new:
            yield new
            replaced = {*removed, *(path.name for path in new.iterdir())}
            files = {name: value for name, value in manifest.files.items() if name.partition("/")[0] not in replaced}
            files |= {path.relative_to(new).as_posix(): checksum(path) for path in _files(new)}
            write_json(new / _MANIFEST, asdict(replace(manifest, files=dict(sorted(files.items())))))
        manifest.files = files

    def control(self, name: str) -> RunFolder:
        """The folder of a control."""
        return RunFolder(self.path / _CONTROLS / name, control=True)

    def settings(self) -> dict[str, Any]:
        """Read the settings of the run, by section.

        Raises:
            RunError: The file is missing or damaged.
        """
        with self._unchanged():
            try:
                return read_toml(read_text(self.config_file))
            except (OSError, ValueError) as error:
                raise RunError(f"{self.config_file} is damaged: {shorten(str(error), 200)}; train again") from error

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Read a part; what is read must be of the state in which the run was opened.

        Raises:
            RunError: Another command has replaced parts of the run since.
        """
        try:
            yield
        except (KptoolError, OSError) as error:
            self._require_unchanged(error)
            raise
        except Exception as error:  # a file may hold anything
            self._require_unchanged(error)
            said = shorten(f"{type(error).__name__}: {error}", 200)
            raise RunError(f"run {self} is damaged: a part holds values that no training writes ({said})") from error
        self._require_unchanged()

    def _require_unchanged(self, cause: Exception | None = None) -> None:
        opened = self._opened
        if opened is not None and self._without_results(self.read_manifest()) != self._without_results(opened):
            raise RunError(f"run {self} was changed after it was opened; open it again") from cause

    def catalogue(self) -> Catalogue:
        """Read the items."""
        with self._unchanged():
            return Catalogue.load(self.path / _CATALOGUE)

    def interactions(self) -> Interactions:
        """Read the events."""
        with self._unchanged():
            return Interactions.load(self.path / _INTERACTIONS)

    def pack(self, *, trust_code: Trust = False) -> TemplatePack:
        """Read the template pack; arguments and errors as in :meth:`TemplatePack.load`."""
        with self._unchanged():
            return TemplatePack.load(self.path / _PACK, trust_code=trust_code)

    def neighbourhoods(self) -> Neighbourhoods:
        """Read what was fetched from the graph."""
        with self._unchanged():
            return Neighbourhoods.load(self.path / _NEIGHBOURHOODS)

    def training(self) -> dict[str, Any]:
        """Read the course of the training: epochs, best metrics, history and figures; empty if it was not written."""
        return self._read_json(self.path / _TRAINING)

    def evaluation(self, split: str) -> dict[str, Any]:
        """Read what :meth:`write_evaluation` wrote for a split; empty if that was not evaluated."""
        return self._read_json(self.path / f"metrics-{split}.json")

    def _read_json(self, path: Path) -> dict[str, Any]:
        """A JSON object; empty if there is no such file."""
        try:
            return dict(json.loads(read_text(path, limited=False)))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise RunError(f"{path} is damaged: {shorten(str(error), 200)}; remove it, or write it again") from error

    def recommender(self, config: Config) -> Recommender:
        """Read the trained backend and the score parts.

        Args:
            config: The settings they were trained with.

        Raises:
            RunError: A file is missing or damaged.
        """
        kind = backend_class(config.model.backend)
        options = validate(options_class(kind), config.model.options, "model")
        with self._unchanged():
            try:
                parts = ScoreParts.load(self.path / _PARTS)
            except DataError as error:
                raise RunError(f"run {self} is damaged: {error}; train again") from error
            return Recommender(kind.load(self.path / _BACKEND, options), parts)


def _save_recommender(recommender: Recommender, folder: Path) -> None:
    (folder / _BACKEND).mkdir()
    recommender.backend.save(folder / _BACKEND)
    recommender.parts.save(folder / _PARTS)


def _files(path: Path) -> Iterator[Path]:
    """A file itself, or all files in a folder."""
    yield from [path] if path.is_file() else (file for file in path.rglob("*") if file.is_file())
