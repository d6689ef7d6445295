"""How far the score of an item falls when the model does not read one of its triplet prompts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models import Backend, Explains, Triplets
from kptoolkit.models.backend import beam_search_of
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.parts.removed_triplets import RemovedTriplets
from kptoolkit.models.parts.score_parts import TEXT
from kptoolkit.runs.ensemble import require_single
from kptoolkit.runs.run import Run
from kptoolkit.runs.several_runs import require_own_interactions

NAMED = 3
"""Maximum number of triplet prompts named for a recommendation."""
_CAPTION = "drop: how far the score falls when the model does not read the sentence and the sentences below it"
_WITH_TEXT = "; what the part text adds stays as it is"


def drop_caption(parts: Collection[str]) -> str:
    """Return what a drop is, in one sentence.

    Args:
        parts: Names of the score parts that are explained.
    """
    return _CAPTION + (_WITH_TEXT if TEXT in parts else "")


@dataclass(frozen=True, eq=False)
class RunScore:
    """The score of a run, by its backend and its score parts together, with and without triplet prompts.

    Attributes:
        recommender: Backend and parts.
        backend: The same backend.
        removed: Computes the change of the parts.
        knowledge: Renders the sentences.
    """

    recommender: Recommender
    backend: Explains
    removed: RemovedTriplets
    knowledge: KnowledgeSource

    @classmethod
    def of(cls, run: Run) -> RunScore:
        """Create it for a finished run.

        Raises:
            InputError: The backend cannot say which triplets mattered.
        """
        backend = require_explains(run.backend)
        knowledge = run.knowledge_source()
        removed = RemovedTriplets(run.recommender.parts, run.catalogue, knowledge)
        return cls(run.recommender, backend, removed, knowledge)

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores of the whole catalogue, ``(N, n_items)``."""
        return self.recommender.score(cases)

    def triplets(self, case: Cases, candidates: NDArray[np.int64]) -> Triplets:
        """The triplet prompts that the backend reads; see :class:`~kptoolkit.models.backend.Explains`."""
        return self.backend.triplets(case, candidates)

    def score_without(
        self, case: Cases, candidates: NDArray[np.int64], triplets: Triplets, removed: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Scores ``(V, C)`` without some triplets; see :class:`~kptoolkit.models.backend.Explains`."""
        parts = self.recommender.parts
        scores = self.removed.change(case, candidates, triplets, removed) + parts.added(case)[:, candidates]
        if parts.backend:
            by_backend = self.backend.score_without(case, candidates, triplets, removed)
            scores += np.float32(parts.backend) * by_backend
        return scores

    def named(self, found: Triplets, fall: NDArray[np.float32], count: int = NAMED) -> dict[int, str]:
        """Choose the triplets that are named for a recommendation.

        Args:
            found: T triplets.
            fall: ``(T,)`` drop of the score without each.
            count: Maximum number of them.

        Returns:
            Number and sentence of those with the largest drops, the largest first. One without which the score does not
            fall is never among them, and a sentence about several items is so once.
        """
        sentences = self.knowledge.sentences(found.prompts)
        chosen: dict[str, int] = {}
        for triplet in np.argsort(-fall, kind="stable").tolist():
            if len(chosen) == count or fall[triplet] <= 0:
                break
            chosen.setdefault(sentences[triplet], triplet)
        return {triplet: sentence for sentence, triplet in chosen.items()}


def require_explains(backend: Backend) -> Explains:
    """Return ``backend`` if it can say which triplets mattered.

    Raises:
        InputError: It cannot.
    """
    if not isinstance(backend, Explains):
        raise InputError(
            f"backend '{backend.name}' cannot say which triplets mattered; leave out --explain, or give it the methods "
            "of kptoolkit.models.Explains"
        )
    return backend


def check_abilities(run: Run, *, beam: bool, explain: bool) -> None:
    """Check that a run can be evaluated as asked, before anything is ranked or trained.

    Args:
        run: A finished run.
        beam: Whether beam search is needed.
        explain: Whether explanations are needed.

    Raises:
        InputError: It is an ensemble, it has other interactions than its own, or its backend offers no beam search or
            cannot say which triplets mattered.
    """
    require_single(run, "evaluating")
    require_own_interactions(run)
    if beam:
        beam_search_of(run.backend)
    if explain:
        require_explains(run.backend)


def drops(scorer: Explains, case: Cases, candidates: NDArray[np.int64]) -> tuple[Triplets, NDArray[np.float32]]:
    """Measure how far the scores of some items fall without each triplet prompt.

    Each triplet is left out alone, with the triplets below it. All variants are scored together.

    Args:
        scorer: The score of a run, or a fitted backend.
        case: One case.
        candidates: ``(C,)`` catalogue rows.

    Returns:
        The T triplets, and the drops of the scores, ``(T, C)``; 0 for a triplet of another candidate only.
    """
    found = scorer.triplets(case, candidates)
    alone = np.eye(len(found) + 1, len(found), k=-1, dtype=bool)  # the first variant lacks nothing
    scores = scorer.score_without(case, candidates, found, found.with_below(alone))
    concerns = np.isin(found.item, case.items)[:, None] | (found.item[:, None] == candidates)
    return found, np.where(concerns, scores[0] - scores[1:], np.float32(0))
