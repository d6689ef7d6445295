"""The backend ``kp4sr``: T5 names the masked item of a prompt under the tree mask.

References:
    KP4SR: Knowledge Prompt-tuning for Sequential Recommendation, arXiv 2308.08459.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from kptoolkit.config import Config, validate
from kptoolkit.data.histories import Cases
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models.backend import FitResult, FitTask, Triplets
from kptoolkit.models.t5.kp4sr import prompt_variants
from kptoolkit.models.t5.kp4sr.kp4sr_feed import Kp4srFeed
from kptoolkit.models.t5.kp4sr.kp4sr_state import Kp4srState, build_state, load_state
from kptoolkit.models.t5.options import Kp4srOptions
from kptoolkit.models.t5.start_weights import start_from_earlier
from kptoolkit.models.t5.t5_backend import T5Backend
from kptoolkit.models.training import Epochs, train_and_report
from kptoolkit.prompts import MppTemplate


class Kp4srBackend(T5Backend[Kp4srOptions, Kp4srState]):
    """Learns to name the masked item of a prompt whose history items come with their knowledge trees.

    An epoch names about as many items as the histories have events, several after each prompt; with
    ``model.windows = "one"`` it takes one random window of every history, as in the paper.

    Args:
        options: Options of ``[model]``.
    """

    name: ClassVar[str] = "kp4sr"
    Options: ClassVar[type[Kp4srOptions]] = Kp4srOptions

    def _train(self, task: FitTask) -> FitResult:
        state = self._fitted = build_state(self.options, task)
        start_from_earlier(state, task, self._earlier)
        feed = Kp4srFeed(state, task, self.options)
        data = Epochs(len(feed.windows), feed.start_epoch, feed.order if self.options.buckets else None)
        return train_and_report(state.model, data, feed.collate, self.score, task, feed.figures)

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Log-likelihood of every item after the first sentinel, ``(N, n_items)``."""
        state = self.fitted
        return state.scores(len(cases), lambda rows: state.prompts(cases, rows))

    def score_by_template(self, cases: Cases, template: MppTemplate) -> NDArray[np.float32]:
        """Log-likelihoods after prompts by another template; see :class:`~kptoolkit.models.backend.ReadsTemplates`."""
        state = self.fitted.with_template(template)
        return state.scores(len(cases), lambda rows: state.prompts(cases, rows))

    def beam_search(self, cases: Cases, k: int, beams: int = 20) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find items by beam search over the strings of the catalogue, as in the paper, best first.

        Items of the history are not offered. The result has ``k`` different items, or all outside the history.

        Args:
            cases: N histories.
            k: Number of items.
            beams: Beams; at least ``k`` are used.

        Returns:
            Items and their log-likelihoods, both ``(N, k)``, filled up with -1 and -inf.
        """
        state = self.fitted
        found = np.full((len(cases), k), -1, dtype=np.int64)
        scores = np.full((len(cases), k), -np.inf, dtype=np.float32)
        width, decoder = min(max(k, beams), state.n_items), state.decoder()
        for rows, states, real in state.encode(len(cases), lambda rows: state.prompts(cases, rows)):
            items, values = decoder.beam_search(states, real, cases.histories.take(rows), width)
            take = min(k, items.shape[1])
            found[rows, :take] = items[:, :take].cpu().numpy()
            scores[rows, :take] = values[:, :take].cpu().numpy()
        return found, scores

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplet prompts in the prompt of a case; see :class:`~kptoolkit.models.backend.Explains`."""
        return prompt_variants.triplets(self.fitted, case)

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Log-likelihoods after prompts without some triplets; see :class:`~kptoolkit.models.backend.Explains`."""
        return prompt_variants.score_without(self.fitted, case, candidates, triplets, removed)

    def use_trees(self, change: Callable[[ItemTrees], ItemTrees]) -> None:
        """Change the knowledge of a fitted model, e.g. remove it to see how far the model relies on it."""
        assembler = self.fitted.assembler
        assembler.use(assembler.knowledge.with_trees(change(assembler.trees)))

    @classmethod
    def hops_read(cls, config: Config) -> int:
        """All of ``tree.hops``; see :class:`~kptoolkit.models.backend.ReadsFarTriples`."""
        return config.tree.hops

    @classmethod
    def without_tree_mask(cls, config: Config) -> Config | None:
        """Settings with the tree mask off; see :class:`~kptoolkit.models.backend.ReadsTreeMask`."""
        options = validate(cls.Options, config.model.options, "model")
        return config.with_options(mask="off") if options.mask != "off" else None

    def save(self, folder: Path) -> None:
        """Write everything :meth:`load` needs into ``folder``."""
        self.fitted.save(folder)

    @classmethod
    def load(cls, folder: Path, options: Kp4srOptions) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: A file is missing or damaged, a weight is not a number, or the item index is another.
        """
        backend = cls(options)
        backend._fitted = load_state(folder, options)
        return backend
