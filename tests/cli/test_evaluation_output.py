"""What is printed of an evaluation: controls that are identical to the run, and gains by group."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from kptoolkit.cli.evaluation_output import show_evaluation, show_groups
from kptoolkit.cli.session import Session
from kptoolkit.evaluation import Ranking
from kptoolkit.evaluation.groups import groupings, groups
from kptoolkit.evaluation.several import mean_values
from kptoolkit.evaluation.table import Evaluation, rows_of

CASES = 100


@pytest.fixture
def result() -> Evaluation:
    """A run, its backend alone, two baselines and two controls on 60 cases with warm and 40 with cold targets."""
    draw = np.random.default_rng(4)
    top = {"sequence": 6, "sequence alone": 9, "popularity": 40, "item-kNN": 12, "shuffled-knowledge": 8}
    ranks = {name: draw.integers(1, high, CASES).astype(float) for name, high in top.items()}
    ranks["mask-off"] = ranks["sequence"]
    users, nothing = np.arange(CASES, dtype=np.int32), np.zeros(CASES, np.int32)
    rankings = {name: Ranking(users, nothing, own, np.ones(CASES, int)) for name, own in ranks.items()}
    events = np.where(users < 60, 12_000, 0)
    ways = groupings(events, np.where(users < 95, 3, 7), np.ones(CASES, bool))
    found = groups(ways, {name: mean_values([own]) for name, own in rankings.items()}, resamples=100)
    rows = rows_of(rankings, (10,), beams=20, resamples=100)
    return Evaluation("run", "test", CASES, 50, rows, groups=found)


def printed(show: object, result: Evaluation, width: int) -> str:
    assert callable(show)
    text = io.StringIO()
    show(Session(out=Console(file=text, width=width)), *(["run"] if show is show_evaluation else []), result)
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_a_control_that_is_identical_is_called_so(result: Evaluation, width: int) -> None:
    lines = printed(show_evaluation, result, width).splitlines()
    line = next(line for line in lines if "mask-off" in line)
    assert [cell.strip() for cell in line.split("│")][-3:-1] == ["identical", ""]
    assert "identical" not in next(line for line in lines if "shuffled-knowledge" in line)


def test_groups_at_80_columns(result: Evaluation) -> None:
    text = printed(show_groups, result, 80)
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert [line.strip() for line in text.splitlines() if line.startswith("Gains")] == [
        "Gains by events of the target",
        "Gains by length of the history",
        "Gains by triples of the target",
    ]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    shown = ["sequence", "item-kNN", "shuffled-knowledge", "mask-off"]
    assert [row[1] for row in rows] == shown * 5, "the run, its best baseline and the controls, for each group"
    assert [row[0] for row in rows[:8]] == ["cold, no event", "40 cases", "", "", "12,000 events", "60 cases", "", ""]
    cold = result.groups[0].rows
    lead = cold["item-kNN"].lead
    assert lead is not None
    assert rows[0][2:] == [f"{cold['sequence'].value:.4f}", "", ""]
    assert rows[1][2:4] == [f"{cold['item-kNN'].value:.4f}", f"{lead:+.4f}"]
    assert rows[1][4].count(" to ") == 1
    few = next(number for number, row in enumerate(rows) if row[0] == "5 cases")
    assert rows[few][3:] == ["too few", ""]
    assert "under 30 cases, too few to tell" in text


def test_groups_of_a_run_alone(result: Evaluation) -> None:
    """Without baselines and controls there is the row of the run, and no lead."""
    bare = replace(result, rows=result.rows[:1])
    rows = [line for line in printed(show_groups, bare, 80).splitlines() if line.startswith("│")]
    assert ["sequence" in row for row in rows] == [True, False] * 5
    assert "40 cases" in rows[1]
