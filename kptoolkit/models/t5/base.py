"""What objectives of the T5 backend have in common: their fitted state, and how saved weights are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM, T5ForConditionalGeneration

from kptoolkit.errors import DataError, RunError
from kptoolkit.models.t5.building import attention_name
from kptoolkit.models.t5.flex import use_flex
from kptoolkit.models.t5.options import T5Options

WEIGHTS = "model.safetensors"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, DataError, safetensors.SafetensorError)
"""What reading a run's files raises where they are missing or damaged."""
State = TypeVar("State")


class Objective(Generic[State]):
    """One way to train a T5 and to ask it.

    Args:
        options: Options of the backend.
    """

    def __init__(self, options: T5Options) -> None:
        self.options = options
        self._fitted: State | None = None

    @property
    def fitted(self) -> State:
        """The fitted state.

        Raises:
            RunError: The backend was neither fitted nor loaded.
        """
        if self._fitted is None:
            raise RunError("this backend is not fitted; call fit() or load() first")
        return self._fitted


def chunks(rows: NDArray[np.int64], device: torch.device) -> Iterator[NDArray[np.int64]]:
    """``rows`` in parts to score at once: few on a CPU, so that their states stay in its cache."""
    size = 32 if device.type == "cpu" else 256
    return (rows[first : first + size] for first in range(0, len(rows), size))


def saved_t5(folder: Path, options: T5Options) -> T5ForConditionalGeneration:
    """A T5 of the shape that was saved, with the attention asked for; its weights are yet to be read."""
    config = AutoConfig.from_pretrained(folder / "t5")
    t5: T5ForConditionalGeneration = AutoModelForSeq2SeqLM.from_config(
        config, attn_implementation=attention_name(options)
    )
    if options.attention == "flex" and torch.cuda.is_available():
        use_flex(t5)
    return t5


def unreadable(folder: Path, error: Exception) -> RunError:
    """The error of a folder that holds no run of this backend."""
    return RunError(f"{folder} holds no T5 run that can be read: {error}".replace("\n", " "))


def made_ready(model: nn.Module, folder: Path, *beside: torch.Tensor) -> torch.device:
    """Put a model whose weights were read on its device, ready to be asked.

    Args:
        model: The model.
        folder: Where its weights come from, for the message.
        beside: Further tensors that were read.

    Raises:
        RunError: A weight is not a number.
    """
    if not all(bool(torch.isfinite(weight).all()) for weight in [*model.parameters(), *beside]):
        raise RunError(f"{folder / WEIGHTS} holds weights that are not numbers; train again")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    return device
