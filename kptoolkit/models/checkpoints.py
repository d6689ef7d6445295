"""The checkpoints of a training: which are complete, and how one that may be damaged is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kptoolkit.errors import KptoolError, RunError
from kptoolkit.storage.atomic import write_text

COMPLETE = "complete"
"""Name of the file that is written last."""
STATE = "trainer_state.json"


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint."""
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}") if _step(path.parent) >= 0]
    newest = max(complete, key=_step, default=None)
    return None if newest is None else str(newest)


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdecimal() and len(number) < 20 else -1


def can_resume(folder: Path) -> bool:
    """Whether a training left something to resume: a complete checkpoint, or files of a backend that writes its own."""
    own = (path for path in folder.glob("*") if not path.name.startswith("checkpoint-"))
    return last_checkpoint(folder) is not None or any(own)


def remove_checkpoints(folder: Path, *, complete: bool) -> None:
    """Remove incomplete checkpoints, whose names new ones may need; complete ones too if ``complete``."""
    for path in folder.glob("checkpoint-*"):
        if complete or not (path / COMPLETE).exists():
            shutil.rmtree(path)


def fix_best_path(checkpoint: Path) -> None:
    """Correct the path of the best checkpoint in ``checkpoint``: the run may have been moved.

    Raises:
        RunError: The checkpoint is damaged.
    """
    with readable(checkpoint):
        state = _state(checkpoint)
        best = state["best_model_checkpoint"]
        state["best_model_checkpoint"] = None if best is None else str(checkpoint.parent / Path(best).name)
    if best is not None:
        write_text(checkpoint / STATE, json.dumps(state, indent=2) + "\n")


def has_stopped(checkpoint: str | Path) -> bool:
    """Whether training had ended when a checkpoint was written, by early stopping or the time limit.

    Raises:
        RunError: The checkpoint is damaged.
    """
    with readable(checkpoint):
        return bool(_state(checkpoint)["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"])


def _state(checkpoint: str | Path) -> dict[str, Any]:
    return dict(json.loads((Path(checkpoint) / STATE).read_text(encoding="utf-8")))


@contextmanager
def readable(checkpoint: str | Path) -> Iterator[None]:
    """Turn every failure to read a checkpoint into one error; the library's own text may advise to trust the file.

    Raises:
        RunError: In place of the failure.
    """
    try:
        yield
    except KptoolError:
        raise
    except Exception as error:  # the libraries raise anything for a file that holds anything
        raise RunError(
            f"checkpoint {checkpoint} is damaged ({type(error).__name__}); remove it to resume from an earlier one, or "
            "train again with --overwrite"
        ) from error
