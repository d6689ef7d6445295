"""How both T5 backends read saved weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import T5ForConditionalGeneration

from kptoolkit.errors import DataError, RunError
from kptoolkit.models.pretrained import new_seq2seq, read_config
from kptoolkit.models.t5.building import attention_name
from kptoolkit.models.t5.flex import use_flex
from kptoolkit.models.t5.options import T5Options
from kptoolkit.models.t5.t5_backend import WEIGHTS
from kptoolkit.models.t5.tree_t5 import untie

_EMBEDDINGS = {f"{name}.weight" for name in ("shared", "encoder.embed_tokens", "decoder.embed_tokens")}
"""Names of the one table of embeddings, which is in a file under one of them."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, DataError, safetensors.SafetensorError)
"""Exceptions that reading a run's files raises where they are missing or damaged."""


def chunks(rows: NDArray[np.int64], device: torch.device) -> Iterator[NDArray[np.int64]]:
    """``rows`` in parts to score at once: few on a CPU, so that their states stay in its cache."""
    size = 32 if device.type == "cpu" else 256
    return (rows[first : first + size] for first in range(0, len(rows), size))


def saved_t5(folder: Path, options: T5Options) -> T5ForConditionalGeneration:
    """Create a T5 of the saved shape with the attention of ``options``; its weights are not read yet.

    Its output layer is tied to the embeddings unless the file has weights for both.
    """
    config = read_config(str(folder / "t5"))
    t5: T5ForConditionalGeneration = new_seq2seq(config, attn_implementation=attention_name(options))
    if options.attention == "flex" and torch.cuda.is_available():
        use_flex(t5)
    with safetensors.safe_open(folder / WEIGHTS, "pt") as file:
        names = list(file.keys())
    tables = {name.rpartition("t5.")[2] for name in names}
    if "lm_head.weight" in tables and tables & _EMBEDDINGS:
        untie(t5)
    return t5


def unreadable(folder: Path, error: Exception) -> RunError:
    """The error of a folder that contains no readable run of a T5 backend."""
    return RunError(f"{folder} holds no T5 run that can be read: {error}".replace("\n", " "))


def to_device(model: nn.Module, folder: Path, *others: torch.Tensor) -> torch.device:
    """Move a loaded model to CUDA if there is any, in evaluation mode.

    Args:
        model: The model.
        folder: Where its weights were read from, for the message.
        others: Further tensors that were read; they are checked and not moved.

    Raises:
        RunError: A weight is not a number.
    """
    if not all(bool(torch.isfinite(weight).all()) for weight in [*model.parameters(), *others]):
        raise RunError(f"{folder / WEIGHTS} holds weights that are not numbers; train again")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    return device
