"""Choice of a baseline's settings on the validation cases: one setting at a time, round by round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.splits import Split
from kptoolkit.evaluation.ranking import Scorer, evaluate
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent

METRIC: Final = "MRR"
"""Metric that tuning maximizes. ``docs/evaluation.md`` says how it was chosen."""
MAX_SCORES: Final = 100_000_000
"""Most scores that tuning computes per setting. With more, a fixed sample of the validation cases is ranked."""
ROUNDS: Final = 3
"""Most times that tuning goes over all settings of a grid."""
_SAMPLE_SEED = 20230817

SettingsT = TypeVar("SettingsT")
TunableT = TypeVar("TunableT", bound="Tunable")


class Baseline(Protocol):
    """A baseline after its tuning."""

    @property
    def name(self) -> str:
        """Name of its row in a table."""
        ...

    @property
    def settings(self) -> Any:
        """Its settings, a dataclass."""
        ...

    @property
    def tuning(self) -> Tuned[Any] | None:
        """How the settings were found; ``None`` if they were given."""
        ...

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Score the full catalogue for N cases, ``(N, n_items)``."""
        ...


class Tunable(Protocol):
    """A fitted baseline that stores how its settings were found."""

    tuning: Tuned[Any] | None

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Score the full catalogue for N cases, ``(N, n_items)``."""
        ...


@dataclass(frozen=True)
class TuningTask:
    """What a baseline may learn from. The test cases are not part of it.

    Attributes:
        train: Training histories.
        valid: Validation cases.
        n_items: Catalogue size.
        neighbourhoods: Facts around the items for baselines that read knowledge; ``roots[i]`` belongs to item i.
        progress: Progress callback.
        rectools: Python of an environment with RecTools; ``None``: there is none.
        minutes: Minutes for the trainings of each baseline that needs RecTools.
    """

    train: Histories
    valid: Cases
    n_items: int
    neighbourhoods: Neighbourhoods | None = None
    progress: ProgressCallback = silent
    rectools: Path | None = None
    minutes: float = 30.0

    @classmethod
    def of(
        cls,
        split: Split,
        n_items: int,
        neighbourhoods: Neighbourhoods | None = None,
        progress: ProgressCallback = silent,
        **others: Any,
    ) -> TuningTask:
        """Create the task of a split, without its test cases; ``others`` are further attributes."""
        return cls(split.train, split.valid, n_items, neighbourhoods, progress, **others)

    @cached_property
    def cases(self) -> Cases:
        """Validation cases that are ranked for every setting: all, or a fixed sample, see :data:`MAX_SCORES`."""
        return self.valid.sample(max(1, MAX_SCORES // max(1, self.n_items)), _SAMPLE_SEED)

    def value(self, score: Scorer) -> float:
        """Compute the mean of :data:`METRIC` over :attr:`cases`."""
        return float(evaluate(score, self.cases, self.n_items).values(METRIC).mean())


@dataclass(frozen=True)
class Tuned(Generic[SettingsT]):
    """The result of a search.

    Attributes:
        settings: The best settings.
        value: :data:`METRIC` of the best settings on the validation cases.
        tried: Number of settings that were ranked.
        budget: Limits of the search that depend on time, for a note; empty if there are none.
    """

    settings: SettingsT
    value: float
    tried: int
    budget: str = ""


def search(
    task: TuningTask,
    name: str,
    start: SettingsT,
    grid: Mapping[str, Sequence[Any]],
    scorer: Callable[[SettingsT], Scorer],
) -> Tuned[SettingsT]:
    """Find good settings by coordinate search: vary one field, keep its best value, then vary the next field.

    After :data:`ROUNDS` rounds over all fields, or after a round that changes nothing, the search ends. Equal values
    keep the earlier settings.

    Args:
        task: What to learn from and the cases to rank.
        name: Name of the baseline, for progress reports.
        start: First settings, a frozen dataclass.
        grid: Values by field, in the order in which fields are varied.
        scorer: Creates the scorer of some settings.
    """
    values = {start: task.value(scorer(start))}
    best = start
    budget = 1 + ROUNDS * sum(len(choices) - 1 for choices in grid.values())
    for _ in range(ROUNDS):
        before = best
        for field, choices in grid.items():
            for choice in choices:
                settings: SettingsT = replace(best, **{field: choice})  # type: ignore[type-var]
                if settings not in values:
                    values[settings] = task.value(scorer(settings))
                    task.progress(ProgressEvent(f"tune {name}", len(values), budget, "settings"))
            best = max(values, key=lambda settings: values[settings])
        if best == before:
            break
    task.progress(ProgressEvent(f"tune {name}", len(values), len(values), "settings"))
    return Tuned(best, values[best], len(values))


def tune(
    task: TuningTask,
    name: str,
    start: SettingsT,
    grid: Mapping[str, Sequence[Any]],
    fitted: Callable[[SettingsT], TunableT],
) -> TunableT:
    """Fit a baseline with the settings that :func:`search` finds, and store the result of the search in it.

    Args:
        task: As in :func:`search`.
        name: As in :func:`search`.
        start: As in :func:`search`.
        grid: As in :func:`search`.
        fitted: Creates the fitted baseline of some settings.
    """
    tuning = search(task, name, start, grid, lambda settings: fitted(settings).score)
    best = fitted(tuning.settings)
    best.tuning = tuning
    return best
