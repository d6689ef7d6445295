"""The tables of a report: results of ``evaluate`` by model, and gains by group of cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from kptoolkit.evaluation.controls import CONTROLS
from kptoolkit.evaluation.significance import LEVEL
from kptoolkit.evaluation.table import ALONE, ENSEMBLE, HELD_OUT, NO_BASELINES, best_baseline
from kptoolkit.report.charts import Axis, Dot

Kind = Literal["run", "backend alone", "baseline", "control", "other"]
_METRIC: Final = "NDCG@10"
_SHOWN: Final = ("NDCG@5", "HR@5", "NDCG@10", "HR@10", "NDCG@20", "HR@20", "MRR")
_NO_KNOWLEDGE: Final = "no-knowledge"


@dataclass(frozen=True)
class ResultRow:
    """A model in a table of results.

    Attributes:
        name: Its name.
        kind: What it is.
        dot: NDCG@10 with its interval on the axis of the table; ``None`` if the row has none.
        figure: NDCG@10 as text.
        interval: Its interval as text.
        cells: The shown metrics.
        spread: Standard deviation and range over runs, as text; empty for a single run.
        lead: NDCG@10 of the run minus this.
        p_value: Corrected p-value of that.
    """

    name: str
    kind: Kind
    dot: Dot | None
    figure: str
    interval: str
    cells: tuple[str, ...]
    spread: str
    lead: str
    p_value: str


@dataclass(frozen=True)
class ResultTable:
    """The results of one evaluation.

    Attributes:
        title: Which run, or how many.
        metrics: Names of the shown metrics.
        rows: One per model, the run first.
        axis: Axis of the picture.
        notes: Sentences to show with it.
        protocol: How the cases were made and ranked.
    """

    title: str
    metrics: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    axis: Axis
    notes: tuple[str, ...]
    protocol: str

    @property
    def has_spread(self) -> bool:
        """Whether it is a table over several runs."""
        return any(row.spread for row in self.rows)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of its models, in the order of the rows."""
        return list(dict.fromkeys(row.kind for row in self.rows))


@dataclass(frozen=True)
class GroupCell:
    """The lead of a run over another model in one group.

    Attributes:
        lead: The lead, as text; empty if there is none.
        interval: Its interval, as text.
        dot: The same on the axis of the table; ``None`` if there is no lead.
        sure: Whether the interval lies on one side of 0.
    """

    lead: str
    interval: str
    dot: Dot | None
    sure: bool


@dataclass(frozen=True)
class GroupRow:
    """A group of cases.

    Attributes:
        name: The group.
        cases: Number of its cases.
        figure: NDCG@10 of the run.
        leads: Lead over each other model.
    """

    name: str
    cases: str
    figure: str
    leads: tuple[GroupCell, ...]


@dataclass(frozen=True)
class GroupTable:
    """Gains by group of cases.

    Attributes:
        by: What the cases are grouped by.
        others: Names of the other models.
        drawn: Places in :attr:`others` of the models that are drawn.
        rows: One per group.
        axis: Axis of the picture.
    """

    by: str
    others: tuple[str, ...]
    drawn: tuple[int, ...]
    rows: tuple[GroupRow, ...]
    axis: Axis


def kind_of(name: str, place: int) -> Kind:
    """What the model in a row of an evaluation is."""
    if place == 0:
        return "run"
    if is_alone(name):
        return "backend alone"
    if name in CONTROLS:
        return "control"
    return "other" if name in NO_BASELINES or name.startswith(ENSEMBLE) else "baseline"


def is_alone(name: str) -> bool:
    """Whether a row is that of a backend without the score parts."""
    return name.endswith(f" {ALONE}")


@dataclass(frozen=True)
class RelativeLeads:
    """Leads of a run over others, each divided by the NDCG@10 of the other; ``None``: not evaluated.

    Attributes:
        baseline: Over the best baseline.
        no_knowledge: Over the control without knowledge.
        mask_off: Over the control without the mask.
        one_hop: Over the control with triples of one hop.
        held_out: Over the trained model with an MPP template that training lacked.
    """

    baseline: float | None = None
    no_knowledge: float | None = None
    mask_off: float | None = None
    one_hop: float | None = None
    held_out: float | None = None


def relative_leads(evaluation: Mapping[str, Any]) -> RelativeLeads:
    """Compute the leads of a run from its evaluation; one over a control that may be chance is 0."""
    named = {row["name"]: row for row in evaluation.get("rows", ())}
    best = _best_baseline(evaluation)
    others = ("no-knowledge", "mask-off", "one-hop", HELD_OUT)
    return RelativeLeads(_relative(named.get(best)), *(_relative(named.get(name), tested=True) for name in others))


