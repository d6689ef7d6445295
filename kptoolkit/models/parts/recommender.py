"""A fitted backend together with the score parts: what a run recommends with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases
from kptoolkit.models.backend import Backend, ReadsTemplates
from kptoolkit.models.parts.score_parts import BACKEND, ScoreParts
from kptoolkit.prompts import MppTemplate

Scorer = Callable[[Cases], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Recommender:
    """Scores the catalogue by the weighted score of a backend plus the score parts.

    Attributes:
        backend: A fitted backend.
        parts: The parts, and the weight of the backend.
    """

    backend: Backend
    parts: ScoreParts

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores of the whole catalogue, ``(N, n_items)``, for N histories; higher is better, never NaN."""
        return self._with_parts(cases, self.backend.score)

    def by_template(self, template: MppTemplate) -> Scorer | None:
        """Return a scorer as :meth:`score` by another MPP template; ``None`` if the backend reads no templates."""
        backend = self.backend
        if not isinstance(backend, ReadsTemplates):
            return None
        return partial(self._with_parts, score=partial(backend.score_by_template, template=template))

    def _with_parts(self, cases: Cases, score: Scorer) -> NDArray[np.float32]:
        total = self.parts.added(cases)
        if self.parts.backend:
            total += np.float32(self.parts.backend) * score(cases)
        return total

    def by_part(self, cases: Cases) -> dict[str, NDArray[np.float32]]:
        """What each part adds to the score of every item, ``(N, n_items)`` each; their sum is :meth:`score`."""
        weight, scores = self.parts.backend, dict[str, NDArray[np.float32]]()
        if weight:
            scores[BACKEND] = np.float32(weight) * self.backend.score(cases)
        return scores | self.parts.by_part(cases)

    @property
    def has_parts(self) -> bool:
        """Whether any part counts next to the backend."""
        return bool(self.parts.pairs or self.parts.popularity)
