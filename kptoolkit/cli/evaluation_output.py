"""Prints evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kptoolkit.cli.session import Session
from kptoolkit.names import quantity

if TYPE_CHECKING:
    from kptoolkit.evaluation.groups import Group
    from kptoolkit.evaluation.several import SeveralEvaluation, SeveralRow
    from kptoolkit.evaluation.table import Evaluation, Row

_TESTED: Final = "p: paired sign-flip test on NDCG@10, corrected by Holm over all rows"


def show_evaluation(session: Session, name: str, result: Evaluation) -> None:
    """Print an evaluation as a table.

    Args:
        session: The command.
        name: Title of the table.
        result: The evaluation.
    """
    wide = session.wide
    shown = ["NDCG@5", "HR@5", "NDCG@10", "HR@10", "MRR"] if wide else ["NDCG@10", "HR@10"]
    rows = []
    for row in result.rows:
        interval = _interval(row, wide=wide)
        rows.append([row.name, *(row.metrics.get(m) for m in shown), interval, _lead(row), row.p_value])
    columns = ["ranked by", *shown, *(["NDCG@10, 95 %", "model minus it"] if wide else ["95 %", "lead"]), "p"]
    legend = "95 %: of NDCG@10, over users; lead: model minus row" if not wide else ""
    session.table(name, columns, rows, caption=_caption(result.protocol, legend))
    _show_notes(session, result.notes)


def show_several(session: Session, name: str, result: SeveralEvaluation) -> None:
    """Print an evaluation of several runs as a table.

    Args:
        session: The command.
        name: Title of the table.
        result: The evaluation.
    """
    shown = ["NDCG@5", "HR@10", "MRR"] if session.wide else []
    columns = ["ranked by", *shown, "NDCG@10", "sd, range", "95 %", "lead", "p"]
    rows = [
        [
            row.name,
            *(row.metrics.get(metric) for metric in shown),
            row.metrics.get("NDCG@10"),
            _spread(row),
            _interval(row, wide=False),
            _lead(row),
            row.p_value,
        ]
        for row in result.rows
    ]
    count = len(result.runs)
    legend = (
        f"sd, range: over {count} runs; 95 %: of the mean of {count} runs, over users; lead: mean of runs minus row"
    )
    session.table(name, columns, rows, caption=_caption(result.protocol, legend))
    _show_notes(session, result.notes)


def show_groups(session: Session, result: Evaluation | SeveralEvaluation) -> None:
    """Print the gains by group: one table per way to divide the cases, with the run, the best baseline and controls.

    Args:
        session: The command.
        result: The evaluation.
    """
    from kptoolkit.evaluation.controls import CONTROLS
    from kptoolkit.evaluation.groups import FEWEST
    from kptoolkit.evaluation.table import best_baseline

    best = best_baseline({row.name: row.metrics.get("NDCG@10", 0.0) for row in result.rows})
    names = [result.rows[0].name, *([best] if best else [])]
    names += [row.name for row in result.rows if row.name in CONTROLS]
    for by in dict.fromkeys(group.by for group in result.groups):
        rows = [line for group in result.groups if group.by == by for line in _lines(group, names)]
        columns = ["cases", "ranked by", "NDCG@10", "lead", "95 %"]
        session.table(f"Gains by {by}", columns, rows)
    about = f"lead: {names[0]} minus row; 95 %: of the lead, over users; too few: under {FEWEST} cases, too few to tell"
    session.sentence(about)


def _lines(group: Group, names: Sequence[str]) -> list[list[Any]]:
    """Lines of one group, one per row; the first is that of the run."""
    lines: list[list[Any]] = []
    for name in names:
        row, lead = group.rows[name], ["too few" if lines else "", ""]
        if row.lead is not None and row.low is not None and row.high is not None:
            lead = [f"{row.lead:+.4f}", _signed(row.low, row.high)]
        lines.append(["", name, row.value, *lead])
    count = quantity(group.cases, "cases")
    starts = (group.group, count) if len(lines) > 1 else (f"{group.group}\n{count}",)
    for line, start in zip(lines, starts, strict=False):
        line[0] = start
    return lines


def _lead(row: Row) -> float | str | None:
    return "identical" if row.identical else row.difference


def _signed(low: float, high: float) -> str:
    return " to ".join(f"{value:+.4f}".replace("0.", ".", 1) for value in (low, high))


def _caption(protocol: str, legend: str) -> str:
    return protocol + "\n" + "; ".join(text for text in (legend, _TESTED) if text)


def _spread(row: SeveralRow) -> str:
    if row.spread is None:
        return ""
    return f"{row.spread.deviation:.4f}\n{_range(row.spread.low, row.spread.high)}"


def _interval(row: Row, *, wide: bool) -> str | None:
    if row.interval is None:
        return None
    low, high = row.interval
    return f"{low:.4f}-{high:.4f}" if wide else _range(low, high)


def _range(low: float, high: float) -> str:
    """Two figures between 0 and 1, without their zeros, so that a table fits in 80 columns."""
    return "-".join(f"{value:.4f}".removeprefix("0") for value in (low, high))


def _show_notes(session: Session, notes: Sequence[str]) -> None:
    if notes:
        session.lines(notes)
