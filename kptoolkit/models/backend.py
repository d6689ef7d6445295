"""The interface of a recommender: what every backend does, and what some can do in addition.

Every backend follows :class:`Backend`. A backend that can do more also follows :class:`BeamSearch`, :class:`Explains`,
:class:`StartsFromRun`, :class:`AcceptsNewItems`, :class:`ReadsKnowledge`, :class:`ReadsTreeMask`,
:class:`ReadsFarTriples`, :class:`ReadsTemplates` or :class:`RanksByKnowledgeAlone`; the program finds that out with
``isinstance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from kptoolkit.config import Config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.data.splits import Split
from kptoolkit.errors import InputError
from kptoolkit.knowledge.item_trees import ItemTrees, with_descendants
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.prompt_pool import PromptKeys
from kptoolkit.progress import ProgressCallback, silent
from kptoolkit.prompts import MppTemplate


@dataclass(frozen=True)
class FitTask:
    """Everything a backend may learn from.

    Attributes:
        config: Settings; ``config.model.options`` are the backend's own.
        catalogue: The n items.
        split: Training histories and validation cases; test cases must not be used.
        user_ids: Ids of the users that ``split`` numbers.
        knowledge: Chooses and renders triples.
        knowledge_change: Applied to the item trees of every epoch: the identity, or a control's change.
        checkpoints: Folder where the backend may write checkpoints; it need not exist.
        logs: Folder where the backend may write TensorBoard logs; it need not exist.
        resume: Resume from what ``checkpoints`` contains; a backend that cannot resume starts again.
        validate: Returns metrics such as ``NDCG@10`` of a scorer on the validation cases.
        progress: Progress callback.
    """

    config: Config
    catalogue: Catalogue
    split: Split
    user_ids: NDArray[Any]
    knowledge: KnowledgeSource
    knowledge_change: Callable[[ItemTrees], ItemTrees]
    checkpoints: Path
    logs: Path
    validate: Callable[[Callable[[Cases], NDArray[np.float32]]], dict[str, float]]
    resume: bool = False
    progress: ProgressCallback = silent


@dataclass(frozen=True)
class FitResult:
    """The result of a training.

    Attributes:
        epochs: Epochs trained, those before an interruption included.
        best: Validation metrics of the weights that were chosen.
        history: One row per evaluation: epoch, loss, metrics.
        figures: Further figures for the manifest, e.g. parameters, seconds, tokens per prompt.
    """

    epochs: float
    best: Mapping[str, float]
    history: list[dict[str, float]] = field(default_factory=list)
    figures: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Triplets:
    """The triplet prompts that a backend reads to score one case.

    Attributes:
        item: ``(T,)`` catalogue row of the item that each belongs to.
        row: ``(T,)`` the backend's own number of the triplet.
        parent: ``(T,)`` index in this list of its parent triplet, always an earlier one; -1 directly under the item.
        hop: ``(T,)`` hops from the item, from 1.
        prompts: Fact and variant of each of the T prompts; sentences are rendered from them.
    """

    item: NDArray[np.int64]
    row: NDArray[np.int64]
    parent: NDArray[np.int64]
    hop: NDArray[np.int64]
    prompts: PromptKeys

    def __len__(self) -> int:
        return len(self.item)

    def with_below(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The chosen triplets of V variants together with all their descendants, ``(V, T)``.

        Args:
            chosen: ``(V, T)`` chosen triplets.
        """
        return with_descendants(chosen, self.hop, self.parent)


@runtime_checkable
class Backend(Protocol):
    """A recommender that can be trained, can score the catalogue, and can be saved and loaded.

    Created as ``Backend(options)`` where ``options`` is an instance of its ``Options``; found by name through
    :func:`kptoolkit.models.register` or the entry point group ``kptoolkit.backends``. The suite
    :mod:`kptoolkit.testing.backend_suite` tests any implementation.

    Attributes:
        name: Its name in ``model.backend``.
        min_training_events: Training events that at least one user must have: 2 for a backend that learns the next
            item from those before it.
    """

    name: ClassVar[str]
    min_training_events: ClassVar[int]

    @property
    def Options(self) -> type[BaseModel]:
        """Pydantic class of its options; a backend sets it as an attribute of its class."""
        ...

    def __init__(self, options: Any) -> None:
        """Create an untrained backend from its options."""

    def fit(self, task: FitTask) -> FitResult:
        """Learn from the training histories.

        Raises:
            TrainingError: Training cannot continue, e.g. the loss is not a number.
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
class BeamSearch(Protocol):
    """A backend that can recommend by beam search instead of scoring the whole catalogue."""

    def beam_search(self, cases: Cases, k: int, beams: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the best items of N histories, best first; items of the history are not offered.

        Returns:
            Catalogue rows and scores, both ``(N, k)``, filled up with -1 and -inf.
        """
        ...


