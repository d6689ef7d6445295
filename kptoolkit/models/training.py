"""Training by the Hugging Face Trainer: AdamW, warm-up, accumulation, early stopping, TensorBoard, exact resume."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.utils import logging as transformers_logging

from kptoolkit import distributed
from kptoolkit.config import TrainingConfig
from kptoolkit.data.histories import Cases
from kptoolkit.errors import TrainingError
from kptoolkit.models.backend import FitResult, FitTask
from kptoolkit.models.checkpoints import (
    COMPLETE,
    STATE,
    fix_best_path,
    has_stopped,
    last_checkpoint,
    readable,
    remove_checkpoints,
)
from kptoolkit.models.cpu_speed import flushed_denormals, keep_freed_memory
from kptoolkit.models.training_callbacks import METRIC, STAGE, Averaging, EarlyStopping, Watch
from kptoolkit.models.training_time import measure_duration
from kptoolkit.models.weight_average import WeightAverage
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent
from kptoolkit.storage.write_errors import write_errors

_IGNORED = -100
Validate = Callable[[], dict[str, float]]
Collate = Callable[[list[int]], dict[str, torch.Tensor]]
Order = Callable[[int, int], NDArray[np.int64]]


class Epochs(Dataset[int]):
    """The sample numbers of an epoch; the collator looks the samples up.

    Args:
        size: Samples per epoch.
        on_epoch: Called with the number of an epoch before its first batch.
        order: Returns all sample numbers of an epoch in the order of training, the same in every process, for the
            number of the epoch and the samples of all processes in one step; unset: shuffled.
    """

    def __init__(self, size: int, on_epoch: Callable[[int], None], order: Order | None = None) -> None:
        self.size, self.on_epoch, self.order = size, on_epoch, order

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        return index

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch; called once before each, also when training resumes."""
        self.on_epoch(epoch)


class ProcessBatches(Sampler[list[int]]):
    """This process's part of every batch of an epoch; all processes together get every sample once.

    A batch has ``batch_size`` samples for each process. The last one may be smaller and is divided evenly; a process
    that gets none of its samples gets the batch ``[~sample]`` of the first sample.

    Args:
        data: The sample numbers.
        batch_size: Samples per step and process.
        seed: Determines, with the epoch, the order of the samples, whatever the number of processes.
    """

    def __init__(self, data: Epochs, batch_size: int, seed: int) -> None:
        self.data, self.seed, self.epoch = data, seed, 0
        self.total = batch_size * distributed.count()

    def __len__(self) -> int:
        return math.ceil(len(self.data) / self.total)

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch; called once before each."""
        self.epoch = epoch
        self.data.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        if self.data.order is not None:
            order = self.data.order(self.epoch, self.total)
        else:
            order = np.random.default_rng([self.seed, self.epoch, 1]).permutation(len(self.data))
        for first in range(0, len(order), self.total):
            batch = order[first : first + self.total]
            yield batch[distributed.share(len(batch))].tolist() or [~int(batch[0])]


class _Loader(DataLoader[int]):
    """Loads this process's batches, and passes the number of an epoch on to them."""

    def __init__(self, batches: ProcessBatches, collate: Collate, *, pin: bool) -> None:
        super().__init__(batches.data, batch_sampler=batches, collate_fn=collate, pin_memory=pin)
        self.batches = batches

    def set_epoch(self, epoch: int) -> None:
        self.batches.set_epoch(epoch)


def train(
    model: nn.Module,
    data: Epochs,
    collate: Collate,
    validate: Validate,
    settings: TrainingConfig,
    checkpoints: Path,
    logs: Path,
    *,
    resume: bool,
    progress: ProgressCallback,
    rates: Mapping[str, float] = MappingProxyType({}),
) -> _Trainer:
    """Train ``model`` in place; at the end it has the weights that were best on validation.

    With ``settings.weight_average`` these are averages over steps.

    Under ``torchrun`` every process calls this with the same arguments.

    Args:
        model: Its ``forward`` takes the tensors of ``collate`` and ``num_items_in_batch``, the number of targets of the
            step in all processes, and returns a dict with ``loss``: the sum over its targets, divided by that number.
        data: Sample numbers.
        collate: Turns sample numbers into tensors; in ``labels`` -100 means no target.
        validate: Ranks the validation cases; the same figures in every process.
        settings: ``[training]``.
        checkpoints: Folder for checkpoints.
        logs: Folder for TensorBoard logs.
        resume: Resume from the last complete checkpoint, if there is one. Else all checkpoints are removed.
        progress: Progress callback for steps, loss and validation; called in the first process only.
        rates: Share of the learning rate of weights, by how their names begin.

    Raises:
        TrainingError: The loss is not a number; the message names the step.
        RunError: The checkpoint to resume from is damaged.
    """
    transformers_logging.set_verbosity_error()
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(logs)
    distributed.start()
    checkpoints = checkpoints.absolute()
    if distributed.is_first():
        remove_checkpoints(checkpoints, complete=not resume)
        if (newest := last_checkpoint(checkpoints)) is not None:
            fix_best_path(Path(newest))
    distributed.wait()
    last = last_checkpoint(checkpoints)
    trainer = _Trainer(
        settings.weight_average,
        model=model,
        args=_arguments(settings, checkpoints, len(data)),
        train_dataset=data,
        eval_dataset=data,  # required by Trainer; evaluate() ranks the validation cases instead
        data_collator=_with_idle(collate),
        callbacks=[EarlyStopping(settings.patience)],
    )
    trainer.validate, trainer.rates = validate, rates
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Averaging(trainer.average))
    trainer.add_callback(Watch(settings.max_minutes, progress if distributed.is_first() else silent))
    if distributed.count() > 1:
        torch.manual_seed(settings.seed + distributed.number())  # different dropout in each process
    model.train()
    if last is not None:
        trainer.read_state(last)
    if last is not None and has_stopped(last):
        trainer.load_best()
    else:
        trainer.train(resume_from_checkpoint=last)
    return trainer


