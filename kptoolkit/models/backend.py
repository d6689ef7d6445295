"""What a model must offer to be trained, evaluated and asked by kptoolkit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from kptoolkit.config import Config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.data.splits import Split
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.progress import ProgressCallback, silent


@dataclass(frozen=True)
class Capabilities:
    """What a backend declares of itself.

    Attributes:
        knowledge: Whether it reads the knowledge graph; a backend that does not is not compared with its twins
            without or with shuffled knowledge.
        beam_search: Whether ``beam_search`` is offered beside full ranking.
        resume: Whether ``fit`` can go on from an interrupted training.
        fewest_events: Training events that at least one user must have: 2 for a backend that learns the next item from
            those before it.
    """

    knowledge: bool = False
    beam_search: bool = False
    resume: bool = False
    fewest_events: int = 1


@dataclass(frozen=True)
class FitTask:
    """All a backend may learn from.

    Attributes:
        config: Settings; ``config.model.options`` are the backend's own.
        catalogue: The n items.
        split: Training histories and validation cases; test cases are not to be looked at.
        user_ids: Ids of the users that ``split`` numbers.
        knowledge: Chooses and words triples.
        knowledge_change: Applied to the item trees of every epoch: the identity, or a control's change.
        folder: Where the backend may keep checkpoints and logs.
        resume: Go on from what ``folder`` holds.
        validate: Gives metrics such as ``NDCG@10`` of a scorer on the validation cases.
        progress: Told about training.
    """

    config: Config
    catalogue: Catalogue
    split: Split
    user_ids: NDArray[Any]
    knowledge: KnowledgeSource
    knowledge_change: Callable[[ItemTrees], ItemTrees]
    folder: Path
    validate: Callable[[Callable[[Cases], NDArray[np.float32]]], dict[str, float]]
    resume: bool = False
    progress: ProgressCallback = silent


@dataclass(frozen=True)
class FitResult:
    """What training says of itself.

    Attributes:
        epochs: Epochs run, the interrupted part included.
        best: Validation metrics of the weights kept.
        history: One row an evaluation: epoch, loss, metrics.
        figures: Further figures for the manifest, e.g. parameters, seconds, tokens a prompt.
    """

    epochs: float
    best: Mapping[str, float]
    history: list[dict[str, float]] = field(default_factory=list)
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Triplets:
    """The triplet prompts that a backend reads to answer one case.

    Attributes:
        item: ``(T,)`` catalogue row that each stands under.
        row: ``(T,)`` number by which the backend knows it.
        parent: ``(T,)`` index in this list of the triplet it hangs under, always an earlier one; -1 below the item.
        hop: ``(T,)`` hops from the item, from 1.
        text: T sentences.
    """

    item: NDArray[np.int64]
    row: NDArray[np.int64]
    parent: NDArray[np.int64]
    hop: NDArray[np.int64]
    text: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.text)

    def with_below(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """``(V, T)`` the chosen triplets of V variants, and all that hang under them.

        Args:
            chosen: ``(V, T)``.
        """
        gone = chosen.copy()
        for hop in range(2, int(self.hop.max(initial=1)) + 1):
            level = np.flatnonzero((self.hop == hop) & (self.parent >= 0))
            gone[:, level] |= gone[:, self.parent[level]]
        return gone


@runtime_checkable
class Backend(Protocol):
    """A recommender that can be fitted, asked, saved and loaded.

    A class, made as ``Backend(options)`` where ``options`` is an instance of its ``Options``; found by name through
    :func:`kptoolkit.models.register` or the entry point group ``kptoolkit.backends``. The suite
    :mod:`kptoolkit.testing.backend_suite` tests any implementation.
    """

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]]
    capabilities: ClassVar[Capabilities]

    def __init__(self, options: Any) -> None:
        """Keep the options; touch nothing else."""

    def fit(self, task: FitTask) -> FitResult:
        """Learn from the training histories.

        Raises:
            TrainingError: Training cannot go on, e.g. the loss is not a number.
        """
        ...

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores of the whole catalogue, ``(N, n_items)``, for N histories; higher is better, never NaN."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything :meth:`load` needs into an existing folder; no pickle."""

    @classmethod
    def load(cls, folder: Path, options: Any) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged.
        """
        ...


@runtime_checkable
class Explains(Protocol):
    """What a backend offers beside :class:`Backend` if it can say which triplet prompts a score came from."""

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplet prompts that decide the scores of some items.

        Args:
            case: One case.
            candidates: ``(C,)`` catalogue rows.

        Returns:
            Those under the items of the history, and those under the candidates if the backend reads them.
        """
        ...

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, gone: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Scores of some items had the model not read some triplets; nothing is trained, nothing takes their place.

        Args:
            case: One case.
            candidates: ``(C,)`` catalogue rows.
            triplets: What :meth:`triplets` gave.
            gone: ``(V, T)`` what each of V variants lacks; with a triplet goes all that hangs under it, see
                :meth:`Triplets.with_below`.

        Returns:
            ``(V, C)``, comparable with :meth:`Backend.score`, to which a variant that lacks nothing is equal.
        """
        ...
