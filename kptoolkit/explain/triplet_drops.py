"""How far the score of an item falls when the model does not read one of its triplet prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError
from kptoolkit.models import Backend, Explains, Triplets
from kptoolkit.models.backend import beam_search_of
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.parts.removed_triplets import RemovedTriplets
from kptoolkit.runs.ensemble import require_single
from kptoolkit.runs.run import Run
from kptoolkit.runs.several_runs import require_own_interactions

NAMED = 3
"""Maximum number of triplet prompts named for a recommendation."""


class ExplainsScore(Explains, Protocol):
    """A scorer that can name the triplet prompts that its scores depend on."""

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores of the whole catalogue, ``(N, n_items)``."""
        ...


@dataclass(frozen=True, eq=False)
class RunScore:
    """The score of a run, by its backend and its score parts together, with and without triplet prompts.

    Attributes:
        recommender: Backend and parts.
        backend: The same backend.
        removed: Computes the change of the parts.
    """

    recommender: Recommender
    backend: Explains
    removed: RemovedTriplets

    @classmethod
    def of(cls, run: Run) -> RunScore:
        """Create it for a finished run.

        Raises:
            InputError: The backend cannot say which triplets mattered.
        """
        backend = require_explains(run.backend)
        removed = RemovedTriplets(run.recommender.parts, run.catalogue, run.knowledge_source())
        return cls(run.recommender, backend, removed)

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
