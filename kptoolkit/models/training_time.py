"""Estimates how long a training will take, before its first step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kptoolkit.config import TrainingConfig
from kptoolkit.data.histories import Cases
from kptoolkit.names import quantity

_STEPS = 5  # measured, after one that is not
_CASES = 256


@dataclass(frozen=True)
class Duration:
    """How long a training may take.

    Attributes:
        epochs: Most epochs.
        steps: Steps per epoch.
        step: Seconds per step.
        evaluation: Seconds per evaluation.
        evaluations: Most evaluations.
        patience: Evaluations without a gain after which training stops.
        max_minutes: Time limit of the settings.
    """

    epochs: int
    steps: int
    step: float
    evaluation: float
    evaluations: int
    patience: int
    max_minutes: float | None

    @property
    def seconds(self) -> float:
        """Seconds of all epochs and evaluations, at most the time limit."""
        limit = math.inf if self.max_minutes is None else 60 * self.max_minutes
        return min(limit, self.epochs * self.steps * self.step + self.evaluations * self.evaluation)

    def __str__(self) -> str:
        epochs, steps = quantity(self.epochs, "epochs"), quantity(self.steps, "steps")
        return (
            f"{shown(self.seconds)} for all {epochs} of {steps}; ends earlier after "
            f"{quantity(self.patience, 'evaluations')} without a gain of 1 %"
        )


def shown(seconds: float) -> str:
    """A duration for people: ``"about 40 s"``, ``"about 6 min"``, ``"about 1 h 20 min"``."""
    if seconds < 59.5:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest} min" if hours else f"about {minutes} min"


def measure_duration(
    model: nn.Module,
    batches: Sequence[Sequence[int]],
    collate: Callable[[list[int]], dict[str, Any]],
    score: Callable[[Cases], NDArray[np.float32]],
    valid: Cases,
    settings: TrainingConfig,
) -> Duration:
    """Measure some steps without an update of the weights, and the scoring of some validation cases.

    Weights, buffers, gradients and the state of random numbers are the same before and after.

    Args:
        model: As in :func:`kptoolkit.models.training.train`.
        batches: Sample numbers of all batches of an epoch.
        collate: Turns sample numbers into tensors.
        score: Scores the catalogue by the current weights.
        valid: All validation cases.
        settings: ``[training]``.
    """
    chosen = [batches[int(place)] for place in np.linspace(0, len(batches) - 1, min(_STEPS, len(batches)))]
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.random.fork_rng(devices=devices):
        model.train()
        _step(model, collate, chosen[0])
        started = time.monotonic()
        for batch in chosen:
            _step(model, collate, batch)
        step = (time.monotonic() - started) / len(chosen)
        model.zero_grad(set_to_none=True)
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
        evaluation = _evaluation(model, score, valid)
    steps = math.ceil(len(batches) / settings.accumulation)
    evaluations = settings.epochs // settings.eval_every
    return Duration(
        settings.epochs,
        steps,
        step * settings.accumulation,
        evaluation,
        evaluations,
        settings.patience,
        settings.max_minutes,
    )


def _step(model: nn.Module, collate: Callable[[list[int]], dict[str, Any]], batch: Sequence[int]) -> None:
    device = next(model.parameters()).device
    tensors = {name: _moved(value, device) for name, value in collate(list(batch)).items()}
    targets = int((tensors["labels"] >= 0).sum())
    model(**tensors, num_items_in_batch=max(1, targets))["loss"].backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return {name: _moved(each, device) for name, each in value.items()}


def _evaluation(model: nn.Module, score: Callable[[Cases], NDArray[np.float32]], valid: Cases) -> float:
    """Estimate the seconds to score all validation cases by those of some of them."""
    some = valid.take(np.linspace(0, len(valid) - 1, min(_CASES, len(valid))).astype(np.int64))
    model.eval()
    started = time.monotonic()
    score(some)
    return (time.monotonic() - started) * len(valid) / max(1, len(some))