def train_and_report(
    model: nn.Module,
    data: Epochs,
    collate: Collate,
    score: Callable[[Cases], NDArray[np.float32]],
    task: FitTask,
    figures: Callable[[], dict[str, float]],
    rates: Mapping[str, float] = MappingProxyType({}),
) -> FitResult:
    """Call :func:`train` with the settings of a task, and report the result.

    Args:
        model: As in :func:`train`.
        data: As in :func:`train`.
        collate: As in :func:`train`.
        score: Scores the catalogue by the current weights; used to rank the validation cases.
        task: Settings, validation, folders.
        figures: Returns further figures of the backend; called at the end, but not after zero epochs.
        rates: As in :func:`train`.

    Raises:
        TrainingError: The loss is not a number; the message names the step.
    """
    if task.config.training.epochs == 0:
        return _untrained(model, score, task)
    started = time.monotonic()
    keep_freed_memory()
    with flushed_denormals():
        if not task.resume or last_checkpoint(task.checkpoints) is None:
            _report_duration(model, data, collate, score, task)
        trainer = train(
            model,
            data,
            collate,
            lambda: task.validate(score),
            task.config.training,
            task.checkpoints,
            task.logs,
            resume=task.resume,
            progress=task.progress,
            rates=rates,
        )
    model.eval()
    history = _evaluations(trainer.state.log_history)
    best: dict[str, float] = max(history, key=lambda row: float(row[f"eval_{METRIC}"]), default={})
    metrics = {key.removeprefix("eval_"): float(value) for key, value in best.items() if key.startswith("eval_")}
    reported = {
        "parameters": float(sum(p.numel() for p in model.parameters())),
        "training_seconds": time.monotonic() - started,
        "best_epoch": float(best.get("epoch", 0.0)),
        **figures(),
    }
    return FitResult(float(trainer.state.epoch or 0), metrics, history, reported)


def _untrained(model: nn.Module, score: Callable[[Cases], NDArray[np.float32]], task: FitTask) -> FitResult:
    """Validate the weights as they start."""
    distributed.start()
    if torch.cuda.is_available():
        model.cuda()
    model.eval()
    best = task.validate(score)
    row = {"epoch": 0.0} | {f"eval_{name}": value for name, value in best.items()}
    return FitResult(0.0, best, [row], {"parameters": float(sum(p.numel() for p in model.parameters()))})


