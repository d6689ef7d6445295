"""How far the score of an item falls when the model does not read one of its triplet prompts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.errors import InputError
from kptoolkit.models import Backend, Explains, Triplets

NAMED = 3
"""Maximum number of triplet prompts named for a recommendation."""


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


def drops(backend: Explains, case: Cases, candidates: NDArray[np.int64]) -> tuple[Triplets, NDArray[np.float32]]:
    """Measure how far the scores of some items fall without each triplet prompt.

    Each triplet is left out alone, with the triplets below it. All variants are scored together.

    Args:
        backend: A fitted backend.
        case: One case.
        candidates: ``(C,)`` catalogue rows.

    Returns:
        The T triplets, and the drops of the scores, ``(T, C)``; 0 for a triplet of another candidate only.
    """
    found = backend.triplets(case, candidates)
    alone = np.eye(len(found) + 1, len(found), k=-1, dtype=bool)  # the first variant lacks nothing
    scores = backend.score_without(case, candidates, found, found.with_below(alone))
    concerns = np.isin(found.item, case.items)[:, None] | (found.item[:, None] == candidates)
    return found, np.where(concerns, scores[0] - scores[1:], np.float32(0))
