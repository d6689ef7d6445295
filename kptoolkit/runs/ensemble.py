"""Several runs as one: the mean of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.arguments import checked
from kptoolkit.data.histories import Cases
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import InputError
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.runs.run import Run
from kptoolkit.runs.several_runs import require_same_data
from kptoolkit.storage.layouts.frames import DataFrame

_INFINITE = 1e30
"""Standardized score in place of an infinite one."""


class Ensemble(Run):
    """Recommends by the mean of the scores of several runs, each standardized per case over the catalogue.

    It recommends like a run. What needs a single model, such as beam search and explanations, raises an error.

    Args:
        runs: Finished runs with the same interactions, catalogue and split. Their models stay in memory together.

    Raises:
        RunError: The runs differ in one of these.
        InputError: There is no run.
    """

    @checked
    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise InputError("an ensemble needs at least one run")
        self.fingerprints = require_same_data(runs)
        self._take(runs)

    def __repr__(self) -> str:
        return f"Ensemble({list(self.runs)!r})"

    def _take(self, runs: Sequence[Run]) -> None:
        self.runs, first = tuple(runs), runs[0]
        super().__init__(first.folder, first.manifest, first._evaluation, trust_code=first.trust_code)
        self._own_users, self.skipped = first._own_users, first.skipped
        self.interactions, self.catalogue = first.interactions, first.catalogue
        if self._own_users:  # other histories are recommended from, not split
            self.split = first.split

    @cached_property
    def recommender(self) -> Recommender:
        """There is none.

        Raises:
            InputError: Always.
        """
        raise InputError("an ensemble of runs has no single model for this; give one run")

    @checked
    def score(self, cases: Cases) -> NDArray[np.floating[Any]]:
        """Mean of the standardized scores of the runs, ``(N, n_items)``; higher is better, never NaN."""
        total = standardized(self.runs[0].score(cases))
        for run in self.runs[1:]:
            total += standardized(run.score(cases))
        total /= len(self.runs)
        return total

    @checked
    def with_interactions(self, interactions: Interactions | DataFrame) -> Ensemble:
        """Return this ensemble with other histories; see :meth:`kptoolkit.runs.run.Run.with_interactions`."""
        other = Ensemble.__new__(Ensemble)
        other.fingerprints = self.fingerprints
        other._take([run.with_interactions(interactions) for run in self.runs])
        return other


def require_single(run: Run, does: str) -> None:
    """Check that something is asked of one run, not of the mean of several.

    Args:
        run: A run.
        does: What is asked, as the start of the message: ``"explaining"``.

    Raises:
        InputError: It is an ensemble.
    """
    if isinstance(run, Ensemble):
        raise InputError(f"{does} needs a single run, and this is an ensemble of {len(run.runs)}; give one of them")


def standardized(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Bring the scores of each case to mean 0 and standard deviation 1 over the catalogue.

    Scores that are all equal become 0. Infinite scores count for neither figure and stay above or below all others.

    Args:
        scores: ``(N, n_items)``.
    """
    values = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values)
    if finite.all():
        return _scaled(values, values.mean(axis=1), values.std(axis=1))
    known = np.where(finite, values, np.nan)
    known[~finite.any(axis=1)] = 0.0
    known = _scaled(known, np.nanmean(known, axis=1), np.nanstd(known, axis=1))
    return np.where(finite, known, np.sign(values) * _INFINITE)


def _scaled(
    values: NDArray[np.float64], means: NDArray[np.float64], deviations: NDArray[np.float64]
) -> NDArray[np.float64]:
    return (values - means[:, None]) / np.where(deviations > 0, deviations, 1.0)[:, None]
