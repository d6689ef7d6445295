"""What backends share whatever they train: options, and a state that is there once they are fitted or loaded."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from kptoolkit.errors import RunError

OptionsT = TypeVar("OptionsT", bound=BaseModel)
StateT = TypeVar("StateT")


class FittedBackend(Generic[OptionsT, StateT]):
    """Base of backends that learn the next item from those before it and keep all they learn in one state.

    Args:
        options: Options of ``[model]``.
    """

    min_training_events: ClassVar[int] = 2

    def __init__(self, options: OptionsT) -> None:
        self.options = options
        self._fitted: StateT | None = None

    @property
    def fitted(self) -> StateT:
        """The fitted state.

        Raises:
            RunError: The backend was neither fitted nor loaded.
        """
        if self._fitted is None:
            raise RunError("this backend is not fitted; call fit() or load() first")
        return self._fitted
