"""A training that was interrupted is resumed and ends as if it had not been."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from worlds.command import python
from worlds.marks import needs
from worlds.training import BACKENDS, learned, train, words

from kptoolkit.errors import RunError

SETTINGS = {"training.epochs": 5, "training.eval_every": 1, "training.learning_rate": 0.01, "tree.degree": 1}
"""Four steps per epoch."""
DROPOUT = {"dropout": 0.2}
IDLE = SETTINGS | {"training.epochs": 50, "training.learning_rate": 1e-12, "training.patience": 3}
"""Nothing is learned: training ends by lack of patience after the fourth evaluation."""


def same(one: Path, other: Path) -> None:
    """Check that two trainings ended with the same bits: the best weights and those of the last step."""
    (weights, result), (expected, expected_result) = learned(one), learned(other)
    assert result == expected_result
    last = max(checkpoints(one))
    assert last == max(checkpoints(other))
    files = [
        safetensors.torch.load_file(folder / f"checkpoints/checkpoint-{last}/model.safetensors")
        for folder in (one, other)
    ]
    for found, wanted in ((weights, expected), files):
        assert found.keys() == wanted.keys()
        for name, weight in found.items():
            assert torch.equal(weight, wanted[name]), name


def checkpoints(folder: Path) -> set[int]:
    """Steps of the checkpoints that are there."""
    return {int(path.name.split("-")[1]) for path in folder.glob("checkpoints/*")}


def cut_off(folder: Path, step: int, settings: dict[str, Any], options: dict[str, Any] | None = None) -> None:
    """Train in a process that is killed at a step."""
    done = python(*words(folder, settings, options, kill_at=step))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (folder / "result.json").exists()


@pytest.fixture(scope="module")
@needs("train")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder, SETTINGS, DROPOUT)
    return folder


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["kp4sr", "trees in turns"])
def test_any_backend_killed_in_mid_epoch(tmp_path: Path, backend: str) -> None:
    """The other tests kill the default; stored vectors of trees are part of what is resumed."""
    options = BACKENDS[backend] | DROPOUT
    train(tmp_path / "whole", SETTINGS, options)
    cut_off(tmp_path / "cut", 14, SETTINGS, options)
    assert train(tmp_path / "cut", SETTINGS, options, resume=True)[0] == 13
    same(tmp_path / "cut", tmp_path / "whole")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was killed in the middle of its fourth epoch."""
    folder = tmp_path_factory.mktemp("killed")
    cut_off(folder, 14, SETTINGS, DROPOUT)
    return folder


@pytest.mark.slow
def test_killed_in_mid_epoch(whole: Path, killed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "run"))
    assert max(checkpoints(folder)) == 12
    assert train(folder, SETTINGS, DROPOUT, resume=True)[0] == 13
    same(folder, whole)


@pytest.mark.slow
def test_killed_while_a_checkpoint_was_written(whole: Path, killed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(killed, tmp_path / "run"))
    (folder / "checkpoints" / "checkpoint-12" / "complete").unlink()
    (folder / "checkpoints" / "checkpoint-12" / "optimizer.pt").write_bytes(b"half")
    (earlier,) = checkpoints(folder) - {12}
    assert train(folder, SETTINGS, DROPOUT, resume=True)[0] == earlier + 1
    same(folder, whole)


@pytest.mark.long
@pytest.mark.slow
def test_patience_counts_on(tmp_path: Path) -> None:
    train(tmp_path / "whole", IDLE)
    assert learned(tmp_path / "whole")[1]["epochs"] == 4
    cut_off(tmp_path / "cut", 14, IDLE)
    train(tmp_path / "cut", IDLE, resume=True)
    same(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.train
def test_killed_after_the_last_step(tmp_path: Path) -> None:
    """Early stopping had ended it, the run was not written, its folder was moved: resuming trains no further step."""
    train(tmp_path / "whole", IDLE)
    assert min(checkpoints(tmp_path / "whole")) == 4, "the best is not the last"
    train(tmp_path / "begun", IDLE)
    shutil.move(tmp_path / "begun", tmp_path / "cut")
    (tmp_path / "cut" / "weights.safetensors").unlink()
    assert train(tmp_path / "cut", IDLE, resume=True) == []
    same(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.train
def test_a_new_training_where_another_was(whole: Path, tmp_path: Path) -> None:
    """Checkpoints of the earlier training, of later steps than the new one, do not replace the new ones."""
    folder = tmp_path / "run"
    train(folder, SETTINGS | {"training.epochs": 8}, DROPOUT)
    assert max(checkpoints(folder)) == 32
    assert train(folder, SETTINGS, DROPOUT)[0] == 1
    assert max(checkpoints(folder)) == 20
    same(folder, whole)


class Planted:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.train
@pytest.mark.parametrize("name", ["trainer_state.json", "optimizer.pt", "rng_state.pth"])
def test_a_damaged_checkpoint_is_named_and_never_trusted(whole: Path, tmp_path: Path, name: str) -> None:
    """The error of torch would advise to read the file without ``weights_only``."""
    for number, content in enumerate([b"\x80\x02half", None]):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        shutil.rmtree(folder / "checkpoints" / "checkpoint-20")  # of the last epoch
        (last,) = checkpoints(folder)
        file = folder / "checkpoints" / f"checkpoint-{last}" / name
        if content is None:
            torch.save({"x": Planted(tmp_path / "ran")}, file)
        else:
            file.write_bytes(content)
        with pytest.raises(RunError, match=rf"checkpoint .*checkpoint-{last} is damaged \(\w+\); remove it") as caught:
            train(folder, SETTINGS, DROPOUT, resume=True)
        assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
