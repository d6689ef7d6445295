"""Prints evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kptoolkit.cli.session import Session

if TYPE_CHECKING:
    from kptoolkit.evaluation.table import Evaluation


def show_evaluation(session: Session, name: str, result: Evaluation) -> None:
    """Print an evaluation as a table.

    Args:
        session: The command.
        name: Title of the table.
        result: The evaluation.
    """
    shown = [f"{metric}@{k}" for k in (5, 10) for metric in ("NDCG", "HR")] + ["MRR"]
    rows = []
    for row in result.rows:
        low, high = row.interval
        rows.append(
            [row.name, *(row.metrics.get(m) for m in shown), f"{low:.4f}-{high:.4f}", row.difference, row.p_value]
        )
    columns = ["ranked by", *shown, "NDCG@10, 95 %", "model minus it", "p"]
    caption = (
        f"{result.cases:,} {result.split} cases, {result.items:,} items, full catalogue, history excluded; "
        "p: paired sign-flip test on NDCG@10"
    )
    session.table(name, columns, rows, caption=caption)
    for line in result.notes:
        session.out.print(line, highlight=False, markup=False, soft_wrap=True)
