"""Full ranking: every case ranks the whole catalogue, its history excluded.

Equal scores get their mean rank, so that a model with one score for all items is as good as chance. A score that is not
a number is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit import distributed, metrics
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import TrainingError
from kptoolkit.names import quantity
from kptoolkit.progress import ProgressCallback, ProgressEvent, silent

Scorer = Callable[[Cases], NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Ranking:
    """The rank of each case's target.

    Attributes:
        user: ``(N,)`` user numbers of the cases.
        targets: ``(N,)`` item numbers.
        ranks: ``(N,)`` from 1; halves where scores tie.
        history: ``(N,)`` length of each case's history.
    """

    user: NDArray[np.int32]
    targets: NDArray[np.int32]
    ranks: NDArray[np.float64]
    history: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ranks)

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric such as ``"NDCG@10"`` or ``"MRR"`` per case, ``(N,)``."""
        name, _, k = metric.partition("@")
        return metrics.per_case(self.ranks, (int(k),) if k else ())[f"{name}@{int(k)}" if k else name]

    def summary(self, ks: Sequence[int] = metrics.KS) -> dict[str, float]:
        """Means over the cases of HR and NDCG at each k, and of MRR."""
        return metrics.summary(self.ranks, ks)

    def same_ranks(self, other: Ranking) -> bool:
        """Whether both ranked every target the same."""
        return np.array_equal(self.ranks, other.ranks)

    def same_cases(self, other: Ranking) -> bool:
        """Whether both ranked the same targets of the same users in the same order."""
        return np.array_equal(self.user, other.user) and np.array_equal(self.targets, other.targets)

    def frame(
        self,
        ks: Sequence[int] = metrics.KS,
        user_ids: NDArray[Any] | None = None,
        item_ids: NDArray[Any] | None = None,
    ) -> pd.DataFrame:
        """Create a table, one row per case: user, target, history, rank, metrics; ids instead of numbers if given."""
        columns: dict[str, Any] = {
            "user": self.user if user_ids is None else user_ids[self.user],
            "target": self.targets if item_ids is None else item_ids[self.targets],
            "history": self.history,
            "rank": self.ranks,
        }
        return pd.DataFrame(columns | metrics.per_case(self.ranks, ks))


def rank_of(
    scores: NDArray[Any], targets: NDArray[Any], seen: Histories, *, first_case: int = 0
) -> NDArray[np.float64]:
    """Compute the rank of each target among the items that its case has not seen.

    Args:
        scores: ``(N, n)``, higher is better; infinities are scores like others.
        targets: ``(N,)`` item numbers.
        seen: N histories; their items are not ranked.
        first_case: Number of the first row in error messages.

    Returns:
        ``(N,)`` ranks from 1: items above, plus half of the items that tie, plus 1.

    Raises:
        TrainingError: A score is not a number; the message names the case.
        ValueError: Shapes disagree, or a target is in its own history.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or len(scores) != len(targets) or len(seen) != len(targets):
        raise ValueError(
            f"scores {scores.shape}, {quantity(len(targets), 'targets')} and {quantity(len(seen), 'histories')} do not "
            "fit together"
        )
    not_numbers = np.isnan(scores).any(axis=1)
    if not_numbers.any():
        case = first_case + int(np.argmax(not_numbers))
        raise TrainingError(
            f"case {case}: the model's scores are not numbers; lower training.learning_rate and fit again"
        )
    rows, items = _distinct(seen, scores.shape[1])
    known = items == targets[rows]
    if known.any():
        case = first_case + int(rows[np.argmax(known)])
        raise ValueError(f"case {case}: the target is in its own history")
    own = scores[np.arange(len(targets)), targets]
    above = np.count_nonzero(scores > own[:, None], axis=1)
    tied = np.count_nonzero(scores == own[:, None], axis=1) - 1
    seen_scores, threshold = scores[rows, items], own[rows]
    above -= np.bincount(rows[seen_scores > threshold], minlength=len(targets))
    tied -= np.bincount(rows[seen_scores == threshold], minlength=len(targets))
    ranks: NDArray[np.float64] = 1.0 + above + tied / 2.0
    return ranks


def evaluate(
    score: Scorer,
    cases: Cases,
    n_items: int,
    *,
    batch_size: int = 256,
    progress: ProgressCallback = silent,
    stage: str = "rank the catalogue",
    shared: bool = False,
) -> Ranking:
    """Rank the full catalogue for every case.

    Args:
        score: Function from B cases to scores ``(B, n_items)``.
        cases: The cases, with targets.
        n_items: Catalogue size.
        batch_size: Cases scored at once.
        progress: Progress callback.
        stage: Name of the stage in progress reports.
        shared: Whether all processes of ``torchrun`` call this together: each scores its share of the cases, and all
            processes get all ranks.

    Raises:
        TrainingError: A score is not a number; the message names the case.
        ValueError: The scorer returns another shape, or a target is in its own history.
    """
    own = distributed.share(len(cases)) if shared else slice(0, len(cases))
    ranks = np.empty(own.stop - own.start, dtype=np.float64)
    for start in range(own.start, own.stop, batch_size):
        batch = cases.take(slice(start, min(start + batch_size, own.stop)))
        scores = np.asarray(score(batch))
        if scores.shape != (len(batch), n_items):
            raise ValueError(
                f"the scorer returned {scores.shape} for {quantity(len(batch), 'cases')} and "
                f"{quantity(n_items, 'items')}"
            )
        found = rank_of(scores, batch.targets, batch.histories, first_case=start)
        ranks[start - own.start : start - own.start + len(batch)] = found
        progress(ProgressEvent(stage, start - own.start + len(batch), len(ranks), "cases"))
    if shared:
        ranks = distributed.gather(ranks)
    return Ranking(cases.user, cases.targets, ranks, cases.histories.lengths)


def ranks_by_case(rankings: Mapping[str, Ranking], user_ids: NDArray[Any], item_ids: NDArray[Any]) -> pd.DataFrame:
    """Create a table, one row per case: user, target, and its rank by each model.

    Args:
        rankings: Name of the row to ranking, all of the same cases.
        user_ids: Ids of the users.
        item_ids: Ids of the items.
    """
    first = next(iter(rankings.values()))
    return pd.DataFrame(
        {
            "user_id": [str(user) for user in user_ids[first.user]],
            "target": [str(item) for item in item_ids[first.targets]],
            **{f"rank: {name}": ranking.ranks for name, ranking in rankings.items()},
        }
    )


def _distinct(seen: Histories, n_items: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and item of every history entry, without repeats inside a history."""
    pairs = np.unique(seen.rows * n_items + seen.items)
    return pairs // n_items, pairs % n_items
