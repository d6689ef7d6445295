"""What happens between the steps of a training: early stopping, averaged weights, progress and the time limit."""

from __future__ import annotations

import math
import time
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback

from kptoolkit import distributed
from kptoolkit.models.weight_average import WeightAverage
from kptoolkit.progress import ProgressCallback, ProgressEvent

METRIC = "NDCG@10"
GAIN = 0.01
"""Share by which an evaluation has to be better so that patience starts again."""
STAGE = "train"


class EarlyStopping(EarlyStoppingCallback):  # type: ignore[misc]
    """Ends training after some evaluations without a gain of 1 % over the last one that counted as a gain."""

    def __init__(self, early_stopping_patience: int = 1, early_stopping_threshold: float = GAIN) -> None:
        super().__init__(early_stopping_patience, early_stopping_threshold)
        self.counted: float | None = None

    def check_metric_value(self, args: Any, state: Any, control: Any, metric_value: float) -> None:
        """Count an evaluation without a gain, or start again at one with a gain."""
        if self.counted is None or metric_value > self.counted * (1 + self.early_stopping_threshold):
            self.counted, self.early_stopping_patience_counter = float(metric_value), 0
        else:
            self.early_stopping_patience_counter += 1

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        kept: dict[str, Any] = super().state()
        kept["attributes"]["counted"] = self.counted
        return kept


class Averaging(TrainerCallback):  # type: ignore[misc]
    """Takes the weights of every step into their average."""

    def __init__(self, average: WeightAverage | None) -> None:
        self.average = average

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take in the weights of this step."""
        if self.average is not None:
            self.average.update(state.global_step)


class Watch(TrainerCallback):  # type: ignore[misc]
    """Reports progress and enforces the time limit."""

    def __init__(self, max_minutes: float | None, progress: ProgressCallback) -> None:
        self.deadline = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
        self.progress = progress
        self.info: dict[str, float | str] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Remember the latest loss."""
        if (loss := (logs or {}).get("loss")) is not None:
            self.info["loss"] = round(float(loss), 4)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Report the validation metric."""
        self.info[f"valid {METRIC}"] = round(metrics[f"eval_{METRIC}"], 4)
        self.progress(ProgressEvent(STAGE, state.global_step, state.max_steps, "steps", dict(self.info)))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Report the step; start a last evaluation when time is up."""
        self.progress(ProgressEvent(STAGE, state.global_step, state.max_steps, "steps"))
        if self.deadline < math.inf and distributed.any_of(time.monotonic() > self.deadline):
            control.should_evaluate = control.should_save = control.should_training_stop = True
        return control

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report the end, so that the time of a training that stopped early does not run on."""
        info = dict(self.info)
        self.progress(ProgressEvent(STAGE, state.global_step, state.max_steps, "steps", info, stopped=True))
