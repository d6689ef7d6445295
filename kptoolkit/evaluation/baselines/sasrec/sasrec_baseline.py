"""SASRec of RecTools, alone and with facts of the graph as item features.

References:
    SASRec, arXiv 1808.09781; here with full softmax as in RecTools.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit import distributed
from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError, TrainingError
from kptoolkit.evaluation.baselines.content import facts_of
from kptoolkit.evaluation.baselines.sasrec.rectools_process import RecToolsProcess
from kptoolkit.evaluation.baselines.tuning import METRIC, Tuned, TuningTask
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.progress import ProgressEvent

EPOCHS, PATIENCE, SEED = 100, 10, 2308
FEWEST_ITEMS: Final = 3
"""A fact that fewer items share is no feature."""
MOST_FACTS: Final = 5000
"""Most facts that are features: those that most items share."""
_MINUTE = 60


@dataclass(frozen=True)
class SASRecSettings:
    """Settings of SASRec.

    Attributes:
        factors: Width.
        blocks: Transformer layers.
        dropout: Dropout.
        rate: Learning rate.
        batch: Histories per batch.
        length: Latest items of a history that are read.
        positions: Whether it learns positions; without, the order of a history does not matter.
    """

    factors: int = 64
    blocks: int = 1
    dropout: float = 0.3
    rate: float = 2e-3
    batch: int = 32
    length: int = 50
    positions: bool = True

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of RecTools' ``SASRecModel``."""
        return {
            "n_factors": self.factors,
            "n_blocks": self.blocks,
            "n_heads": 2,
            "dropout_rate": self.dropout,
            "lr": self.rate,
            "batch_size": self.batch,
            "session_max_len": self.length,
            "use_key_padding_mask": True,
            "use_pos_emb": self.positions,
        }


class SASRec:
    """SASRec with full softmax, trained and run by a process of an environment with RecTools.

    Args:
        settings: Settings of the best training.
        process: The process that has its model.
    """

    name: ClassVar[str] = "SASRec"
    reads_facts: ClassVar[bool] = False
    #: Settings that are trained first.
    STARTS: ClassVar[tuple[SASRecSettings, ...]] = (
        SASRecSettings(),
        SASRecSettings(factors=128, dropout=0.5, rate=1e-3, batch=64),
    )
    #: Changes of the best settings so far, tried one after the other.
    CHANGES: ClassVar[tuple[dict[str, Any], ...]] = (
        {"positions": False},
        {"dropout": 0.4},
        {"blocks": 2},
    )

    def __init__(self, settings: SASRecSettings, process: RecToolsProcess) -> None:
        self.settings, self.process = settings, process
        self.tuning: Tuned[SASRecSettings] | None = None

    @classmethod
    def tuned(cls, task: TuningTask) -> Self:
        """Train with :attr:`STARTS`, then with each of :attr:`CHANGES`, and keep the model that is best on validation.

        Trainings that have not begun when ``task.minutes`` are over are left out; one that is running ends after its
        epoch.

        Args:
            task: What to learn from.

        Raises:
            InputError: There is no environment with RecTools, or training fails there.
            ValueError: Facts are needed and the task has no neighbourhoods.
        """
        if task.rectools is None or not task.rectools.is_file():
            raise InputError(_missing(task.rectools))
        if distributed.count() > 1:
            raise InputError("SASRec and SASRec + KG are left out: they need `kptool evaluate` in a single process")
        facts = frequent_facts(task.neighbourhoods) if cls.reads_facts else None
        try:
            process = RecToolsProcess(task.rectools, task.train, task.cases, task.n_items, facts)
            settings, tried = cls._search(task, process)
        except TrainingError as error:
            raise InputError(f"{cls.name} is left out: {error}") from error
        best = cls(settings, process)
        most = len(cls.STARTS) + len(cls.CHANGES)
        best.tuning = Tuned(settings, task.value(best.score), tried, f"{most} trainings, {task.minutes:g} minutes")
        return best

    @classmethod
    def _search(cls, task: TuningTask, process: RecToolsProcess) -> tuple[SASRecSettings, int]:
        """The best settings, whose model the process keeps, and the number of trainings."""
        deadline, total = time.monotonic() + _MINUTE * task.minutes, len(cls.STARTS) + len(cls.CHANGES)
        values: dict[SASRecSettings, float] = {}
        for number in range(total):
            if values and time.monotonic() > deadline:
                break
            best = max(values, key=lambda settings: values[settings], default=cls.STARTS[0])
            later = number - len(cls.STARTS)
            settings = replace(best, **cls.CHANGES[later]) if later >= 0 else cls.STARTS[number]
            answer = process.fit(
                {
                    "model": settings.arguments,
                    "seed": SEED,
                    "epochs": EPOCHS,
                    "patience": PATIENCE,
                    "metric": METRIC,
                    "device": "auto",
                    "max_seconds": max(1.0, deadline - time.monotonic()),
                }
            )
            values[settings] = float(answer["value"])
            task.progress(ProgressEvent(f"tune {cls.name}", number + 1, total, "trainings"))
        return max(values, key=lambda settings: values[settings]), len(values)

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``; an item without training events gets the lowest of its case."""
        return self.process.score(cases)


class SASRecWithFacts(SASRec):
    """SASRec whose item vectors are the sum of a vector of the item and of vectors of its facts at hop 1."""

    name: ClassVar[str] = "SASRec + KG"
    reads_facts: ClassVar[bool] = True


def frequent_facts(neighbourhoods: Neighbourhoods | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the facts of items that are features, as pairs of catalogue row and number of the fact.

    Args:
        neighbourhoods: Facts around the items.

    Raises:
        ValueError: There are none.
    """
    if neighbourhoods is None:
        raise ValueError("SASRec + KG needs neighbourhoods")
    facts = facts_of(neighbourhoods)
    items = np.bincount(facts.indices, minlength=facts.shape[1])
    chosen = np.argsort(-items, kind="stable")[:MOST_FACTS]
    chosen = chosen[items[chosen] >= FEWEST_ITEMS]
    row, column = facts[:, np.sort(chosen)].nonzero()
    return row.astype(np.int64), column.astype(np.int64)


def _missing(python: Path | None) -> str:
    found = "evaluation.rectools is not set" if python is None else f"evaluation.rectools: there is no {python}"
    return (
        f"SASRec and SASRec + KG are left out: {found}; they need RecTools in a Python environment of its own, "
        "e.g. `python -m venv rectools; rectools/bin/pip install 'rectools[torch]'`, then "
        "--set evaluation.rectools=rectools/bin/python"
    )