def result_table(title: str, evaluation: Mapping[str, Any], notice: str = "") -> ResultTable:
    """Create the table of an evaluation.

    Args:
        title: Its title.
        evaluation: Contents of ``metrics-SPLIT.json``, of one run or of several.
        notice: Notice of the data, which the page shows elsewhere.
    """
    rows = evaluation["rows"]
    known = {metric for row in rows for metric in row["metrics"]}
    metrics = tuple(metric for metric in _SHOWN if metric in known)
    axis = Axis.of([end for row in rows for end in (*(row["interval"] or ()), row["metrics"].get(_METRIC, 0.0))])
    return ResultTable(
        title=title,
        metrics=metrics,
        rows=tuple(_result_row(place, row, metrics, axis) for place, row in enumerate(rows)),
        axis=axis,
        notes=tuple(note for note in evaluation.get("notes", ()) if note != notice),
        protocol=str(evaluation.get("protocol", "")),
    )


def group_tables(evaluation: Mapping[str, Any]) -> list[GroupTable]:
    """Create the tables of gains by group; none if the evaluation has no groups."""
    by: dict[str, list[Mapping[str, Any]]] = {}
    for group in evaluation.get("groups", ()):
        by.setdefault(str(group["by"]), []).append(group)
    drawn = set(_drawn(evaluation))
    return [_group_table(name, groups, drawn) for name, groups in by.items()]


def _drawn(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """The models over which leads are drawn: the best baseline, and the control without knowledge."""
    if (best := _best_baseline(evaluation)) is not None:
        yield best
    yield _NO_KNOWLEDGE


def _best_baseline(evaluation: Mapping[str, Any]) -> str | None:
    return best_baseline({row["name"]: float(row["metrics"].get(_METRIC, 0.0)) for row in evaluation.get("rows", ())})


def _group_table(by: str, groups: Sequence[Mapping[str, Any]], drawn: set[str]) -> GroupTable:
    names = list(dict.fromkeys(name for group in groups for name in group["rows"]))
    others = tuple(
        name for name in names if any(group["rows"].get(name, {}).get("lead") is not None for group in groups)
    )
    run = next((name for name in names if name not in others), None)
    chosen = tuple(place for place, name in enumerate(others) if name in drawn) or tuple(range(min(1, len(others))))
    ends = [
        value
        for group in groups
        for place in chosen
        for value in map(group["rows"].get(others[place], {}).get, ("lead", "low", "high"))
        if value is not None
    ]
    axis = Axis.of(ends)
    rows = []
    for group in groups:
        figure = group["rows"].get(run, {}).get(_METRIC)
        leads = tuple(_group_cell(group["rows"].get(name, {}), axis) for name in others)
        rows.append(GroupRow(str(group["group"]), f"{group['cases']:,}", _number(figure), leads))
    return GroupTable(by, others, chosen, tuple(rows), axis)


def _group_cell(row: Mapping[str, Any], axis: Axis) -> GroupCell:
    lead, low, high = (row.get(name) for name in ("lead", "low", "high"))
    if lead is None:
        return GroupCell("", "", None, sure=False)
    sure = low is not None and high is not None and (low > 0 or high < 0)
    interval = "" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"
    return GroupCell(f"{lead:+.4f}", interval, Dot.of(axis, lead, (low, high)), sure)


def _result_row(place: int, row: Mapping[str, Any], metrics: Sequence[str], axis: Axis) -> ResultRow:
    value, interval = row["metrics"].get(_METRIC), row["interval"]
    spread, difference, p_value = row.get("spread"), row.get("difference"), row.get("p_value")
    return ResultRow(
        name=str(row["name"]),
        kind=kind_of(str(row["name"]), place),
        dot=None if value is None else Dot.of(axis, value, interval),
        figure=_number(value),
        interval="" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}",
        cells=tuple(_number(row["metrics"].get(metric)) for metric in metrics),
        spread=f"{spread['deviation']:.4f} ({spread['low']:.4f} to {spread['high']:.4f})" if spread else "",
        lead="identical" if row.get("identical") else "" if difference is None else f"{difference:+.4f}",
        p_value="" if p_value is None else f"{p_value:.4f}",
    )


def _relative(row: Mapping[str, Any] | None, *, tested: bool = False) -> float | None:
    """Lead over the model of a row, divided by its NDCG@10.

    It is 0 if all ranks are the same, and with ``tested`` if it may be chance.
    """
    if row is not None and row.get("identical"):
        return 0.0
    if row is None or row.get("difference") is None or not row["metrics"].get(_METRIC):
        return None
    if tested and (row.get("p_value") or 0.0) > LEVEL:
        return 0.0
    return float(row["difference"]) / float(row["metrics"][_METRIC])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
