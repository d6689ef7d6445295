"""The folder of a run: the only module that knows how its files are named."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from kptoolkit.config import Config, difference, to_toml, validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import DataError, RunError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.models import FitResult, backend_class, options_class
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.parts.score_parts import ScoreParts
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.manifest import Manifest, write_json
from kptoolkit.storage.arrays import checksum
from kptoolkit.storage.atomic import atomic_parts, atomic_write, write_text
from kptoolkit.storage.write_errors import write_errors

_MANIFEST, _CONFIG, _TRAINING = "manifest.json", "config.toml", "training.json"
_CATALOGUE, _INTERACTIONS = "catalogue.parquet", "interactions.parquet"
_PACK, _NEIGHBOURHOODS, _BACKEND, _PARTS = "pack", "neighbourhoods", "backend", "parts"
_CHECKPOINTS, _LOGS, _CONTROLS = "checkpoints", "tensorboard", "controls"
_WITH_CHECKSUMS = (_BACKEND, _PARTS, _CONFIG, _CATALOGUE, _INTERACTIONS, _PACK, _NEIGHBOURHOODS)


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
    """

    manifest: Manifest
    resumed: bool


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

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether the folder contains a run, finished or not."""
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
        settings.

        Args:
            config: Settings of the training.
            resume: Whether there must be an unfinished run.
            overwrite: Whether a run that is there will be replaced.

        Raises:
            RunError: The folder contains a finished run, an unfinished one of other settings, or other files; or there
                is nothing to resume.
        """
        settings = plain_settings(config)
        if self.exists:
            return self._begin_over(settings, overwrite=overwrite)
        if resume:
            raise RunError(f"{self} holds no unfinished run to resume; leave out --resume to begin one")
        if self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir())):
            raise RunError(f"{self} is not empty and not a run; give another --run")
        return Start(Manifest(settings=settings), resumed=False)

    def _begin_over(self, settings: dict[str, Any], *, overwrite: bool) -> Start:
        if overwrite:
            return Start(Manifest(settings=settings), resumed=False)
        earlier = self.read_manifest()
        if earlier.status == "finished":
            raise RunError(f"{self} holds a finished run; give another --run, or --overwrite to replace it")
        if not any(self.checkpoints.glob("*")):
            return Start(Manifest(settings=settings), resumed=False)
        if (different := difference(earlier.settings, settings)) is not None:
            raise RunError(
                f"{self} holds an unfinished run with another {different}; give the same settings, another --run, "
                "or --overwrite"
            )
        return Start(earlier, resumed=True)

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
        path = self.path / _MANIFEST
        if not path.is_file():
            raise RunError(f"{self} is not a run: it holds no {_MANIFEST}; `kptool fit --run {self}` makes one")
        try:
            return Manifest(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path} is damaged: {error}; train again into another folder") from error

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, atomically; the folder is created if it is missing."""
        with write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.path / _MANIFEST, asdict(manifest))

    def seal(self, manifest: Manifest) -> None:
        """Mark the run as finished, and record the checksums of all files that belong to it."""
        files = sorted(self._checked_files())
        manifest.files = {str(file.relative_to(self.path)): checksum(file) for file in files}
        manifest.status = "finished"
        self.write_manifest(manifest)

    def verify(self, manifest: Manifest) -> None:
        """Compare the files with their checksums.

        Raises:
            RunError: A file is missing or differs; the message names it.
        """
        for name, expected in manifest.files.items():
            path = self.path / name
            if not path.is_file():
                raise RunError(f"run {self} is damaged: {name} is missing; train again into another folder")
            if checksum(path) != expected:
                raise RunError(f"run {self} is damaged: {name} is not what training wrote; train again")

    def _checked_files(self) -> Iterator[Path]:
        for part in (self.path / name for name in _WITH_CHECKSUMS):
            yield from [part] if part.is_file() else (file for file in part.rglob("*") if file.is_file())

    # -- writing ------------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Delete the folder, if it exists."""
        shutil.rmtree(self.path, ignore_errors=True)

    def write_inputs(self, prepared: Prepared, manifest: Manifest) -> None:
        """Write what a run is trained on: settings, catalogue, interactions, pack and neighbourhoods.

        Args:
            prepared: The inputs.
            manifest: Gets their fingerprints.

        Raises:
            RunError: The interrupted training that is resumed had other inputs.
        """
        knowledge = prepared.knowledge
        fingerprints = {
            "graph": prepared.graph_fingerprint,
            "neighbourhoods": knowledge.neighbourhoods.fingerprint,
            "interactions": prepared.interactions.content_hash(),
        }
        for part, value in fingerprints.items():
            if manifest.fingerprints.get(part, value) != value:
                raise RunError(f"{self} was begun with other {part}; give another --run, or --overwrite to start again")
        self.write_manifest(manifest)
        with write_errors(self.path):
            write_text(self.config_file, to_toml(prepared.config))
            prepared.catalogue.save(self.path / _CATALOGUE)
            prepared.interactions.save(self.path / _INTERACTIONS)
            knowledge.pack.save(self.path / _PACK)
            knowledge.neighbourhoods.save(self.path / _NEIGHBOURHOODS)
        manifest.fingerprints = fingerprints
        self.write_manifest(manifest)

    def write_outputs(self, recommender: Recommender, result: FitResult, manifest: Manifest) -> None:
        """Write the trained backend, the score parts and the course of the training, and seal the run."""
        self.replace(recommender)
        training = {"epochs": result.epochs, "best": result.best, "history": result.history, "figures": result.figures}
        with write_errors(self.path):
            write_json(self.path / _TRAINING, training)
        manifest.reports["training"] = {"epochs": result.epochs, "best": dict(result.best), **result.figures}
        manifest.reports["parts"] = {"weights": recommender.parts.weights, **recommender.parts.report}
        self.seal(manifest)

    def replace(
        self, recommender: Recommender, *, catalogue: Saveable | None = None, neighbourhoods: Saveable | None = None
    ) -> None:
        """Replace backend, score parts and, if given, other files, after all were written under temporary names.

        An error puts the old parts back; see :func:`~kptoolkit.storage.atomic.atomic_parts` for a killed process.
        Checksums are those of the old parts until :meth:`seal`.

        Raises:
            OSError: A part cannot be written; the run is what it was before.
        """
        with write_errors(self.path), atomic_parts(self.path) as temporary:
            (temporary / _BACKEND).mkdir()
            recommender.backend.save(temporary / _BACKEND)
            recommender.parts.save(temporary / _PARTS)
            if catalogue is not None:
                catalogue.save(temporary / _CATALOGUE)
            if neighbourhoods is not None:
                neighbourhoods.save(temporary / _NEIGHBOURHOODS)

    def write_evaluation(self, split: str, report: Mapping[str, Any], per_user: pd.DataFrame) -> None:
        """Write the results of an evaluation.

        Args:
            split: Name of the split that was ranked.
            report: The table of metrics, JSON-able.
            per_user: One row per case.
        """
        with write_errors(self.path):
            write_json(self.path / f"metrics-{split}.json", report)
            with atomic_write(self.path / f"per-user-{split}.parquet") as temporary:
                per_user.to_parquet(temporary)

    # -- reading ------------------------------------------------------------------------------------------------------

    def control(self, name: str) -> RunFolder:
        """The folder of a control."""
        return RunFolder(self.path / _CONTROLS / name)

    def settings(self) -> dict[str, Any]:
        """Read the settings of the run, by section."""
        return tomllib.loads(self.config_file.read_text(encoding="utf-8"))

    def catalogue(self) -> Catalogue:
        """Read the items."""
        return Catalogue.load(self.path / _CATALOGUE)

    def interactions(self) -> Interactions:
        """Read the events."""
        return Interactions.load(self.path / _INTERACTIONS)

    def pack(self) -> TemplatePack:
        """Read the template pack."""
        return TemplatePack.load(self.path / _PACK)

    def neighbourhoods(self) -> Neighbourhoods:
        """Read what was fetched from the graph."""
        return Neighbourhoods.load(self.path / _NEIGHBOURHOODS)

    def training(self) -> dict[str, Any]:
        """Read the course of the training: epochs, best metrics, history and figures; empty if it was not written."""
        return self._read_json(self.path / _TRAINING)

    def losses(self) -> list[tuple[float, float]]:
        """Read epoch and training loss from the newest checkpoint; empty if no checkpoint is kept."""
        from kptoolkit.models.training import last_checkpoint

        newest = last_checkpoint(self.checkpoints)
        state = {} if newest is None else self._read_json(Path(newest) / "trainer_state.json")
        return [(float(row["epoch"]), float(row["loss"])) for row in state.get("log_history", ()) if "loss" in row]

    def evaluation(self, split: str) -> dict[str, Any]:
        """Read what :meth:`write_evaluation` wrote for a split; empty if that was not evaluated."""
        return self._read_json(self.path / f"metrics-{split}.json")

    def _read_json(self, path: Path) -> dict[str, Any]:
        """A JSON object; empty if there is no such file."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error}; remove it, or write it again") from error
        return dict(found)

    def recommender(self, config: Config) -> Recommender:
        """Read the trained backend and the score parts.

        Args:
            config: The settings they were trained with.

        Raises:
            RunError: A file is missing or damaged.
        """
        kind = backend_class(config.model.backend)
        options = validate(options_class(kind), config.model.options, "model")
        try:
            parts = ScoreParts.load(self.path / _PARTS)
        except DataError as error:
            raise RunError(f"run {self} is damaged: {error}; train again") from error
        return Recommender(kind.load(self.path / _BACKEND, options), parts)


def plain_settings(config: Config) -> dict[str, Any]:
    """The settings that decide a training, as JSON-able values without the password."""
    return config.model_dump(mode="json", exclude={"run"}, exclude_none=True)
