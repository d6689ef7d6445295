"""The result of an evaluation: one row each for the run, the baselines and the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeVar

import pandas as pd

from kptoolkit.evaluation.controls import CONTROLS, kger
from kptoolkit.evaluation.groups import Group
from kptoolkit.evaluation.ranking import Ranking
from kptoolkit.evaluation.significance import LEVEL, Comparison, compare
from kptoolkit.names import quantity
from kptoolkit.notebook.html_tables import lines_html, rows_html

BEAM_SEARCH: Final = "beam search"
"""Name of the row of beam search, which has no figure beyond its number of beams."""
RELIANCE: Final = "reliance"
"""Name of the row of the trained model without its knowledge."""
HELD_OUT: Final = "held-out template"
"""Name of the row of the trained model with an MPP template that training lacked."""
NO_BASELINES: Final = (BEAM_SEARCH, RELIANCE, HELD_OUT)
"""Names of rows of the trained model itself, ranked in another way."""
ALONE: Final = "alone"
"""Last word of the name of a backend's row without the score parts."""
TEXT_ONLY: Final = f"no-knowledge {ALONE}"
"""Name of the row of the backend of the control without knowledge; the paper compares with it."""
ENSEMBLE: Final = "ensemble of"
"""First words of the name of the row of several runs as one recommender."""


@dataclass(frozen=True)
class Faithfulness:
    """Drop of scores without the triplets named for them, compared with the drop without random triplets.

    Attributes:
        cases: Number of cases explained.
        left_out: Cases of the sample without a triplet that raised the score, or with too few to draw others.
        triplets: Most triplets named per case, and left out.
        named: Mean drop of the best item's score without the named triplets.
        random: Mean drop without as many random triplets of the same hops.
        difference: ``named - random``.
        interval: 95 % bootstrap interval of the difference over cases.
        p_value: p-value of the paired sign-flip test of the difference.
        gone_named: Mean number of triplets left out with the named ones, those below them included.
        gone_random: Mean number of triplets left out with the random ones, those below them included.
    """

    cases: int
    left_out: int
    triplets: int
    named: float
    random: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    gone_named: float
    gone_random: float

    @property
    def note(self) -> str:
        """The result in one line."""
        why = ": too few triplets, or none that raised the score" if self.left_out else ""
        left_out = f"{quantity(self.left_out, 'cases')} left out{why}"
        if not self.cases:
            return f"faithfulness: not measured; {left_out}"
        low, high = self.interval
        return (
            f"faithfulness: without the triplets named for it, at most {self.triplets}, the best item's score falls by "
            f"{self.named:.4f}, without as many random ones by {self.random:.4f}; difference {self.difference:.4f} "
            f"(95 % {low:.4f} to {high:.4f}, p {self.p_value:.4f}) over {quantity(self.cases, 'cases')}; triplets "
            f"removed with those below them: {self.gone_named:.1f} and {self.gone_random:.1f}; {left_out}"
        )


@dataclass(frozen=True)
class Row:
    """One line of an evaluation: a model, a baseline or a control.

    Attributes:
        name: Name of the model, baseline or control.
        metrics: Means over the cases.
        interval: 95 % bootstrap interval of NDCG@10 over users; ``None`` for beam search with fewer than 10 beams,
            which has no NDCG@10 and is not compared.
        difference: NDCG@10 of the run minus this; ``None`` for the run itself.
        p_value: p-value of the paired sign-flip test of that difference, corrected by Holm's method over all rows of
            the table.
        p_uncorrected: The same p-value without the correction.
        detectable: If the difference is not significant: the smallest one that the test, so corrected, finds at 5 %
            with a power of 80 %.
        identical: Whether this is a control, and every rank is that of the run. There is no p-value then.
        kger: KGER (see :func:`~kptoolkit.evaluation.controls.kger`) of a control without true triples.
    """

    name: str
    metrics: Mapping[str, float]
    interval: tuple[float, float] | None
    difference: float | None = None
    p_value: float | None = None
    p_uncorrected: float | None = None
    detectable: float | None = None
    identical: bool = False
    kger: float | None = None


SHOWN: Final = ("NDCG@5", "HR@5", "NDCG@10", "HR@10", "MRR", "NDCG@10 low", "NDCG@10 high", "difference", "p_value")
"""Columns of a DataFrame of rows that a notebook shows."""
RowT = TypeVar("RowT", bound=Row)


