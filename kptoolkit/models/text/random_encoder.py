"""A text encoder with random weights, to compare a pretrained one with."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModel

from kptoolkit.models.pretrained import read_config, read_tokenizer, reading


def write_random_encoder(encoder: str, folder: Path, *, seed: int) -> Path:
    """Write an encoder with the configuration and the tokenizer of another one, and random weights.

    Args:
        encoder: Folder or hub name of the other one.
        folder: Folder to write into.
        seed: Seed of the weights.

    Raises:
        PretrainedError: The other one cannot be read.
    """
    config = read_config(encoder)
    read_tokenizer(encoder).save_pretrained(folder)
    with reading():
        torch.manual_seed(seed)
        AutoModel.from_config(config, trust_remote_code=False).save_pretrained(folder)
    return folder
