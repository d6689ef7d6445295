"""Training by the Hugging Face Trainer: AdamW, warm-up, accumulation, early stopping, TensorBoard, exact resume."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from kptoolkit.config import TrainingConfig
from kptoolkit.data.splits import Cases
from kptoolkit.errors import TrainingError
from kptoolkit.models.backend import FitResult, FitTask
from kptoolkit.progress import ProgressCallback, ProgressEvent

METRIC = "NDCG@10"
_COMPLETE = "complete"
_STAGE = "train"
Validate = Callable[[], dict[str, float]]
Order = Callable[[int, int], NDArray[np.int64]]


class Epochs(Dataset[int]):
    """Sample numbers of an epoch; the collator looks the samples up, knowing the epoch from here.

    Args:
        size: Samples an epoch.
        on_epoch: Called with the number of an epoch before its first batch.
        order: Gives all sample numbers of an epoch in the order of training, the same in every process, from the
            number of the epoch and the samples of all processes in one step; unset: shuffled.
    """

    def __init__(self, size: int, on_epoch: Callable[[int], None], order: Order | None = None) -> None:
        self.size, self.on_epoch, self.order = size, on_epoch, order
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        return index

    def set_epoch(self, epoch: int) -> None:
        """Told by the data loader before every epoch, also when training resumes."""
        self.epoch = epoch
        self.on_epoch(epoch)


class _Ordered(Sampler[int]):
    """Samples in the order the data gives for its epoch; the epoch is told to the data, before every iteration."""

    def __init__(self, data: Epochs, order: Order, together: int) -> None:
        self.data, self.order, self.together = data, order, together

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self.data.epoch, self.together).tolist())


def train(
    model: nn.Module,
    data: Epochs,
    collate: Callable[[list[int]], dict[str, torch.Tensor]],
    validate: Validate,
    settings: TrainingConfig,
    folder: Path,
    *,
    resume: bool,
    progress: ProgressCallback,
) -> _Trainer:
    """Train ``model`` in place; it ends with the weights that were best on validation.

    Args:
        model: Its ``forward`` takes what ``collate`` gives and returns a dict with ``loss``.
        data: Sample numbers.
        collate: Turns sample numbers into tensors.
        validate: Full ranking on the validation cases.
        settings: ``[training]``.
        folder: Takes ``checkpoints/`` and ``tensorboard/``.
        resume: Go on from the last whole checkpoint, if there is one.
        progress: Told about steps, loss and validation.

    Raises:
        TrainingError: The loss is not a number; the message names the step.
    """
    transformers_logging.set_verbosity_error()
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    trainer = _Trainer(
        model=model,
        args=_arguments(settings, folder / "checkpoints", len(data)),
        train_dataset=data,
        eval_dataset=data,  # asked for by Trainer; evaluate() ranks the validation cases instead
        data_collator=collate,
        callbacks=[EarlyStoppingCallback(settings.patience)],
    )
    trainer.validate = validate
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Watch(settings.max_minutes, progress))
    trainer.train(resume_from_checkpoint=last_checkpoint(folder / "checkpoints") if resume else None)
    return trainer


def train_and_report(
    model: nn.Module,
    data: Epochs,
    collate: Callable[[list[int]], dict[str, torch.Tensor]],
    score: Callable[[Cases], NDArray[np.float32]],
    task: FitTask,
    figures: Callable[[], dict[str, float]],
) -> FitResult:
    """:func:`train` by the settings of a task, and what is to be said of it.

    Args:
        model: As in :func:`train`.
        data: As in :func:`train`.
        collate: As in :func:`train`.
        score: Scores of the catalogue by the weights of the moment; ranks the validation cases.
        task: Settings, validation, folder.
        figures: Further figures of the objective, asked at the end.

    Raises:
        TrainingError: The loss is not a number; the message names the step.
    """
    torch.set_flush_denormal(True)  # on CPU, numbers next to zero are many times slower than zero
    started = time.monotonic()
    trainer = train(
        model,
        data,
        collate,
        lambda: task.validate(score),
        task.config.training,
        task.folder,
        resume=task.resume,
        progress=task.progress,
    )
    model.eval()
    history = [row for row in trainer.state.log_history if f"eval_{METRIC}" in row]
    best: dict[str, float] = max(history, key=lambda row: float(row[f"eval_{METRIC}"]), default={})
    metrics = {key.removeprefix("eval_"): float(value) for key, value in best.items() if key.startswith("eval_")}
    told = {
        "parameters": float(sum(p.numel() for p in model.parameters())),
        "training_seconds": time.monotonic() - started,
        **figures(),
    }
    return FitResult(float(trainer.state.epoch or 0), metrics, [dict(row) for row in history], told)


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{_COMPLETE}")]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return None if newest is None else str(newest)


class _Trainer(Trainer):  # type: ignore[misc]
    """Trainer whose evaluation is full ranking, and whose checkpoints hold no pickled arguments."""

    validate: Validate
    control: TrainerControl

    def _get_train_sampler(self, train_dataset: Epochs | None = None) -> Sampler[int] | None:
        data: Epochs = train_dataset or self.train_dataset
        if data.order is None:
            shuffled: Sampler[int] | None = super()._get_train_sampler(data)
            return shuffled
        return _Ordered(data, data.order, self.args.train_batch_size * self.args.world_size)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Validation metrics, named as Trainer expects them."""
        was_training = self.model.training
        self.model.eval()
        metrics = {f"eval_{name}": value for name, value in self.validate().items()}
        self.model.train(was_training)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.accelerator.unwrap_model(self.model)
        safetensors.torch.save_model(model, str(folder / "model.safetensors"))

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        unwrapped = self.accelerator.unwrap_model(model or self.model)
        safetensors.torch.load_model(unwrapped, str(Path(resume_from_checkpoint) / "model.safetensors"))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / _COMPLETE).touch()


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Reports progress, keeps the time limit and stops when the loss is not a number."""

    def __init__(self, max_minutes: float | None, progress: ProgressCallback) -> None:
        self.deadline = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
        self.progress = progress
        self.info: dict[str, float | str] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Keep the latest loss; raise where it is not finite."""
        loss = (logs or {}).get("loss")
        if loss is not None:
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is not a number at step {state.global_step}; lower training.learning_rate "
                    f"(now {args.learning_rate}); the last checkpoint is kept"
                )
            self.info["loss"] = round(float(loss), 4)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Report the validation metric."""
        self.info[f"valid {METRIC}"] = round(metrics[f"eval_{METRIC}"], 4)
        self.progress(ProgressEvent(_STAGE, state.global_step, state.max_steps, "steps", dict(self.info)))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Report the step; ask for a last evaluation when time is up."""
        self.progress(ProgressEvent(_STAGE, state.global_step, state.max_steps, "steps"))
        if time.monotonic() > self.deadline:
            control.should_evaluate = control.should_save = control.should_training_stop = True
        return control


def _arguments(settings: TrainingConfig, folder: Path, samples: int) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    batch = settings.batch_size * processes
    steps = math.ceil(math.ceil(samples / batch) / settings.accumulation)
    every = settings.eval_every * steps
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else "linear",
        optim="adamw_torch",
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=METRIC,
        greater_is_better=True,
        logging_steps=max(1, steps),
        logging_nan_inf_filter=False,
        report_to=["tensorboard"],
        disable_tqdm=True,
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=settings.precision == "bf16" or (settings.precision == "auto" and cuda),
        use_cpu=not cuda,
        dataloader_num_workers=0,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
    )
