"""What both T5 backends share and what needs no torch to be imported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.models.backend import FitResult, FitTask
from kptoolkit.models.fitted_backend import FittedBackend
from kptoolkit.models.t5.options import T5Options

WEIGHTS = "model.safetensors"
OptionsT = TypeVar("OptionsT", bound=T5Options)
StateT = TypeVar("StateT")


class T5Backend(FittedBackend[OptionsT, StateT], ABC):
    """Base of the backends that train a T5.

    Args:
        options: Options of ``[model]``.
    """

    def __init__(self, options: OptionsT) -> None:
        super().__init__(options)
        self._earlier: tuple[StateT, Catalogue] | None = None

    def start_from(self, earlier: Self, catalogue: Catalogue) -> None:
        """Start from the weights of a fitted backend; see :class:`~kptoolkit.models.backend.StartsFromRun`."""
        self._earlier = (earlier.fitted, catalogue)

    def fit(self, task: FitTask) -> FitResult:
        """Train, and keep the weights that are best on validation.

        Raises:
            DataError: No user has two training events.
            TrainingError: The loss is not a number.
            PromptTooLongError: One item does not fit into ``tree.max_tokens``.
        """
        from transformers import set_seed

        task.split.require(self.min_training_events)
        set_seed(task.config.training.seed)
        return self._train(task)

    @abstractmethod
    def _train(self, task: FitTask) -> FitResult:
        """Build the state and train it; random numbers are seeded."""


def output_scale(settings: Mapping[str, Any]) -> float:
    """Factor of decoder states before the output layer: less than 1 where it shares the weights of the embeddings.

    Args:
        settings: Settings of a T5.
    """
    tied = settings["model_type"] == "umt5" and settings["tie_word_embeddings"]
    scaled = settings.get("scale_decoder_outputs", tied)  # MT5 has none
    return float(settings["d_model"] ** -0.5) if scaled else 1.0
