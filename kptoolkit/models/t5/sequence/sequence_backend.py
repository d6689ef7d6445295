"""The backend ``sequence``: knowledge once per item, the next item at every position in one pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import Config, validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import FitResult, FitTask, Triplets
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.sequence.vector_scorer import VectorScorer
from kptoolkit.models.t5.t5_backend import T5Backend
from kptoolkit.prompts import MppTemplate

if TYPE_CHECKING:
    from kptoolkit.models.t5.sequence.sequence_state import SequenceState

_FEW: Final = 16
"""Histories that are scored by the saved vectors in less time than torch needs to be imported."""


class SequenceBackend(T5Backend[SequenceOptions, "SequenceState"]):
    """Learns the next item after every item of every history; an item's knowledge is read once for all users.

    An epoch trains on every event of every history except the first. A loaded backend scores a few histories from its
    saved vectors; anything else reads the model first.

    Args:
        options: Options of ``[model]``.
    """

    name: ClassVar[str] = "sequence"
    Options: ClassVar[type[SequenceOptions]] = SequenceOptions

    def __init__(self, options: SequenceOptions) -> None:
        super().__init__(options)
        self._folder: Path | None = None
        self._scorer: VectorScorer | None = None

    @property
    def fitted(self) -> SequenceState:
        """The fitted model with what it reads; read from its files if only the vectors were.

        Raises:
            RunError: The backend was neither fitted nor loaded, or a file is missing or damaged.
        """
        if self._fitted is None and self._folder is not None:
            from kptoolkit.models.t5.sequence.sequence_state import load_state

            self._fitted = load_state(self._folder, self.options)
        return super().fitted

    def _train(self, task: FitTask) -> FitResult:
        from kptoolkit.models.t5.sequence.sequence_feed import SequenceFeed
        from kptoolkit.models.t5.sequence.sequence_state import build_state
        from kptoolkit.models.t5.start_weights import start_from_earlier
        from kptoolkit.models.training import Epochs, train_and_report

        state = self._fitted = build_state(self.options, task)
        start_from_earlier(state, task, self._earlier)
        feed = SequenceFeed(state, task, self.options)
        data = Epochs(len(feed.slices), feed.start_epoch, feed.order)
        rates = state.model.learning_rate_shares(feed.turns)
        state.encode_catalogue()

        def score(cases: Cases) -> NDArray[np.float32]:
            feed.read_first()
            return self.score(cases)

        result = train_and_report(state.model, data, feed.collate, score, task, feed.figures, rates)
        feed.read_first()
        state.forget()
        return result

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item as the next one, ``(N, n_items)``."""
        if self._fitted is None and self._scorer is not None and len(cases) <= _FEW:
            return self._scorer.score(cases)
        return self.fitted.score(cases)

    def score_by_template(self, cases: Cases, template: MppTemplate) -> NDArray[np.float32]:
        """Log-likelihoods after another template's words; see :class:`~kptoolkit.models.backend.ReadsTemplates`."""
        return self.fitted.with_template(template).score(cases)

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplets of the items read and of the candidates; see :class:`~kptoolkit.models.backend.Explains`."""
        from kptoolkit.models.t5.sequence import vector_variants

        return vector_variants.triplets(self.fitted, case, candidates)

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Log-likelihoods by vectors without some triplets; see :class:`~kptoolkit.models.backend.Explains`."""
        from kptoolkit.models.t5.sequence import vector_variants

        return vector_variants.score_without(self.fitted, case, candidates, triplets, removed)

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model, e.g. remove it to see how far the model relies on it.

        Vectors of text are not computed again; they become zero.
        """
        state = self.fitted
        if state.model.text is not None:
            state.model.text = state.model.text.new_zeros(state.model.text.shape)
        state.read_knowledge(state.knowledge.with_trees(change(state.knowledge.trees)), state.facts)

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Rank a catalogue that extends the trained one; nothing is trained.

        A new item has no token of its own: its vector is its knowledge. Relations and entities that training never saw
        are ignored.

        Args:
            catalogue: The trained catalogue's items in their order, then new ones.
            source: Chooses and renders their triples.
        """
        self.fitted.extend(catalogue, source)

    @classmethod
    def hops_read(cls, config: Config) -> int:
        """``model.fact_hops`` with facts; see :class:`~kptoolkit.models.backend.ReadsFarTriples`."""
        options = validate(cls.Options, config.model.options, "model")
        return min(config.tree.hops, options.fact_hops) if options.reads == "facts" else config.tree.hops

    @classmethod
    def without_tree_mask(cls, config: Config) -> Config | None:
        """Settings with the tree mask off; see :class:`~kptoolkit.models.backend.ReadsTreeMask`.

        The mask hides nothing in trees of one hop, where all triplets are siblings.
        """
        options = validate(cls.Options, config.model.options, "model")
        masked = options.mask != "off" and options.reads == "tree" and config.tree.hops > 1
        return config.with_options(mask="off") if masked else None

    @classmethod
    def knowledge_alone(cls, config: Config) -> Config:
        """Settings with no identity of items; see :class:`~kptoolkit.models.backend.RanksByKnowledgeAlone`."""
        return config.with_options(identity=False)

    def save(self, folder: Path) -> None:
        """Write everything :meth:`load` needs into ``folder``."""
        self.fitted.save(folder)

    @classmethod
    def load(cls, folder: Path, options: SequenceOptions) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged, or a weight is not a number.
        """
        backend = cls(options)
        backend._folder, backend._scorer = folder, VectorScorer.load(folder, options)
        if backend._scorer is None:
            backend.fitted  # noqa: B018 reads the model, so that damaged files are found now
        return backend
