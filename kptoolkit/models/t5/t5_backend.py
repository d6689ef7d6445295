"""The shipped backend: T5, under one of its objectives.

``cloze`` is the paper's (KP4SR, arXiv 2308.08459), :mod:`kptoolkit.models.t5.kp4sr.cloze`; ``sequence`` encodes an
item's knowledge once, :mod:`kptoolkit.models.t5.sequence.sequence`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from transformers import set_seed

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError, RunError
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import Capabilities, FitResult, FitTask, Triplets
from kptoolkit.models.t5.explaining import reasons_of
from kptoolkit.models.t5.kp4sr.cloze import Cloze
from kptoolkit.models.t5.options import T5Options
from kptoolkit.models.t5.sequence.sequence import Sequence

_OBJECTIVES: dict[str, type[Any]] = {"cloze": Cloze, "sequence": Sequence}


class T5Backend:
    """Learns to name the next item; how, its objective says.

    Args:
        options: Options of ``[model]``.
    """

    name: ClassVar[str] = "t5"
    Options: ClassVar[type[T5Options]] = T5Options
    capabilities: ClassVar[Capabilities] = Capabilities(knowledge=True, beam_search=True, resume=True, fewest_events=2)

    def __init__(self, options: T5Options) -> None:
        self.options = options
        self.objective = _OBJECTIVES[options.objective](options)

    @property
    def fitted(self) -> Any:
        """The fitted state of the objective.

        Raises:
            RunError: The backend was neither fitted nor loaded.
        """
        return self.objective.fitted

    def fit(self, task: FitTask) -> FitResult:
        """Train by the objective; keep the weights best on validation.

        Raises:
            DataError: No user has two training events.
            TrainingError: The loss is not a number.
            PromptTooLongError: One item does not fit into ``tree.max_tokens``.
        """
        task.split.require(self.capabilities.fewest_events)
        set_seed(task.config.training.seed)
        result: FitResult = self.objective.fit(task)
        return result

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item, ``(N, n_items)``."""
        scores: NDArray[np.float32] = self.objective.score(cases)
        return scores

    def beam_search(self, cases: Cases, k: int, beams: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The paper's way to recommend; see :meth:`kptoolkit.models.t5.kp4sr.cloze.Cloze.beam_search`.

        Raises:
            InputError: The objective decodes nothing.
        """
        if not hasattr(self.objective, "beam_search"):
            raise InputError(
                f"model.objective = '{self.options.objective}' ranks the whole catalogue in one step and has no beam "
                "search; leave it out, or train with model.objective = 'cloze'"
            )
        found: tuple[NDArray[np.int64], NDArray[np.float32]] = self.objective.beam_search(cases, k, beams)
        return found

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplet prompts that decide the scores of some items; see :class:`~kptoolkit.models.backend.Explains`."""
        return reasons_of(self.objective).triplets(case, candidates)

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, gone: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Log-likelihoods had some triplets not been read; see :class:`~kptoolkit.models.backend.Explains`."""
        return reasons_of(self.objective).score_without(case, candidates, triplets, gone)

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model, e.g. take it away to see how far the model relies on it."""
        self.objective.use_trees(change)

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Rank a catalogue that extends the one trained on, without training; new items speak by their knowledge.

        Args:
            catalogue: The trained catalogue's items in their order, then new ones.
            source: Chooses and words their triples.

        Raises:
            RunError: The objective cannot.
        """
        if not hasattr(self.objective, "extend"):
            raise RunError(
                f"model.objective = '{self.options.objective}' knows only the items it was trained on; train again, or "
                "train with model.objective = 'sequence'"
            )
        self.objective.extend(catalogue, source)

    def save(self, folder: Path) -> None:
        """Write everything :meth:`load` needs into ``folder``."""
        self.objective.save(folder)

    @classmethod
    def load(cls, folder: Path, options: T5Options) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged, or a weight is not a number.
        """
        backend = cls(options)
        backend.objective = _OBJECTIVES[options.objective].load(folder, options)
        return backend
