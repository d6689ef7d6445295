"""Windowed ridge regression: from the latest items of a history, decayed by age, to the next item, in closed form.

Every event of a training history except the first is a sample: its target is the item of the event, its features are
the items before it. The target is never its own feature, and estimates for a sample can be those of the regression
without all samples of its user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import solve

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.linear.dense_inverse import inverse_of
from kptoolkit.models.parts.item_pairs import profiles, user_weights

SAMPLES_AT_ONCE: Final = 100_000
"""About how many samples are added to the matrices at once."""
SPARSE: Final = 0.04
"""Share of pairs of items that occur below which a product of sparse arrays is faster than one of dense ones."""


@dataclass(frozen=True)
class RidgeSettings:
    """Settings of the regression.

    Attributes:
        window: Latest items of a history that are features.
        decay: Weight of a feature relative to the next later one.
        regularization: Added to the diagonal of the item-item matrix.
        damped: Whether each sample of a user counts ``1 / log(1 + events)``.
        max_items: Items that are features and targets: those with the most training events.
    """

    window: int
    decay: float
    regularization: float
    damped: bool
    max_items: int


@dataclass(frozen=True, eq=False)
class WindowRidge:
    """A fitted regression.

    Attributes:
        items: ``(m,)`` catalogue rows of the items read, ascending.
        targets: ``(c,)`` catalogue rows of the items estimated.
        matrix: ``(m + 1, c)`` coefficients; row: item read, the last one the intercept; column: next item.
        n_items: Catalogue size.
        window: Latest items of a history that are read.
        decay: Weight of an item read relative to the next later one.
    """

    items: NDArray[np.int64]
    targets: NDArray[np.int64]
    matrix: NDArray[np.float32]
    n_items: int
    window: int
    decay: float

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Estimated probability of every item as the next one, ``(N, n_items)``; 0 for items that are no targets."""
        return self.spread(np.asarray(self.features(cases) @ self.matrix))

    def features(self, cases: Cases) -> Any:
        """Features of N cases, CSR ``(N, m + 1)``; the last is 1 for all."""
        ones = sp.csr_matrix(np.ones((len(cases), 1), dtype=np.float32))
        return sp.hstack([profiles(cases, self.n_items, self.decay, self.window)[:, self.items], ones], format="csr")

    def spread(self, estimates: NDArray[np.float32]) -> NDArray[np.float32]:
        """Arrange estimates ``(N, c)`` of the targets as scores ``(N, n_items)``."""
        scores = np.zeros((len(estimates), self.n_items), dtype=np.float32)
        scores[:, self.targets] = estimates
        return scores

    def grown(self, similar: Any) -> WindowRidge:
        """The same regression for a catalogue with more items, which are not read and take estimates of old items.

        Args:
            similar: CSR ``(new, n_items)`` weights of old items for each new one; each row adds up to 1 or is empty.
        """
        columns = np.asarray((similar[:, self.targets] @ self.matrix.T).T, dtype=np.float32)  # (m + 1, new)
        new = np.arange(self.n_items, self.n_items + similar.shape[0])
        return replace(
            self,
            targets=np.concatenate([self.targets, new]),
            matrix=np.concatenate([self.matrix, columns], axis=1),
            n_items=self.n_items + len(new),
        )


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A fitted regression and what is needed to leave out a user.

    Attributes:
        ridge: The regression.
        inverse: ``(m + 1, m + 1)`` inverse of the weighted, regularized matrix of feature products.
        train: Training histories.
        weights: ``(U,)`` weight of the samples of each user.
    """

    ridge: WindowRidge
    inverse: NDArray[np.float32]
    train: Histories
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, train: Histories, n_items: int, settings: RidgeSettings) -> RidgeFit:
        """Fit on training histories.

        Args:
            train: Training histories.
            n_items: Catalogue size.
            settings: Settings.
        """
        items = _most_frequent(train, n_items, settings.max_items)
        width, weights = len(items) + 1, user_weights(train, settings.damped)
        gram, cross = np.zeros((width, width), dtype=np.float32), np.zeros((width, len(items)), dtype=np.float32)
        ridge = WindowRidge(items, items, cross, n_items, settings.window, settings.decay)
        for users in _blocks(train):
            samples = _samples(train, users, settings.window)
            features, targets = ridge.features(samples), _one_hot(samples.targets, n_items)[:, items]
            weighted = (sp.diags(weights[samples.user]) @ features).T.tocsr()
            gram += (weighted @ features).toarray()
            cross += (weighted @ targets).toarray()
        inverse = inverse_of(gram, settings.regularization)
        return cls(replace(ridge, matrix=_product(inverse, cross)), inverse, train, weights)

    def without_own(self, cases: Cases) -> NDArray[np.float32]:
        """Estimates ``(N, n_items)`` as if the regression had been fitted without the case's own user.

        With ``H`` the hat matrix of the user's samples, the estimates without them are ``(I - H)^-1 (Y' - H Y)`` for
        their estimates ``Y'`` and targets ``Y``.

        Args:
            cases: N cases, each the beginning of the training history of its user, at least one event long and not
                the whole history.
        """
        scores = np.zeros((len(cases), self.ridge.n_items), dtype=np.float32)
        for user in np.unique(cases.user):
            rows = np.flatnonzero(cases.user == user)
            scores[rows] = self._without(int(user), cases.lengths[rows] - 1)
        return scores

    def _without(self, user: int, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Estimates ``(P, n_items)`` for the samples ``places`` of a user."""
        samples = _samples(self.train, np.array([user]), self.ridge.window)
        features = self.ridge.features(samples)
        used = np.unique(features.indices)
        near = features[:, used].toarray().astype(np.float64)  # (M, c)
        hat = float(self.weights[user]) * near @ self.inverse[np.ix_(used, used)].astype(np.float64) @ near.T
        chosen = np.eye(len(samples))[:, places]
        mixed = solve(np.eye(len(samples)) - hat, chosen, assume_a="pos").T  # (P, M)
        scores = self.ridge.spread((mixed @ near).astype(np.float32) @ self.ridge.matrix[used])
        known = np.isin(samples.targets, self.ridge.items)
        one_hot = _one_hot(samples.targets[known], self.ridge.n_items)
        scores -= (sp.csr_matrix((mixed - chosen.T)[:, known].astype(np.float32)) @ one_hot).toarray()
        return scores


