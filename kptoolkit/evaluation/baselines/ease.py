"""EASE with recency: a linear model of items by items, in closed form.

Reference: H. Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019. A history's items are weighted by
recency when scores are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import InputError
from kptoolkit.evaluation.baselines.tuning import Tuned, TuningTask, tune
from kptoolkit.models.linear.dense_inverse import MAX_SIZE, inverse_of
from kptoolkit.models.parts.item_pairs import profiles, user_weights
from kptoolkit.names import quantity


@dataclass(frozen=True)
class EASESettings:
    """Settings of :class:`EASE`.

    Attributes:
        regularization: Added to the diagonal of the item-item matrix.
        damped: Whether a user counts ``1 / log(1 + events)``.
        decay: Weight of a history item relative to the next later one.
        latest: Latest items of a history that count.
    """

    regularization: float = 200.0
    damped: bool = False
    decay: float = 0.8
    latest: int = 50


@dataclass(frozen=True)
class Inverse:
    """The inverse P of ``X.T X + regularization * I``, of which only products are needed.

    Attributes:
        diagonal: ``(n_items,)`` diagonal of P.
        product: Function from sparse rows ``(N, n_items)`` to the dense rows times P.
    """

    diagonal: NDArray[np.float32]
    product: Callable[[Any], NDArray[np.float32]]


class EASE:
    """Scores by ``history @ B``, with ``B = I - P / diag(P)`` and P the regularized inverse of item co-occurrence.

    Args:
        settings: Settings; :meth:`tuned` chooses them.
    """

    name: ClassVar[str] = "EASE"
    #: Settings that :meth:`tuned` tries.
    GRID: ClassVar[dict[str, Sequence[Any]]] = {
        "decay": (0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
        "latest": (20, 50, 200),
        "regularization": (50.0, 200.0, 500.0, 1000.0, 2000.0),
        "damped": (False, True),
    }

    def __init__(self, settings: EASESettings | None = None) -> None:
        self.settings = settings or EASESettings()
        self.inverse = Inverse(np.zeros(0, dtype=np.float32), lambda rows: np.zeros(rows.shape, dtype=np.float32))
        self.tuning: Tuned[EASESettings] | None = None

    @classmethod
    def tuned(cls, task: TuningTask) -> EASE:
        """Fit with the settings of :attr:`GRID` that a coordinate search finds best on the validation cases.

        Args:
            task: What to learn from.

        Raises:
            InputError: Users and items are both more than :data:`MAX_SIZE`.
        """

        @lru_cache(maxsize=1)
        def inverse(regularization: float, damped: bool) -> Inverse:
            return invert(task.train, task.n_items, regularization, damped)

        def fitted(settings: EASESettings) -> EASE:
            found = cls(settings)
            found.inverse = inverse(settings.regularization, settings.damped)
            return found

        return tune(task, cls.name, EASESettings(), cls.GRID, fitted)

    def fit(self, train: Histories, n_items: int) -> Self:
        """Compute the inverse.

        Args:
            train: Training histories.
            n_items: Catalogue size.

        Raises:
            InputError: Users and items are both more than :data:`MAX_SIZE`.
        """
        self.inverse = invert(train, n_items, self.settings.regularization, self.settings.damped)
        return self

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``; 0 for all items if a history is empty or unknown."""
        rows = profiles(cases, len(self.inverse.diagonal), self.settings.decay, self.settings.latest)
        scores = -self.inverse.product(rows) / self.inverse.diagonal
        entries = rows.tocoo()
        np.add.at(scores, (entries.row, entries.col), entries.data)
        return scores


def invert(train: Histories, n_items: int, regularization: float, damped: bool) -> Inverse:
    """Compute the inverse on the smaller side: items by items, or users by users (Woodbury identity).

    Args:
        train: Training histories.
        n_items: Catalogue size.
        regularization: Added to the diagonal.
        damped: Whether users are weighted by :func:`user_weights`.

    Raises:
        InputError: Both sides are larger than :data:`MAX_SIZE`.
    """
    used = train.take(train.lengths > 0)
    if min(len(used), n_items) > MAX_SIZE:
        raise InputError(
            f"EASE is left out: it inverts a dense matrix of users or items, of at most {MAX_SIZE:,}; there are "
            f"{quantity(len(used), 'users')} and {quantity(n_items, 'items')}"
        )
    weights = np.sqrt(user_weights(used, damped))
    shape = (len(used), n_items)
    met = sp.csr_matrix((weights[used.rows], used.items, used.indptr), shape=shape)
    if n_items <= len(used):
        inverse = inverse_of((met.T @ met).toarray(), regularization)
        return Inverse(np.ascontiguousarray(np.diag(inverse)), lambda rows: np.asarray(rows @ inverse))
    users = inverse_of((met @ met.T).toarray(), regularization)
    by_item = met.T.tocsr()
    diagonal = np.empty(n_items, dtype=np.float32)
    for first in range(0, n_items, 1024):
        some = by_item[first : first + 1024]
        diagonal[first : first + 1024] = np.asarray(some.multiply(some @ users).sum(axis=1)).ravel()

    def product(rows: Any) -> NDArray[np.float32]:
        through = by_item @ np.ascontiguousarray(((rows @ by_item) @ users).T)
        return np.asarray(rows.toarray() - through.T, dtype=np.float32) / np.float32(regularization)

    return Inverse((1 - diagonal) / np.float32(regularization), product)
