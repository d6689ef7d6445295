"""The backend ``linear``: windowed ridge regression and graph similarity per relation, fitted in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kptoolkit.config import Section
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import FitResult, FitTask, Triplets
from kptoolkit.models.fitted_backend import FittedBackend
from kptoolkit.models.linear import removed_facts
from kptoolkit.models.linear.dense_inverse import MAX_SIZE
from kptoolkit.models.linear.linear_state import LinearState, fit_state
from kptoolkit.models.linear.window_ridge import RidgeSettings


class LinearOptions(Section):
    """Options of ``[model]`` for ``backend = "linear"``."""

    default_history: ClassVar[int] = 50

    decay: float = Field(default=0.9, gt=0, le=1)
    """Weight of an item read relative to the next later one, in the ridge regression."""
    ridge: float = Field(default=200.0, gt=0)
    """Ridge penalty: what is added to the diagonal of the item-item matrix."""
    damped: bool = True
    """Whether the events of a user with many events count less in the ridge regression, 1 / log(1 + events) each."""
    max_items: int = Field(default=MAX_SIZE, ge=1, le=2 * MAX_SIZE)
    """Items in the ridge regression, those with the most training events; memory grows with the square."""


class LinearBackend(FittedBackend[LinearOptions, LinearState]):
    """Scores by a ridge regression of the next item on the latest items, and by graph similarity.

    Args:
        options: Options of ``[model]``.
    """

    name: ClassVar[str] = "linear"
    Options: ClassVar[type[LinearOptions]] = LinearOptions

    def fit(self, task: FitTask) -> FitResult:
        """Solve the regression, and fit the weights of both terms.

        Raises:
            DataError: No user has two training events.
        """
        task.split.require(self.min_training_events)
        options = self.options
        window = task.config.data.history or options.default_history
        settings = RidgeSettings(window, options.decay, options.ridge, options.damped, options.max_items)
        self._fitted = state = fit_state(task, settings)
        figures = {"items in the ridge regression": float(len(state.ridge.items)), **state.weights}
        return FitResult(epochs=1, best=task.validate(self.score), figures=figures)

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Weighted sum of the terms for every item, ``(N, n_items)``."""
        return self.fitted.score(cases)

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of the fitted model; its weights stay."""
        state = self.fitted
        self._fitted = state.with_trees(change(state.knowledge.trees))

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Rank a catalogue that extends the trained one; nothing is trained.

        A new item is scored by graph similarity, and by the mean estimate of the old items most similar to it.

        Args:
            catalogue: The trained catalogue's items in their order, then new ones.
            source: Chooses and renders their triples.
        """
        self._fitted = self.fitted.extended(catalogue, source)

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplets of the items read and of the candidates; see :class:`~kptoolkit.models.backend.Explains`."""
        return removed_facts.triplets(self.fitted, case, candidates)

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Scores by items that lack some triplets; see :class:`~kptoolkit.models.backend.Explains`."""
        return removed_facts.score_without(self.fitted, case, candidates, triplets, removed)

    def save(self, folder: Path) -> None:
        """Write everything :meth:`load` needs into ``folder``."""
        self.fitted.save(folder)

    @classmethod
    def load(cls, folder: Path, options: LinearOptions) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged.
        """
        backend = cls(options)
        backend._fitted = LinearState.load(folder)
        return backend
