"""What people see in terminals of 80 and 120 columns: whole figures, whole times, nothing left turning."""

from __future__ import annotations

import io
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kptoolkit.cli.demo import _settings, begin
from kptoolkit.cli.fit import _epochs
from kptoolkit.cli.session import Session
from kptoolkit.models.training_time import Duration
from kptoolkit.names import quantity, singular
from kptoolkit.progress import Lines, ProgressEvent, cell

_STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SPINNERS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_VALUES = st.one_of(st.integers(0, 10**9), st.floats(0, 1), st.just(""))


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return _STYLES.sub("", console.file.getvalue())


@given(
    rows=st.lists(st.tuples(st.text("abc def", max_size=90), *[_VALUES] * 4), min_size=1, max_size=4),
    width=st.sampled_from([80, 120]),
)
def test_no_figure_of_a_table_is_cut_or_wrapped(rows: list[tuple[object, ...]], width: int) -> None:
    session = Session(out=terminal(width))
    session.table(
        "a title that is longer than the table, however long it is", ["name", "a", "b", "c", "d"], [*map(list, rows)]
    )
    lines = shown(session.out).splitlines()
    assert lines[0] == "a title that is longer than the table, however long it is"
    assert all(len(line) <= width for line in lines)
    for row in rows:
        for value in filter(None, map(cell, row[1:])):
            assert any(value in line for line in lines), value


def progress(width: int, stages: list[ProgressEvent]) -> list[str]:
    """The last picture of the bars, line by line."""
    session = Session(err=terminal(width))
    with session.progress() as report:
        for event in stages:
            report(event)
    assert isinstance(session.err.file, io.StringIO)
    last = session.err.file.getvalue().split("\x1b[2K")[-1]
    return [line.rstrip() for line in _STYLES.sub("", last).replace("\r", "\n").splitlines() if line.strip()]


@pytest.mark.parametrize("width", [80, 120])
def test_times_and_figures_are_whole_and_no_spinner_is_left(width: int) -> None:
    """The training stops early; another stage ends; the name of a third is long."""
    figures = {"loss": 3.21234, "valid NDCG@10": 0.25111}
    stages = [
        ProgressEvent("rank: shuffled-knowledge", 38163, 38163, "cases"),
        ProgressEvent("seed 2308 (1 of 3): train", 100_200, 600_000, "steps", figures),
        ProgressEvent("a stage with a name that is far too long for any terminal of this width " * 2, 3, 9, "runs"),
    ]
    lines = [line for line in progress(width, stages) if "/" in line]
    assert len(lines) >= 3
    for line, counted in zip(lines[-3:], ("38,163/38,163 cases", "100,200/600,000 steps", "3/9 runs"), strict=True):
        assert counted in line
        assert line.startswith("✓")
        assert not set(_SPINNERS) & set(line)
        assert re.search(r"\d:\d\d:\d\d", line)
        assert len(line) <= width
        assert not re.search(r"\d…", line), "no figure is cut"
    assert ("0.2511" in lines[-2]) == ("valid" in lines[-2]), "a figure is shown as a whole or not at all"


def test_the_time_of_a_stage_that_stopped_early_does_not_run_on() -> None:
    session = Session(err=terminal(80))
    with session.progress() as report:
        report(ProgressEvent("train", 80, 600, "steps"))
        report(ProgressEvent("train", 82, 600, "steps", stopped=True))
        time.sleep(1.2)
        report(ProgressEvent("fit score parts", 0, 1, "fits"))
        time.sleep(1.2)
    assert isinstance(session.err.file, io.StringIO)
    last = _STYLES.sub("", session.err.file.getvalue().split("\x1b[2K")[-1])
    (line,) = [line for line in last.splitlines() if "82/600 steps" in line]
    assert line.startswith("✓")
    assert "0:00:00" in line


