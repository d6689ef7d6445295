"""Two processes of torchrun train the same model as one, and one process alone opens no process group."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worlds.command import Done, python
from worlds.padded import SAMPLES, collate, loss_of, train_table
from worlds.training import BACKENDS, learned, losses, one_training, train

from kptoolkit import distributed
from kptoolkit.models.training import Epochs, ProcessBatches


def succeed(done: Done) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


# -- alone --------------------------------------------------------------------------------------------------------


def test_one_process_is_first_and_has_everything() -> None:
    assert (distributed.count(), distributed.number(), distributed.is_first()) == (1, 0, True)
    assert distributed.share(7) == slice(0, 7)
    values = np.array([1.0, 2.0])
    assert distributed.gather(values) is values
    assert distributed.any_of(True)
    assert not distributed.any_of(False)
    distributed.wait()
    assert not torch.distributed.is_initialized()


# -- batches of a process -------------------------------------------------------------------------------------------


def batches_of(monkeypatch: pytest.MonkeyPatch, count: int, size: int, batch: int, epoch: int = 0) -> list[list[Any]]:
    """The batches of every process."""
    found = []
    for number in range(count):
        monkeypatch.setenv("WORLD_SIZE", str(count))
        monkeypatch.setenv("RANK", str(number))
        batches = ProcessBatches(Epochs(size, lambda epoch: None), batch, seed=5)
        batches.set_epoch(epoch)
        assert len(batches) == len(list(batches))
        found.append(list(batches))
    return found


@pytest.mark.parametrize(
    ("count", "size", "batch"), [(1, 10, 4), (2, 10, 2), (2, 9, 4), (3, 19, 2), (4, 5, 8), (3, 6, 2)]
)
def test_all_processes_together_see_the_batches_of_one(
    monkeypatch: pytest.MonkeyPatch, count: int, size: int, batch: int
) -> None:
    whole = batches_of(monkeypatch, 1, size, batch * count)[0]
    parts = batches_of(monkeypatch, count, size, batch)
    assert len({len(part) for part in parts}) == 1, "every process takes as many steps"
    joined = [[sample for share in step for sample in share if sample >= 0] for step in zip(*parts, strict=True)]
    assert joined == whole
    assert sorted(chain(*joined)) == list(range(size))
    for step, batch_of_all in zip(zip(*parts, strict=True), whole, strict=True):
        assert all(min(share) >= 0 or share == [~batch_of_all[0]] for share in step)
        sizes = [len([sample for sample in share if sample >= 0]) for share in step]
        assert max(sizes) - min(sizes) <= 1


def test_every_epoch_has_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (batches_of(monkeypatch, 1, 30, 30, epoch)[0][0] for epoch in (0, 1))
    assert first != second
    assert batches_of(monkeypatch, 1, 30, 30, 1)[0][0] == second


def test_losses_of_parts_sum_to_the_loss_of_the_batch() -> None:
    labels = collate(list(range(8)))["labels"]
    width = labels.shape[1]
    labels = labels.flatten()
    logits = torch.randn(8 * width, SAMPLES, generator=torch.Generator().manual_seed(0))
    targets = (labels != -100).sum()
    parts = [
        loss_of(logits[part], labels[part], targets) for part in (slice(0, 3 * width), slice(3 * width, 8 * width))
    ]
    whole = loss_of(logits, labels, None)
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(whole, torch.nn.functional.cross_entropy(logits, labels))
    nothing = loss_of(logits[:1], torch.full_like(labels[:1], -100), targets)
    assert nothing == 0, "a process left without samples adds nothing"


# -- two ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.slow
def test_unequal_numbers_of_targets_have_the_same_weight(tmp_path: Path) -> None:
    """21 samples in batches of 4: the last batch has one, so that one of two processes has none."""
    train_table(tmp_path / "one", 4)
    succeed(python("-m", "worlds.padded", str(tmp_path / "two"), "2", count=2))
    one, two = (json.loads((tmp_path / name / "losses.json").read_text()) for name in ("one", "two"))
    assert len(one["losses"]) == 4
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    np.testing.assert_allclose(two["weights"], one["weights"], atol=1e-5)


LEARNING = {"training.epochs": 4, "training.eval_every": 2, "training.learning_rate": 0.01, "tree.degree": 1}


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every backend trained by two processes, one after the other: most of their time goes into starting them."""
    folder, settings = tmp_path_factory.mktemp("two"), LEARNING | {"training.batch_size": 29}
    trainings = [one_training(folder / name, settings, options, readers=59) for name, options in BACKENDS.items()]
    succeed(python("-m", "worlds.training", *chain(*trainings), count=2))
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("two processes")
@pytest.mark.parametrize("backend", list(BACKENDS))
def test_two_processes_learn_what_one_learns(tmp_path: Path, by_two: Path, backend: str) -> None:
    """59 readers in batches of 58: the last batch has one."""
    one, two = tmp_path / "one", by_two / backend
    train(one, LEARNING | {"training.batch_size": 58}, BACKENDS[backend], readers=59)
    assert len(losses(one)) == 4
    np.testing.assert_allclose(losses(two), losses(one), rtol=1e-4)
    (weights, result), (expected, expected_result) = learned(two), learned(one)
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], atol=2e-4, rtol=1e-3, msg=name)
    assert result["epochs"] == expected_result["epochs"] == 4
    assert result["best"] == pytest.approx(expected_result["best"], abs=1e-6)


GATHER = """
import numpy as np
from kptoolkit import distributed
own = np.arange(10, dtype=float)[distributed.share(3)]  # one row, then two
assert distributed.gather(own).tolist() == [0.0, 1.0, 2.0]
assert distributed.gather(np.zeros(distributed.number())).tolist() == [0.0], "the first brings nothing"
assert distributed.any_of(distributed.number() == 1) and not distributed.any_of(False)
distributed.wait()
"""


@pytest.mark.slow
def test_gathering(tmp_path: Path) -> None:
    (tmp_path / "gather.py").write_text(GATHER)
    succeed(python(str(tmp_path / "gather.py"), count=2))


FAIL = """
from kptoolkit import distributed
if distributed.number() == 1:
    raise SystemExit("this one fails")
distributed.wait()
raise SystemExit("never said")
"""


@pytest.mark.slow
def test_an_error_in_one_process_ends_all(tmp_path: Path) -> None:
    (tmp_path / "fail.py").write_text(FAIL)
    done = python(str(tmp_path / "fail.py"), count=2)
    assert done.returncode == 1
    assert "this one fails" in done.stderr
    assert "never said" not in done.stderr
