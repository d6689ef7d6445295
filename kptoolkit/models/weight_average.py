"""A moving average of the trained weights: it ranks better than the weights of one step, and rises more evenly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

FILE: Final = "averages.safetensors"
_WARM_UP: Final = 10
"""After t steps the decay is at most ``(1 + t) / (10 + t)``, so that the first weights do not last."""


class WeightAverage:
    """Averages the trained weights of a model over its steps.

    Args:
        model: Its weights that are trained are averaged; they must be on their device already.
        decay: Weight of the average so far at each step; the newest weights have the rest.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self._averages = {name: weight.detach().clone() for name, weight in self._weights.items()}

    def update(self, step: int) -> None:
        """Take the weights after a step into the average.

        Args:
            step: Number of the step, from 1.
        """
        decay = min(self.decay, (1 + step) / (_WARM_UP + step))
        weights = [weight.detach() for weight in self._weights.values()]
        get_ema_multi_avg_fn(decay)(list(self._averages.values()), weights, step)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Replace the weights of the model by their averages."""
        for name, weight in self._weights.items():
            weight.copy_(self._averages[name])

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Replace the weights by their averages for a while; weights and buffers are put back at the end."""
        tensors = [*self._weights.values(), *self.model.buffers()]
        kept = [tensor.detach().clone() for tensor in tensors]
        self.copy_to_model()
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, before in zip(tensors, kept, strict=True):
                    tensor.copy_(before)

    def save(self, folder: Path) -> None:
        """Write the averages into ``folder``."""
        averages = {name: average.cpu().contiguous() for name, average in self._averages.items()}
        safetensors.torch.save_file(averages, str(folder / FILE))

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote."""
        for name, average in safetensors.torch.load_file(str(folder / FILE)).items():
            self._averages[name].copy_(average)
