"""A custom backend: how often did one item follow another?

Run it:  python examples/custom_backend/markov.py INTERACTIONS GRAPH_URI RUN
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kptoolkit import fit, load_config, register
from kptoolkit.config import Section
from kptoolkit.data.histories import Cases
from kptoolkit.errors import RunError
from kptoolkit.models import FitResult, FitTask


class MarkovOptions(Section):
    """Options of ``[model]`` for ``backend = "markov"``."""

    smoothing: float = Field(default=0.1, gt=0)
    """Added to every count, times the item's share of all events."""


@register
class MarkovBackend:
    """First-order Markov chain over items; it uses no knowledge graph."""

    name: ClassVar[str] = "markov"
    Options: ClassVar[type[MarkovOptions]] = MarkovOptions
    min_training_events: ClassVar[int] = 1

    def __init__(self, options: MarkovOptions) -> None:
        self.options = options
        self.scores: NDArray[np.float32] | None = None

    def fit(self, task: FitTask) -> FitResult:
        """Count which item follows which in the training histories."""
        train, n = task.split.train, len(task.catalogue)
        follows = np.flatnonzero(train.rows[1:] == train.rows[:-1])
        counts = np.zeros((n, n), dtype=np.float32)
        np.add.at(counts, (train.items[follows], train.items[follows + 1]), 1.0)
        popularity = np.bincount(train.items, minlength=n) + 1.0
        self.scores = counts + np.float32(self.options.smoothing) * (popularity / popularity.sum()).astype(np.float32)
        return FitResult(epochs=1, best=task.validate(self.score))

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores of all items after the last item of each history, ``(N, n_items)``."""
        return self._fitted()[cases.items[cases.indptr[1:] - 1]]

    def save(self, folder: Path) -> None:
        """Write the matrix."""
        np.save(folder / "scores.npy", self._fitted(), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, options: MarkovOptions) -> Self:
        """Read the matrix."""
        backend = cls(options)
        try:
            backend.scores = np.load(folder / "scores.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RunError(f"{folder} holds no Markov run: {error}") from error
        return backend

    def _fitted(self) -> NDArray[np.float32]:
        if self.scores is None:
            raise RunError("this backend is not fitted; call fit() or load() first")
        return self.scores


if __name__ == "__main__":
    interactions, graph_uri, folder = sys.argv[1:4]
    settings = load_config(
        overrides={"data.dir": interactions, "graph.uri": graph_uri, "model.backend": "markov", "run.dir": folder}
    )
    run = fit(settings)
    print(run.manifest.reports["training"])