def _product(inverse: NDArray[np.float32], cross: NDArray[np.float32]) -> NDArray[np.float32]:
    """``inverse @ cross`` for a symmetric ``inverse``."""
    if np.count_nonzero(cross) >= SPARSE * cross.size:
        return inverse @ cross
    return np.ascontiguousarray((sp.csr_matrix(cross.T) @ inverse.T).T)


def _most_frequent(train: Histories, n_items: int, count: int) -> NDArray[np.int64]:
    """Items with training events, at most ``count``; of equally frequent ones those with the lower rows."""
    events = np.bincount(train.items, minlength=n_items)
    order = np.argsort(-events, kind="stable")[: min(count, int(np.count_nonzero(events)))]
    return np.sort(order)


def _blocks(train: Histories) -> Iterator[NDArray[np.int64]]:
    """Users with samples, in blocks of about :data:`SAMPLES_AT_ONCE`."""
    users = np.flatnonzero(train.lengths > 1)
    block = np.cumsum(train.lengths[users]) // SAMPLES_AT_ONCE
    return iter(np.split(users, np.flatnonzero(np.diff(block)) + 1))


def _samples(train: Histories, users: NDArray[np.int64], window: int) -> Cases:
    """The samples of some users: every event but the first, after the latest ``window`` events before it."""
    own = train.take(users)
    firsts = own.indptr[own.rows]
    ends = np.flatnonzero(np.arange(len(own.items)) > firsts)
    starts = np.maximum(firsts[ends], ends - window)
    return Cases.of(own.slices(starts, ends - starts), own.items[ends], users[own.rows[ends]].astype(np.int32))


def _one_hot(items: NDArray[np.int32], n_items: int) -> Any:
    """CSR ``(N, n_items)`` with a 1 in the column of each item."""
    ones = np.ones(len(items), dtype=np.float32)
    return sp.csr_matrix((ones, items, np.arange(len(items) + 1)), shape=(len(items), n_items))
