"""Content: items with the same facts as the history's items, TF-IDF over triples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.evaluation.baselines.tuning import Tuned, TuningTask, tune
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.models.parts.item_pairs import dense, profiles


@dataclass(frozen=True)
class ContentSettings:
    """Settings of :class:`Content`.

    Attributes:
        idf: Exponent of the inverse document frequency.
        length: Exponent of the length of an item's vector, by which it is divided: 1 for the cosine, 0 for products.
        popularity: Exponent of the training events of the scored item, a factor of its score.
        decay: Weight of a history item relative to the next later one.
        latest: Latest items of a history that count.
    """

    idf: float = 1.0
    length: float = 1.0
    popularity: float = 0.15
    decay: float = 0.8
    latest: int = 20


class Content:
    """Scores an item by ``sum over the history of decay^age * similarity`` of TF-IDF vectors of triples.

    The score is multiplied by a power of the item's training events, mostly to order items with the same facts.

    Args:
        settings: Settings; :meth:`tuned` chooses them.
    """

    name: ClassVar[str] = "content"
    #: Settings that :meth:`tuned` tries.
    GRID: ClassVar[dict[str, Sequence[Any]]] = {
        "decay": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        "popularity": (0.0, 0.15, 0.3, 0.5),
        "idf": (0.5, 1.0, 2.0),
        "length": (0.0, 0.5, 1.0),
        "latest": (5, 20, 50),
    }

    def __init__(self, settings: ContentSettings | None = None) -> None:
        self.settings = settings or ContentSettings()
        self.vectors = sp.csr_matrix((0, 0), dtype=np.float32)
        self.prior: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self.tuning: Tuned[ContentSettings] | None = None

    @classmethod
    def tuned(cls, task: TuningTask) -> Content:
        """Fit with the settings of :attr:`GRID` that a coordinate search finds best on the validation cases.

        Args:
            task: What to learn from.

        Raises:
            ValueError: The task has no neighbourhoods.
        """
        if task.neighbourhoods is None:
            raise ValueError("content needs neighbourhoods")
        facts = facts_of(task.neighbourhoods)

        @lru_cache(maxsize=1)
        def vectors(idf: float, length: float) -> Any:
            return tf_idf(facts, idf, length)

        def fitted(settings: ContentSettings) -> Content:
            found = cls(settings)
            found.vectors = vectors(settings.idf, settings.length)
            found.prior = popularity_prior(task.train, task.n_items, settings.popularity)
            return found

        return tune(task, cls.name, ContentSettings(), cls.GRID, fitted)

    def fit(self, train: Histories, neighbourhoods: Neighbourhoods) -> Self:
        """Compute the vectors of the items.

        Args:
            train: Training histories.
            neighbourhoods: Facts around the items; ``roots[i]`` belongs to item i.
        """
        self.vectors = tf_idf(facts_of(neighbourhoods), self.settings.idf, self.settings.length)
        self.prior = popularity_prior(train, len(neighbourhoods.roots), self.settings.popularity)
        return self

    def score(self, cases: Cases) -> NDArray[np.float32]:
        """Scores ``(N, n_items)``; 0 for all items if no item of a history has facts."""
        rows = profiles(cases, self.vectors.shape[0], self.settings.decay, self.settings.latest)
        return dense((rows @ self.vectors) @ self.vectors.T) * self.prior


def popularity_prior(train: Histories, n_items: int, exponent: float) -> NDArray[np.float32]:
    """Return ``(n_items,)`` factors: ``(1 + training events) ** exponent``."""
    return (1.0 + np.bincount(train.items, minlength=n_items)).astype(np.float32) ** np.float32(exponent)


def facts_of(neighbourhoods: Neighbourhoods) -> Any:
    """Arrange the facts of hop 1 by item: CSR ``(n_items, F)`` of ones, one column per relation, direction and far end.

    One more column per entity joins an item to the items whose fact it is the far end of.

    Args:
        neighbourhoods: Facts around the items; ``roots[i]`` belongs to item i; -1 has no facts.
    """
    roots, nodes = np.asarray(neighbourhoods.roots, dtype=np.int64), len(neighbourhoods)
    linked = np.flatnonzero(roots >= 0)
    around = neighbourhoods.take(roots[linked])
    item = np.repeat(linked, around.lengths)
    label = 2 * around.relation.astype(np.int64) + around.forward
    direct = 2 * len(neighbourhoods.relations)
    is_root = np.isin(around.far, roots[linked])
    key = np.concatenate(
        [label * nodes + around.far, direct * nodes + around.far[is_root], direct * nodes + roots[linked]]
    )
    row = np.concatenate([item, item[is_root], linked])
    _, column = np.unique(key, return_inverse=True)
    shape = (len(roots), int(column.max(initial=-1)) + 1)
    facts = sp.csr_matrix((np.ones(len(row), dtype=np.float32), (row, column)), shape=shape)
    facts.data[:] = 1.0
    return facts


def tf_idf(facts: Any, idf: float, length: float) -> Any:
    """Weight facts by rarity and divide rows by a power of their length: CSR ``(n_items, F)``.

    Args:
        facts: ``(n_items, F)`` ones.
        idf: Exponent of ``log(n_items / items with the fact)``.
        length: Exponent of the length of a row.
    """
    items = np.maximum(np.bincount(facts.indices, minlength=facts.shape[1]), 1)
    rarity = np.log(facts.shape[0] / items) ** idf
    vectors = facts @ sp.diags(np.where(items > 1, rarity, 0).astype(np.float32))
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return (sp.diags(np.where(lengths > 0, lengths, 1) ** -length) @ vectors).tocsr().astype(np.float32)