@dataclass(frozen=True)
class Evaluation:
    """The full ranking of a run, with baselines and controls.

    Attributes:
        run: Folder of the run.
        split: ``"test"`` or ``"valid"``.
        cases: Cases ranked.
        items: Catalogue size.
        rows: One per model; the run comes first.
        notes: Sentences to show with the figures.
        faithfulness: Whether scores depend on the triplets named for them; ``None`` if that was not measured.
        protocol: How the cases were made and ranked, in one line.
        groups: The same figures for groups of cases.
    """

    run: str
    split: str
    cases: int
    items: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    faithfulness: Faithfulness | None = None
    protocol: str = ""
    groups: tuple[Group, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        fields = asdict(self) | {"groups": [group.to_json() for group in self.groups]}
        return fields if self.faithfulness is not None else {k: v for k, v in fields.items() if k != "faithfulness"}

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame, see :func:`frame_of`."""
        return frame_of(self.rows)

    def _repr_html_(self) -> str:
        """Return the rows, the protocol and the notes as a notebook shows them."""
        return evaluation_html(self.frame(), self.protocol, self.notes)


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows of an evaluation as a DataFrame.

    Returns:
        One row per model, baseline or control, by its name: metrics, the interval ``NDCG@10 low`` to ``NDCG@10 high``,
        and the other attributes of :class:`Row`. What a row does not have is missing.
    """
    numbers = ("NDCG@10 low", "NDCG@10 high", "difference", "p_value", "p_uncorrected", "detectable", "kger")
    figures = [
        {
            **row.metrics,
            **dict(zip(("NDCG@10 low", "NDCG@10 high"), row.interval or (None, None), strict=True)),
            "identical": row.identical,
            **{name: getattr(row, name) for name in numbers[2:]},
        }
        for row in rows
    ]
    frame = pd.DataFrame(figures, index=pd.Index([row.name for row in rows], name="ranked by"))
    return frame.astype(dict.fromkeys(numbers, float))


def evaluation_html(frame: pd.DataFrame, protocol: str, notes: Sequence[str]) -> str:
    """Return an evaluation as HTML: its rows, then the protocol and the notes in lines of their own."""
    shown = [name for name in SHOWN if name in frame]
    rows = frame[shown].reset_index().astype(object)
    table = rows_html(list(rows.columns), rows.where(rows.notna(), None).to_numpy().tolist())
    return table + lines_html([protocol, *notes])


def protocol_line(split: str, cases: int, items: int, seeds: Sequence[int], *, method: str, min_events: int = 0) -> str:
    """Describe in one line how the figures of a table were made.

    Args:
        split: ``"test"`` or ``"valid"``.
        cases: Number of cases.
        items: Catalogue size.
        seeds: Training seeds of the runs.
        method: Name of the split, e.g. ``"leave-one-out"``.
        min_events: Users with fewer events are left out; 0 if the split alone decides.
    """
    users = f", users with {min_events} or more events" if min_events else ""
    trained = f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"
    return (
        f"protocol: {method}{users}, {quantity(cases, f'{split} cases')}, {quantity(items, 'items')}, full catalogue "
        f"ranked, history excluded, equal scores get their mean rank, {trained}"
    )


def rows_of(rankings: Mapping[str, Ranking], ks: Sequence[int], *, beams: int, resamples: int) -> tuple[Row, ...]:
    """Create the rows of an evaluation: the first ranking, then the others with the lead of the first over each.

    Args:
        rankings: Name to ranking, all of the same cases.
        ks: Cutoffs of HR and NDCG.
        beams: Number of beams of beam search.
        resamples: Bootstrap resamples and sign flips.
    """
    each = {name: [ranking] for name, ranking in rankings.items()}
    left_out = identical_rows(each)
    name, *others = (name for name in rankings if name not in left_out and has_ndcg(name, beams))
    lines = compare(name, rankings[name], {other: rankings[other] for other in others}, resamples=resamples)
    lines = in_order(lines, list(rankings))
    rows = [Row(**row_fields(line, figures(line.name, rankings[line.name], ks, beams))) for line in lines]
    return tuple(with_controls(rows, each))


def has_ndcg(name: str, beams: int) -> bool:
    """Whether a row has NDCG@10, and is compared by it: beam search with fewer than 10 beams is not."""
    return name != BEAM_SEARCH or _within("NDCG@10", beams)


def identical_rows(rankings: Mapping[str, Sequence[Ranking]]) -> set[str]:
    """Names of the controls that rank every target as the run does, in every run; reliance is among them.

    Args:
        rankings: Name of the row to its rankings, one per run; the first row is that of the runs.
    """
    runs = next(iter(rankings.values()))
    compared = {name: rankings[name] for name in (*CONTROLS, RELIANCE, HELD_OUT) if name in rankings}
    return {
        name for name, each in compared.items() if all(own.same_ranks(run) for own, run in zip(each, runs, strict=True))
    }


def in_order(lines: Sequence[Comparison], names: Sequence[str]) -> list[Comparison]:
    """Put lines in the order of names; one that is missing, since it equals the first, has the first's interval."""
    found = {line.name: line for line in lines}
    return [found.get(name) or replace(lines[0], name=name) for name in names]


def with_controls(rows: Sequence[RowT], rankings: Mapping[str, Sequence[Ranking]]) -> list[RowT]:
    """Add what only controls have: whether they are identical to the run, and KGER.

    Args:
        rows: The rows of a table; that of the run comes first.
        rankings: Name of each row to its rankings, one per run.
    """
    runs, same = rankings[rows[0].name], identical_rows(rankings)
    untrue = {name for name, control in CONTROLS.items() if control.untrue}
    return [
        replace(
            row,
            identical=row.name in same,
            difference=0.0 if row.name in same else row.difference,
            kger=kger(runs, rankings[row.name]) if row.name in untrue else None,
        )
        for row in rows
    ]


def notes_of(rows: Sequence[Row]) -> list[str]:
    """Say what single rows do not show; each in one line, if there is any.

    That is the rows that are identical to the run, the KGER of controls, and what knowledge adds to the backend alone.
    """
    same = [row.name for row in rows if row.identical]
    measured = [f"{row.name} {row.kger:.3f}" for row in rows if row.kger is not None]
    notes = [f"identical to the run, every rank is the same: {', '.join(same)}"] if same else []
    if measured:
        notes.append(f"KGER, share of MRR@10 lost without true triples: {', '.join(measured)}")
    by_name = {row.name: row.metrics for row in rows}
    alone = next(name for name in (f"{rows[0].name} {ALONE}", rows[0].name) if name in by_name)
    if TEXT_ONLY in by_name:
        pairs = {name: (by_name[alone][name], by_name[TEXT_ONLY][name]) for name in ("NDCG@5", "HR@5")}
        gains = [f"{100 * (own / other - 1):+.1f} % {name}" for name, (own, other) in pairs.items() if other > 0]
        notes.append(f"{alone} against {TEXT_ONLY}, the text-only version of the paper: {', '.join(gains) or 'no hit'}")
    return notes


def best_baseline(values: Mapping[str, float]) -> str | None:
    """Return the name of the best baseline of a table, if there is one.

    Args:
        values: NDCG@10 of each row by name; the first row is that of the run.
    """
    run = next(iter(values), "")
    others = {run, f"{run} {ALONE}", TEXT_ONLY, *NO_BASELINES, *CONTROLS}
    baselines = [name for name in values if name not in others and not name.startswith(ENSEMBLE)]
    return max(baselines, key=lambda name: values[name], default=None)


def figures(name: str, ranking: Ranking, ks: Sequence[int], beams: int) -> dict[str, float]:
    """Compute the metrics of a row; those of beam search look at no more items than there are beams."""
    found = ranking.summary(sorted({*ks, 5, 10}))
    return {m: value for m, value in found.items() if _within(m, beams)} if name == BEAM_SEARCH else found


def row_fields(line: Comparison, metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return the fields of a :class:`Row` for one line of a comparison."""
    fields: dict[str, Any] = {
        "name": line.name,
        "metrics": metrics,
        "interval": (line.value.low, line.value.high) if "NDCG@10" in metrics else None,
        "p_value": line.corrected,
    }
    if (test := line.against) is not None:
        significant = line.corrected is not None and line.corrected <= LEVEL
        fields |= {
            "difference": test.difference,
            "p_uncorrected": test.p_value,
            "detectable": None if significant else line.detectable,
        }
    return fields


def _within(metric: str, beams: int) -> bool:
    """Whether a metric looks at no more items than there are beams."""
    _, _, k = metric.partition("@")
    return k != "" and int(k) <= beams