def _evaluations(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """The rows of a log that are evaluations, each with the latest training loss before it."""
    rows: list[dict[str, float]] = []
    loss: dict[str, float] = {}
    for row in log:
        if "loss" in row:
            loss = {"loss": row["loss"]}
        if f"eval_{METRIC}" in row:
            rows.append(loss | row)
    return rows


def _report_duration(
    model: nn.Module, data: Epochs, collate: Collate, score: Callable[[Cases], NDArray[np.float32]], task: FitTask
) -> None:
    """Report how long the training will take; every process measures its own batches."""
    distributed.start()
    settings = task.config.training
    if torch.cuda.is_available():
        model.cuda()
    batches = list(ProcessBatches(data, settings.batch_size, settings.seed))
    duration = measure_duration(model, batches, collate, score, task.split.valid, settings)
    total = duration.epochs * duration.steps
    if distributed.is_first():
        task.progress(ProgressEvent(STAGE, 0, total, "steps", note=str(duration)))


def _with_idle(collate: Collate) -> Collate:
    """``collate`` with support for a batch ``[~sample]``, which gets no targets: that of a process without samples."""

    def collated(samples: list[int]) -> dict[str, torch.Tensor]:
        if samples[0] >= 0:
            return collate(samples)
        batch = collate([~samples[0]])
        return {**batch, "labels": torch.full_like(batch["labels"], _IGNORED)}

    return collated


class _Trainer(Trainer):  # type: ignore[misc]
    """Trainer whose evaluation is full ranking, and whose checkpoints contain no pickled arguments."""

    validate: Validate
    rates: Mapping[str, float]
    control: TrainerControl

    def __init__(self, decay: float, **given: Any) -> None:
        super().__init__(**given)
        self.model_accepts_loss_kwargs = True
        self.average = WeightAverage(self.model, decay) if decay else None
        self.first_bad = torch.zeros((), dtype=torch.int64, device=self.args.device)
        """The first step whose loss was not a number, 0 while there is none."""

    def get_train_dataloader(self) -> _Loader:
        """Create the loader of this process's batches."""
        batches = ProcessBatches(self.train_dataset, self.args.per_device_train_batch_size, self.args.data_seed)
        return _Loader(batches, self.data_collator, pin=self.args.dataloader_pin_memory)

    def create_optimizer(self, *given: Any) -> torch.optim.Optimizer:
        """Create the Trainer's optimizer, with separate groups for the weights in ``rates``."""
        optimizer: torch.optim.Optimizer = super().create_optimizer(*given)
        rate_of = {
            weight: rate
            for name, weight in self.model.named_parameters()
            for begin, rate in self.rates.items()
            if name.startswith(begin)
        }
        groups, optimizer.param_groups = optimizer.param_groups, []
        for group in groups:
            for rate in sorted({rate_of.get(weight, 1.0) for weight in group["params"]}, reverse=True):
                weights = [weight for weight in group["params"] if rate_of.get(weight, 1.0) == rate]
                optimizer.add_param_group({**group, "params": weights, "lr": rate * group["lr"]})
        return optimizer

    def training_step(
        self, model: nn.Module, inputs: dict[str, torch.Tensor], num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute loss and gradients, and remember the first step whose loss is not a number.

        The Trainer's own method sets every module to training mode each time; here the model is in that mode already.
        """
        loss: torch.Tensor = self.compute_loss(
            model, self._prepare_inputs(inputs), num_items_in_batch=num_items_in_batch
        )
        self.accelerator.backward(loss)
        bad = (self.first_bad == 0) & ~torch.isfinite(loss.detach())
        self.first_bad = torch.where(bad, self.state.global_step + 1, self.first_bad)
        if not loss.is_cuda:  # on a GPU this would wait for the step: log() and evaluate() check
            self.stop_at_no_number()
        return loss.detach()

    def stop_at_no_number(self) -> None:
        """End training in every process if a loss was not a number in any of them.

        Raises:
            TrainingError: It was; the message names the step.
        """
        bad = int(self.first_bad)
        if distributed.any_of(bad > 0):
            step = f"step {bad}" if bad else f"step {self.state.global_step + 1} in another process"
            raise TrainingError(f"the loss is not a number at {step}; {self._advice()}")

    def _advice(self) -> str:
        best = self.state.best_model_checkpoint
        kept = f"the best weights so far are kept in {best}" if best else "no weights had been evaluated before"
        return (
            f"lower training.learning_rate (now {self.args.learning_rate}) and train into another --run, or with "
            f"--overwrite; {kept}"
        )

    def log(self, *given: Any, **named: Any) -> None:
        """Log, unless the loss is not a number."""
        self.stop_at_no_number()
        super().log(*given, **named)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Validation metrics, named as Trainer expects them."""
        self.stop_at_no_number()
        was_training = self.model.training
        self.model.eval()
        try:
            with self.average.in_model() if self.average is not None else nullcontext():
                metrics = {f"eval_{name}": value for name, value in self.validate().items()}
        except TrainingError as error:
            raise TrainingError(f"after step {self.state.global_step}, {error}; {self._advice()}") from error
        self.model.train(was_training)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def read_state(self, checkpoint: str) -> None:
        """Read the history of a training."""
        with readable(checkpoint):
            self.state = TrainerState.load_from_json(str(Path(checkpoint) / STATE))

    def load_best(self) -> None:
        """Load the best weights of a training that had ended."""
        self._load_best_model()

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.accelerator.unwrap_model(self.model)
        safetensors.torch.save_model(model, str(folder / "model.safetensors"))
        if self.average is not None:
            self.average.save(folder)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)
        if self.average is not None:
            self.average.copy_to_model()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        unwrapped = self.accelerator.unwrap_model(model or self.model)
        with readable(resume_from_checkpoint):
            safetensors.torch.load_model(unwrapped, str(Path(resume_from_checkpoint) / "model.safetensors"))
            if self.average is not None:
                self.average.load(Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with readable(checkpoint or ""):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with readable(checkpoint or ""):
            super()._load_rng_state(checkpoint)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        with write_errors(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)
        distributed.wait()  # each process writes the state of its random numbers
        if self.args.should_save:
            (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / COMPLETE).touch()


def _arguments(settings: TrainingConfig, folder: Path, samples: int) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    batch = settings.batch_size * distributed.count()
    steps = math.ceil(math.ceil(samples / batch) / settings.accumulation)
    every = settings.eval_every * steps
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else "linear",
        optim="adamw_torch_fused",
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,
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
        average_tokens_across_devices=True,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # one process uses one GPU; several are for torchrun
    return arguments