def test_a_stage_that_stopped_early_has_a_last_line() -> None:
    lines: list[str] = []
    report = Lines(lines.append)
    report(ProgressEvent("train", 80, 600, "steps", {"loss": 3.0}))
    report(ProgressEvent("train", 82, 600, "steps", {"loss": 2.5}, stopped=True))
    assert lines == ["train: 80/600 steps  loss 3.0000", "train: 82/600 steps  loss 2.5000"]


def test_a_figure_that_fits_is_shown_in_a_narrow_terminal() -> None:
    stage = ProgressEvent("train", 154, 600, "steps", {"loss": 3.2, "valid NDCG@10": 0.25111})
    (line,) = [line for line in progress(80, [stage]) if "/" in line][-1:]
    assert "valid NDCG@10 0.2511" in line


@pytest.mark.parametrize("width", range(100, 140, 4))
def test_a_wide_terminal_shows_as_many_figures_as_a_narrow_one(width: int) -> None:
    stages = [
        ProgressEvent("trees from the cache", 1, 1, "folder", {"of": "2026-05-31 18:05 UTC"}),
        ProgressEvent("train", 154, 600, "steps", {"loss": 3.2, "valid NDCG@10": 0.25111}),
    ]
    lines = [line for line in progress(width, stages) if "/" in line][-2:]
    assert "valid NDCG@10 0.2511" in lines[1]
    assert "of 2026-05-31 18:05 UTC" in lines[0]


@pytest.mark.parametrize("text", ["item-kNN 1 %", "1 CPU thread", "kptool compile runs/first --refresh"])
def test_sentences_wrap_at_words_and_commands_stay_whole(text: str) -> None:
    session = Session(out=Console(file=io.StringIO(), width=30, force_terminal=True))
    session.lines([f"{'many words ' * 3}{text}"])
    lines = shown(session.out).splitlines()
    assert (len(lines) == 1) == ("kptool " in text)
    assert " ".join(line.strip() for line in lines) == f"{'many words ' * 3}{text}"
    assert max(map(len, lines)) <= 30 or "kptool " in text


def test_figures_are_right_aligned_where_some_are_missing_or_are_percentages() -> None:
    session = Session(out=Console(file=io.StringIO(), width=80))
    session.table("t", ["name", "share", "lead"], [["a", "4.9%", None], ["b", "", 0.5], ["c", "10%", 10.25]])
    rows = [line for line in shown(session.out).splitlines() if line.startswith("│")]
    assert [row.split("│")[2] for row in rows] == ["  4.9% ".rjust(7), " " * 7, "   10% "]
    assert [row.split("│")[3].rstrip() for row in rows] == ["", "  0.5000", " 10.2500"]


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "steps", "1 step"),
        (0, "items", "0 items"),
        (2000, "entities", "2,000 entities"),
        (1, "entities", "1 entity"),
    ],
)
def test_one_and_many(count: int, noun: str, text: str) -> None:
    assert quantity(count, noun) == text
    assert singular("relationships") == "relationship"


def test_a_single_step_is_one_in_every_message() -> None:
    assert "1 epoch of 1 step; ends earlier after 1 evaluation " in str(Duration(1, 1, 1.0, 1.0, 1, 1, None))
    session = Session(err=Console(file=io.StringIO()))
    with session.progress() as report:
        report(ProgressEvent("join score parts", 1, 1, "fits"))
    assert shown(session.err) == "join score parts: 1/1 fit\n"


def test_the_best_epoch_is_next_to_the_trained_ones() -> None:
    assert _epochs({"epochs": 45.0, "best_epoch": 20.0}) == "45, best 20"
    assert _epochs({"epochs": 1.0}) == "1"


def test_the_folder_of_the_demo_has_no_empty_file_of_ours() -> None:
    from pathlib import Path

    folder = Path("demo")
    for _ in range(2):
        data = begin(folder)
        assert _settings(folder, data, 1.0)["run__dir"] == folder / "run"
        assert all(file.stat().st_size for file in folder.rglob("*"))
        assert sorted(file.name for file in folder.iterdir()) == ["data", "kptool-demo"]
        (folder / "kptool.toml").touch()
