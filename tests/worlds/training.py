"""A training in its own process: ``python -m worlds.training FOLDER SETTINGS OPTIONS HOW``, the last three JSON.

Trains a T5 backend on the ring of readers and writes ``weights.safetensors`` and ``result.json`` into FOLDER;
the arguments of further trainings may follow.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch

from kptoolkit import distributed
from kptoolkit.config import validate
from kptoolkit.data.histories import Histories
from kptoolkit.models import FitTask
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.small_worlds import USERS, chain_task

TINY: dict[str, Any] = {"d_model": 16, "heads": 2, "layers": 1, "dropout": 0.0}
AnyT5 = Kp4srBackend | SequenceBackend

BACKENDS: dict[str, dict[str, Any]] = {
    "kp4sr": {"backend": "kp4sr"},
    "sequence": {"backend": "sequence"},
    "trees": {"backend": "sequence", "knowledge": "tree", "trees_per_step": 0},
    "trees in turns": {"backend": "sequence", "knowledge": "tree", "trees_per_step": 6},
}


def untrained(options: dict[str, Any]) -> AnyT5:
    """Create an untrained T5 backend from the options of ``[model]``, ``backend`` among them."""
    given = {"backend": "sequence"} | options
    if given.pop("backend") == "kp4sr":
        return Kp4srBackend(validate(Kp4srBackend.Options, given, "model"))
    return SequenceBackend(validate(SequenceBackend.Options, given, "model"))


def words(folder: Path, settings: dict[str, Any], options: dict[str, Any] | None = None, **how: Any) -> list[str]:
    """Arguments of ``python`` or ``torchrun`` that call :func:`train` in a process."""
    return ["-m", "worlds.training", *one_training(folder, settings, options, **how)]


def one_training(folder: Path, settings: dict[str, Any], options: dict[str, Any] | None, **how: Any) -> list[str]:
    """Arguments of one of the trainings."""
    return [str(folder), *map(json.dumps, (settings, options or {}, how))]


def train(
    folder: Path,
    settings: dict[str, Any],
    options: dict[str, Any] | None = None,
    *,
    resume: bool = False,
    readers: int = USERS,
    kill_at: int | None = None,
) -> list[int]:
    """Train, write weights and result, and return the steps.

    Args:
        folder: Where to write.
        settings: Settings of the task.
        options: Options of the model.
        resume: Whether to resume.
        readers: Number of readers with training events.
        kill_at: The step at which the process kills itself, as ``kill -9`` would.
    """
    steps = []

    def note(event: ProgressEvent) -> None:
        if event.note:
            return
        steps.append(event.done)
        if event.done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    backend = untrained(TINY | (options or {}))
    result = backend.fit(_with_readers(chain_task(folder, settings, resume=resume, progress=note), readers))
    if distributed.is_first():
        weights = {name: weight.clone() for name, weight in backend.fitted.model.state_dict().items()}
        safetensors.torch.save_file(weights, folder / "weights.safetensors")  # tied ones too, whatever their first name
        (folder / "result.json").write_text(json.dumps({"epochs": result.epochs, "best": dict(result.best)}))
    return steps


def learned(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and result that :func:`train` wrote."""
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    return weights, json.loads((folder / "result.json").read_text())


def losses(folder: Path) -> list[float]:
    """The loss of every epoch up to the newest checkpoint."""
    newest = max(folder.glob("checkpoints/*/trainer_state.json"), key=lambda path: int(path.parent.name.split("-")[1]))
    return [row["loss"] for row in json.loads(newest.read_text())["log_history"] if "loss" in row]


def _with_readers(task: FitTask, readers: int) -> FitTask:
    train = task.split.train
    fewer = [train[row].tolist() if row < readers else [] for row in range(len(train))]
    return replace(task, split=replace(task.split, train=Histories.of(fewer)))


if __name__ == "__main__":
    given = iter(sys.argv[1:])
    for place, *rest in zip(given, given, given, given, strict=True):
        settings, options, how = map(json.loads, rest)
        train(Path(place), settings, options, **how)
