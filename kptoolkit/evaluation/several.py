"""One table for several runs: means over runs, their spread, and tests on values averaged over the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.evaluation.groups import Group
from kptoolkit.evaluation.ranking import Ranking
from kptoolkit.evaluation.significance import RESAMPLES, compare_values
from kptoolkit.evaluation.table import (
    Row,
    evaluation_html,
    figures,
    frame_of,
    has_ndcg,
    identical_rows,
    in_order,
    row_fields,
    with_controls,
)

TESTED: Final = "NDCG@10"
"""Metric of spreads, intervals and tests."""


@dataclass(frozen=True)
class Spread:
    """How much NDCG@10 differs between runs.

    Attributes:
        deviation: Standard deviation over the runs, with ``runs - 1`` in the denominator.
        low: Lowest value.
        high: Highest value.
    """

    deviation: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Compute the spread of one value per run; ``None`` for fewer than two."""
        return cls(float(np.std(values, ddof=1)), min(values), max(values)) if len(values) > 1 else None


@dataclass(frozen=True)
class SeveralRow(Row):
    """One line of a table over several runs.

    The metrics are means over the runs; the interval is a bootstrap interval over users of NDCG@10 averaged over the
    runs; the difference is the lead of the runs, tested on values per user averaged over the runs.

    Attributes:
        by_run: Metrics of each run, in the order of the runs; a single entry for a row that no run changes, such as a
            baseline.
        spread: Spread of NDCG@10 over the runs; ``None`` for a single entry.
    """

    by_run: tuple[Mapping[str, float], ...] = ()
    spread: Spread | None = None


@dataclass(frozen=True)
class RunRecord:
    """A run of a table.

    Attributes:
        folder: Its folder.
        id: Id of its training.
        seed: Its ``training.seed``.
        fingerprints: Hashes of what it was trained on or refreshed with, by name.
    """

    folder: str
    id: str
    seed: int
    fingerprints: Mapping[str, str]


@dataclass(frozen=True)
class SeveralEvaluation:
    """The full ranking of several runs on the same cases, with baselines and controls.

    Attributes:
        runs: The runs.
        split: ``"test"`` or ``"valid"``.
        cases: Cases ranked.
        items: Catalogue size.
        rows: One per model; that of the runs comes first, that of the ensemble, if there is one, last.
        notes: Sentences to show with the figures.
        protocol: How the cases were made and ranked, in one line.
        fingerprints: Hashes of the interactions, the catalogue and the split, which all runs share.
        resamples: Bootstrap resamples and sign flips.
        groups: The same figures for groups of cases, averaged over the runs.
    """

    runs: tuple[RunRecord, ...]
    split: str
    cases: int
    items: int
    rows: tuple[SeveralRow, ...]
    notes: tuple[str, ...]
    protocol: str
    fingerprints: Mapping[str, str]
    resamples: int
    groups: tuple[Group, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        return asdict(self) | {"groups": [group.to_json() for group in self.groups]}

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame, see :func:`frame_of`; ``deviation`` is that of NDCG@10 over the runs."""
        deviations = [np.nan if row.spread is None else row.spread.deviation for row in self.rows]
        return frame_of(self.rows).assign(deviation=deviations)

    def _repr_html_(self) -> str:
        """Return the rows, the protocol and the notes as a notebook shows them."""
        return evaluation_html(self.frame(), self.protocol, self.notes)


def several_rows(
    rankings: Mapping[str, Sequence[Ranking]],
    ks: Sequence[int],
    *,
    beams: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[SeveralRow, ...]:
    """Create the rows of a table: the first are the runs, the others get the lead of the first over each.

    Args:
        rankings: Name of the row to its rankings, one per run, or one for all runs; all of the same cases.
        ks: Cutoffs of HR and NDCG.
        beams: Number of beams of beam search.
        resamples: Bootstrap resamples and sign flips.
    """
    same, rows = identical_rows(rankings), []
    compared = [name for name in rankings if name not in same and has_ndcg(name, beams)]
    values = {name: mean_values(rankings[name]) for name in compared}
    for line in in_order(compare_values(values, metric=TESTED, resamples=resamples), list(rankings)):
        by_run = tuple(figures(line.name, ranking, ks, beams) for ranking in rankings[line.name])
        means = {metric: float(np.mean([run[metric] for run in by_run])) for metric in by_run[0]}
        spread = Spread.of([run[TESTED] for run in by_run if TESTED in run])
        rows.append(SeveralRow(**row_fields(line, means), by_run=by_run, spread=spread))
    return tuple(with_controls(rows, rankings))


def mean_values(rankings: Sequence[Ranking]) -> NDArray[np.float64]:
    """NDCG@10 of each case, averaged over runs, ``(N,)``."""
    mean: NDArray[np.float64] = np.mean([ranking.values(TESTED) for ranking in rankings], axis=0)
    return mean


def detectable_note(rows: Sequence[Row]) -> str | None:
    """Name in one line the smallest differences that could be found where a difference is not significant."""
    found = [f"{row.name} {row.detectable:.4f}" for row in rows if row.detectable]
    if not found:
        return None
    return f"not significant; smallest difference found at 5 % with power 80 %: {', '.join(found)}"
