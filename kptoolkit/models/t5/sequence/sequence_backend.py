"""The backend ``sequence``: knowledge once per item, the next item at every position in one pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from kptoolkit.config import Config, PartsConfig, validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.data.slices import padded
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_facts import PromptFacts
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models.backend import FitResult, FitTask, Triplets
from kptoolkit.models.t5.base import T5Backend, chunks
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.sequence import vector_variants
from kptoolkit.models.t5.sequence.sequence_feed import SequenceFeed
from kptoolkit.models.t5.sequence.sequence_state import (
    SequenceState,
    build_state,
    grow_items,
    item_names,
    load_state,
    prompt_tokens,
    reads_of,
)
from kptoolkit.models.text.nearest_items import whitened
from kptoolkit.models.text.text_vectors import text_vectors
from kptoolkit.models.training import Epochs, train_and_report


class SequenceBackend(T5Backend[SequenceOptions, SequenceState]):
    """Learns the next item after every item of every history; an item's knowledge is read once for all users.

    An epoch trains on every event of every history except the first.

    Args:
        options: Options of ``[model]``.
    """

    name: ClassVar[str] = "sequence"
    Options: ClassVar[type[SequenceOptions]] = SequenceOptions

    def _train(self, task: FitTask) -> FitResult:
        state = self._fitted = build_state(self.options, task)
        feed = SequenceFeed(state, task, self.options)
        data = Epochs(len(feed.slices), feed.start_epoch, feed.order)
        rates = state.model.learning_rate_shares(feed.turns)
        state.encode_catalogue()
        result = train_and_report(state.model, data, feed.collate, self.score, task, feed.figures, rates)
        state.forget()
        return result

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item as the next one, ``(N, n_items)``."""
        state = self.fitted
        vectors, knowledge = state.current()
        prefix = torch.tensor(state.prefix_tokens[-1:], dtype=torch.long, device=state.device)  # (1, P)
        out = np.empty((len(cases), state.model.n_items), dtype=np.float32)
        by_length = np.argsort(cases.histories.lengths, kind="stable")
        for rows in chunks(by_length, state.device):
            items = padded(cases.histories.take(rows), state.history)
            with torch.inference_mode():
                states = state.model.read_last(vectors, knowledge, torch.from_numpy(items).to(state.device), prefix)
                logits = states @ vectors.T  # (B, n)
                out[rows] = logits.float().log_softmax(-1).cpu().numpy()
        return out

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplets of the items read and of the candidates; see :class:`~kptoolkit.models.backend.Explains`."""
        return vector_variants.triplets(self.fitted, case, candidates)

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Log-likelihoods by vectors without some triplets; see :class:`~kptoolkit.models.backend.Explains`."""
        return vector_variants.score_without(self.fitted, case, candidates, triplets, removed)

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model, e.g. remove it to see how far the model relies on it.

        Vectors of text are not computed again; they become zero.
        """
        state = self.fitted
        if state.model.text is not None:
            state.model.text = torch.zeros_like(state.model.text)
        state.read_knowledge(state.knowledge.with_trees(change(state.knowledge.trees)), state.facts)

    def extend(self, catalogue: Catalogue, source: KnowledgeSource) -> None:
        """Rank a catalogue that extends the trained one; nothing is trained.

        A new item has no token of its own: its vector is its knowledge. Relations and entities that training never saw
        are ignored.

        Args:
            catalogue: The trained catalogue's items in their order, then new ones.
            source: Chooses and renders their triples.
        """
        state, items = self.fitted, catalogue.item_of_entity()
        trees = source.trees(0)
        new = len(catalogue) - state.model.n_items
        state.tokenizer = state.tokenizer.with_items(items)
        grow_items(state.model, new)
        state.names = item_names(catalogue, state.tokenizer, identity=state.parts.identity)
        tokens = prompt_tokens(source, state.tokenizer, state.parts.reads)
        compiled = CompiledKnowledge(trees, tokens, source.pool.keys)
        facts = PromptFacts.of(source.pool, items, len(catalogue), known=state.facts)
        if state.model.text is not None:
            settings = PartsConfig(text_encoder=state.parts.text_encoder, text_mask=state.parts.text_mask)
            text = torch.from_numpy(whitened(text_vectors(settings, catalogue, source, trees)))
            state.model.text = text.to(state.device)
        state.read_knowledge(compiled, facts)

    @classmethod
    def without_tree_mask(cls, config: Config) -> Config | None:
        """Settings with the tree mask off; see :class:`~kptoolkit.models.backend.ReadsTreeMask`.

        The mask hides nothing in trees of one hop, where all triplets are siblings.
        """
        options = validate(cls.Options, config.model.options, "model")
        masked = options.tree_mask and reads_of(options) == "tree" and config.tree.hops > 1
        return config.with_options(tree_mask=False) if masked else None

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
        backend._fitted = load_state(folder, options)
        return backend