@runtime_checkable
class StartsFromRun(Protocol):
    """A backend whose training can start from the weights of an earlier one, of other items and another graph."""

    def start_from(self, earlier: Any, catalogue: Catalogue) -> None:
        """Start the next :meth:`Backend.fit` from the weights of a fitted backend of this class.

        What both name, such as words, relations, entities and items, has the earlier weights; the rest starts as usual.

        Args:
            earlier: A fitted backend of this class.
            catalogue: The catalogue that it was trained on.
        """


@runtime_checkable
class AcceptsNewItems(Protocol):
    """A backend that can rank items that were not in its training catalogue."""

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Rank an extended catalogue from now on; nothing is trained.

        Args:
            catalogue: The trained catalogue's items in their order, then new ones.
            source: Chooses and renders their triples.
        """


@runtime_checkable
class ReadsKnowledge(Protocol):
    """A backend that reads the knowledge graph; only such a backend has controls with other knowledge or none."""

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model; its weights stay."""


@runtime_checkable
class ReadsTreeMask(Protocol):
    """A backend that reads prompts under the tree mask, and can be trained without it."""

    @classmethod
    def without_tree_mask(cls, config: Config) -> Config | None:
        """Return the settings of a training that differs in the tree mask alone.

        Args:
            config: Settings of a run of this backend.

        Returns:
            ``None`` if the mask of such a run hides nothing, so that it would be the same training.
        """
        ...


@runtime_checkable
class ReadsFarTriples(Protocol):
    """A backend that can read triples of several hops."""

    @classmethod
    def hops_read(cls, config: Config) -> int:
        """Return the hops of the triples that a training reads, at most ``tree.hops``.

        Args:
            config: Its settings.
        """
        ...


@runtime_checkable
class ReadsTemplates(Protocol):
    """A backend that reads the words of MPP templates, and can rank by one that training lacked."""

    def score_by_template(self, cases: Cases, template: MppTemplate) -> NDArray[np.float32]:
        """Scores as :meth:`Backend.score` gives them, by the words of another template; nothing is trained.

        Args:
            cases: N cases.
            template: The template.
        """
        ...


@runtime_checkable
class RanksByKnowledgeAlone(Protocol):
    """A backend that can be trained to read nothing of an item except its triples."""

    @classmethod
    def knowledge_alone(cls, config: Config) -> Config:
        """Return the settings of a training in which items have no token and no name of their own.

        Args:
            config: Settings of a run of this backend.
        """
        ...


@runtime_checkable
class Explains(Protocol):
    """A backend that can name the triplet prompts that a score depends on."""

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplet prompts that the scores of some items depend on.

        Args:
            case: One case.
            candidates: ``(C,)`` catalogue rows.

        Returns:
            Those of the items of the history, and those of the candidates if the backend reads them.
        """
        ...

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Scores of some items if the model does not read some triplets; nothing is trained, nothing replaces them.

        Args:
            case: One case.
            candidates: ``(C,)`` catalogue rows.
            triplets: Result of :meth:`triplets`.
            removed: ``(V, T)`` triplets that each of V variants lacks, each with all its descendants; see
                :meth:`Triplets.with_below`.

        Returns:
            ``(V, C)``, comparable with :meth:`Backend.score`; a variant that lacks nothing has the same scores.
        """
        ...


def options_class(backend: type[Backend]) -> type[BaseModel]:
    """Return the pydantic class of a backend's options."""
    return cast("type[BaseModel]", backend.Options)


def beam_search_of(backend: Backend) -> BeamSearch:
    """``backend`` if it offers beam search.

    Raises:
        InputError: It does not.
    """
    if not isinstance(backend, BeamSearch):
        raise InputError(
            f"backend '{backend.name}' offers no beam search; leave out --beam, or train with model.backend = 'kp4sr'"
        )
    return backend
