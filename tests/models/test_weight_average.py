"""The moving average of weights: what it is, when it is used, and that early stopping ignores tiny gains."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from transformers import EarlyStoppingCallback
from worlds.training import untrained

from kptoolkit.models.training_callbacks import GAIN, EarlyStopping
from kptoolkit.models.weight_average import FILE, WeightAverage
from kptoolkit.testing.small_worlds import chain_task

DECAY = 0.8


class Small(nn.Module):
    """One trained weight, one that is frozen, and a buffer."""

    stored: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trained = nn.Parameter(torch.zeros(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("stored", torch.zeros(2))


def averaged(values: list[float]) -> tuple[Small, WeightAverage]:
    """A model whose trained weight had these values after each step."""
    model = Small()
    average = WeightAverage(model, DECAY)
    for step, value in enumerate(values, 1):
        with torch.no_grad():
            model.trained.fill_(value)
        average.update(step)
    return model, average


def test_it_is_the_weighted_mean_over_steps_by_hand() -> None:
    values = [1.0, 3.0, -2.0, 5.0, 4.0] * 20
    expected = 0.0
    for step, value in enumerate(values, 1):
        decay = min(DECAY, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    model, average = averaged(values)
    average.copy_to_model()
    np.testing.assert_allclose(model.trained.detach(), expected, rtol=1e-5)
    assert (model.frozen == 1).all()


def test_weights_and_buffers_are_put_back_also_after_an_error(tmp_path: Path) -> None:
    model, average = averaged([1.0, 2.0, 7.0])

    def fail() -> None:
        with average.in_model():
            assert (model.trained < 7).all()
            model.stored += 3
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert (model.trained == 7).all()
    assert not model.stored.any()
    average.save(tmp_path)
    other = WeightAverage(Small(), DECAY)
    other.load(tmp_path)
    other.copy_to_model()
    average.copy_to_model()
    assert torch.equal(other.model.trained, model.trained)  # type: ignore[arg-type]
    assert set(safetensors.torch.load_file(tmp_path / FILE)) == {"trained"}


@pytest.mark.train
@pytest.mark.parametrize("options", [{}, {"backend": "kp4sr"}, {"knowledge": "tree", "trees_per_step": 8}])
def test_the_average_is_validated_and_kept(options: dict[str, Any], tmp_path: Path) -> None:
    """The weights of the run are the averages of the best checkpoint, and rank as its evaluation said."""
    task = chain_task(tmp_path, {"training.epochs": 4, "training.learning_rate": 0.01})
    fitted = untrained({"d_model": 16, "heads": 2, "layers": 1, **options})
    result = fitted.fit(task)
    best = max(result.history, key=lambda row: row["eval_NDCG@10"])
    step = round(best["step"])
    folder = task.checkpoints / f"checkpoint-{step}"
    averages = safetensors.torch.load_file(folder / FILE)
    raw = safetensors.torch.load_file(folder / "model.safetensors")
    weights = dict(fitted.fitted.model.named_parameters())
    changed = 0
    for name, average in averages.items():
        assert torch.equal(weights[name].detach(), average), name
        changed += bool((average != raw.get(name, average)).any())
    assert changed
    assert task.validate(fitted.score)["NDCG@10"] == pytest.approx(best["eval_NDCG@10"], abs=1e-6)


@pytest.mark.train
def test_without_an_average_the_weights_are_those_of_the_best_step(tmp_path: Path) -> None:
    task = chain_task(tmp_path, {"training.weight_average": 0.0})
    fitted = untrained({"d_model": 16, "heads": 2, "layers": 1})
    result = fitted.fit(task)
    best = max(result.history, key=lambda row: row["eval_NDCG@10"])
    folder = task.checkpoints / f"checkpoint-{round(best['step'])}"
    assert not (folder / FILE).exists()
    raw = safetensors.torch.load_file(folder / "model.safetensors")
    weights = dict(fitted.fitted.model.named_parameters())
    assert all(torch.equal(weights[name].detach(), value) for name, value in raw.items() if name in weights)


@pytest.mark.parametrize(
    ("figures", "stops"),
    [
        ([0.1, 0.1001, 0.1002, 0.1003], True),
        ([0.1, 0.1006, 0.1012, 0.1018], False),
        ([0.1, 0.09, 0.1005, 0.1009], True),
        ([0.0, 0.0, 0.0, 0.0], True),
        ([0.1, 0.09, 0.08, 0.12], False),
    ],
)
def test_gains_that_are_tiny_together_do_not_prolong_a_training(figures: list[float], stops: bool) -> None:
    stopping = EarlyStopping(3)
    control = SimpleNamespace(should_training_stop=False)
    args = SimpleNamespace(metric_for_best_model="x", greater_is_better=True)
    for figure in figures:
        stopping.on_evaluate(args, SimpleNamespace(best_metric=0.2), control, {"eval_x": figure})
    assert control.should_training_stop is stops
    again = EarlyStopping.from_state(stopping.state())
    assert isinstance(again, EarlyStoppingCallback)
    assert (again.counted, again.early_stopping_threshold) == (stopping.counted, GAIN)
    assert again.early_stopping_patience_counter == stopping.early_stopping_patience_counter
