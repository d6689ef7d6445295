"""Kinds of item pairs: how often one item came after another in training histories, or what two items share.

A kind is a sparse ``(n, n)`` matrix of raw values with a scaling of its rows and columns. Values that were counted from
histories can be computed as if one user were not there: see :mod:`kptoolkit.models.parts.pair_features`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.data.histories import Histories
from kptoolkit.models.parts.graph_similarity import GraphSimilarity
from kptoolkit.models.parts.item_pairs import count_pairs, count_shared, user_weights

DISTANCES: Final = ((1, 1), (2, 3), (4, 7), (8, 20))
"""Distances, in events, that are counted apart."""
SHRINK: Final = 5.0
"""Added to numbers of events by which a count is divided, so that rare items do not get large values."""
MAX_PAIRS: Final = 8_000_000
"""Most pairs of items of one kind that are counted."""


@dataclass(frozen=True, eq=False)
class Counted:
    """How the raw values of a kind were counted.

    Attributes:
        nearest: Smallest distance of a pair, in events.
        farthest: Largest distance; ``None``: anywhere in the history.
        after: Whether pairs count in which the candidate comes after the item read.
        before: Whether pairs count in which it comes before.
        weights: ``(U,)`` weight of each user.
    """

    nearest: int
    farthest: int | None
    after: bool
    before: bool
    weights: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PairKind:
    """Item pairs of one kind.

    Attributes:
        name: Its name.
        raw: CSR ``(n, n)`` raw values; row: item read, column: candidate.
        rows: A value is divided by ``(events + SHRINK) ** rows`` of the item read.
        columns: The same for the candidate.
        scale: Factor of all values.
        counted: How ``raw`` was counted from histories; ``None`` if it does not depend on them.
    """

    name: str
    raw: Any
    rows: float = 0.0
    columns: float = 0.0
    scale: float = 1.0
    counted: Counted | None = None

    def values(self, events: NDArray[np.float32]) -> Any:
        """Scaled values, CSR ``(n, n)``.

        Args:
            events: ``(n,)`` training events of each item.
        """
        if not self.rows and not self.columns:
            return self.raw * np.float32(self.scale)
        rows = np.float32(self.scale) * damping(events, self.rows)
        return (sp.diags(rows) @ self.raw @ sp.diags(damping(events, self.columns))).tocsr()

    def with_mean_one(self, events: NDArray[np.float32]) -> PairKind:
        """The same kind with a scale that makes the mean of its stored values 1."""
        values = self.values(events).data
        mean = float(values.mean()) if len(values) else 0.0
        scale = self.scale / mean if mean > 0 else 1.0
        return PairKind(self.name, self.raw, self.rows, self.columns, scale, self.counted)


def damping(events: NDArray[Any], exponent: float) -> NDArray[np.float32]:
    """``(events + SHRINK) ** -exponent``, of the same shape as ``events``."""
    damped: NDArray[np.float32] = (np.asarray(events, np.float32) + np.float32(SHRINK)) ** np.float32(-exponent)
    return damped


def transition_kinds(train: Histories, events: NDArray[np.float32]) -> list[PairKind]:
    """Kinds of pairs by distance and direction, counted in training histories.

    Args:
        train: Training histories.
        events: ``(n,)`` training events of each item.
    """
    ones = np.ones(len(train), dtype=np.float32)
    kinds = []
    for nearest, farthest in DISTANCES:
        pairs = count_pairs(train, len(events), farthest, nearest=nearest, most=MAX_PAIRS)
        place = f"{nearest}" if farthest == nearest else f"{nearest} to {farthest}"
        for raw, after in ((pairs, True), (pairs.T.tocsr(), False)):
            counted = Counted(nearest, farthest, after, not after, ones)
            kinds.append(PairKind(f"{place} {'after' if after else 'before'}", raw, 0.7, 0.5, 1.0, counted))
    return [kind.with_mean_one(events) for kind in kinds]


def co_occurrence_kinds(train: Histories, events: NDArray[np.float32]) -> list[PairKind]:
    """Kinds of pairs anywhere in one history; in one of them users with long histories count less.

    Args:
        train: Training histories.
        events: ``(n,)`` training events of each item.
    """
    kinds = []
    for name, damped in (("same user", False), ("same user, damped", True)):
        weights = user_weights(train, damped)
        raw = count_shared(train, len(events), weights, most=MAX_PAIRS)
        kinds.append(PairKind(name, raw, 0.5, 0.5, 1.0, Counted(1, None, True, True, weights)))
    return [kind.with_mean_one(events) for kind in kinds]


def graph_kinds(pairs: GraphSimilarity, relations: tuple[str, ...]) -> list[PairKind]:
    """Kinds of pairs that share a far end of a relation, or that a relation joins; kinds without pairs are left out.

    Args:
        pairs: Pairs of similar items.
        relations: Relation ids, ``"<id"`` for one that is read from tail to head.
    """
    n, rows = len(pairs), pairs.rows
    kinds = []
    for number in np.unique(pairs.kind).tolist():
        here = pairs.kind == number
        raw = sp.csr_matrix((pairs.value[here], (rows[here], pairs.other[here])), shape=(n, n), dtype=np.float32)
        relation = relations[number % len(relations)]
        kinds.append(PairKind(f"{'same' if number < len(relations) else 'joined by'} {relation}", raw))
    return [kind.with_mean_one(np.zeros(n, dtype=np.float32)) for kind in kinds]
