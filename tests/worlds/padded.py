"""A training whose samples have unequal numbers of targets: ``python -m worlds.padded FOLDER BATCH``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import nn

from kptoolkit import distributed
from kptoolkit.config import TrainingConfig
from kptoolkit.models.t5.catalogue_loss import catalogue_loss
from kptoolkit.models.training import Epochs, train
from kptoolkit.progress import silent

SAMPLES, WIDTH = 21, 5


class Table(nn.Module):
    """Guesses ``(B, T)`` tokens from the sample's number."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(SAMPLES, WIDTH * SAMPLES)

    def forward(
        self, sample: torch.Tensor, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The loss."""
        logits = self.table(sample).view(-1, SAMPLES)
        return {"loss": loss_of(logits, labels.flatten(), num_items_in_batch)}


def loss_of(logits: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor | None) -> torch.Tensor:
    """Loss of ``(M, V)`` logits, -100 for no target, divided by ``targets``."""
    real = labels >= 0
    count = real.sum() if targets is None else targets
    return catalogue_loss(logits[real], torch.eye(SAMPLES), labels[real], count)


def collate(samples: list[int]) -> dict[str, torch.Tensor]:
    """Sample n has 1 + n % WIDTH targets."""
    numbers = torch.tensor(samples)
    labels = numbers[:, None].repeat(1, WIDTH)
    labels[torch.arange(WIDTH)[None, :] > numbers[:, None] % WIDTH] = -100
    return {"sample": numbers, "labels": labels}


def train_table(folder: Path, batch: int) -> None:
    """Train; write the loss of every epoch and the weights."""
    torch.manual_seed(1)
    model, data = Table(), Epochs(SAMPLES, lambda epoch: None)
    settings = TrainingConfig(epochs=4, batch_size=batch, eval_every=4, learning_rate=0.1, warmup_steps=0)
    folder.mkdir(exist_ok=True)
    folders = (folder / "checkpoints", folder / "tensorboard")
    trainer = train(model, data, collate, lambda: {"NDCG@10": 1.0}, settings, *folders, resume=False, progress=silent)
    if distributed.is_first():
        losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
        (folder / "losses.json").write_text(json.dumps({"losses": losses, "weights": model.table.weight.tolist()}))


if __name__ == "__main__":
    train_table(Path(sys.argv[1]), int(sys.argv[2]))
