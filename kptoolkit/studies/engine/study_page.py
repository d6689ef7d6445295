"""What a study writes: a page with a table, plots, and the raw results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kptoolkit.names import quantity
from kptoolkit.runs.manifest import write_json
from kptoolkit.storage.atomic import write_text
from kptoolkit.studies.engine.study_plot import write_plots
from kptoolkit.studies.engine.study_result import ALONE, StudyResult, StudyRow

PAGE, TABLE, RAW = "study.md", "table.md", "results.json"


def write_page(result: StudyResult, folder: Path) -> None:
    """Write ``study.md``, ``table.md``, ``results.json``, ``plot`` and ``curves`` (PNG and SVG) into a folder."""
    write_json(folder / RAW, result.to_json())
    write_text(folder / TABLE, table(result) + "\n")
    write_plots(result, folder)
    write_text(folder / PAGE, page(result))


def way_rows(result: StudyResult, way: str) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a narrow table for one way of ranking; a lead is marked as in :func:`table_rows`."""
    several = len({row.backend for row in result.rows}) > 1
    header = [*(["backend"] if several else []), "arm", "NDCG@10", "95 %", "HR@10", "lead"]
    cells = []
    for row in result.rows:
        value = row.ndcg[way]
        interval = f"{_metric(value.low)} to {_metric(value.high)}"
        line = [row.label, _metric(value.mean), interval, _metric(row.hr[way]), _lead(row, way)]
        cells.append([row.backend, *line] if several else line)
    return header, cells


def table_rows(result: StudyResult) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table of a study: NDCG@10 with intervals, HR@10 and the lead over the first arm.

    A lead is marked ``*`` where it is significant after the correction. Figures of the trainings have columns too.
    """
    names = list(dict.fromkeys(name for row in result.rows for name in row.figures))
    header = ["backend", "arm"]
    for way in result.ways:
        header += [f"NDCG@10 {way}", f"HR@10 {way}", "lead"]
    cells = []
    for row in result.rows:
        line = [row.backend, row.label]
        for way in result.ways:
            line += [_interval(row, way), _metric(row.hr[way]), _lead(row, way)]
        cells.append([*line, *(_number(row.figures.get(name)) for name in names)])
    return [*header, *names], cells


def table(result: StudyResult) -> str:
    """The table of a study as Markdown."""
    header, rows = table_rows(result)
    return "\n".join(_line(cells) for cells in (header, ["---"] * len(header), *rows))


def page(result: StudyResult) -> str:
    """The page of a study as Markdown: question, findings, table, plots, protocol and limits."""
    study = result.study
    paragraphs = [
        f"# {study.name}",
        study.question,
        *([f"> {notice}"] if (notice := result.trained[0].notice) else []),
        findings(result),
        table(result),
        f"![NDCG@10 by {study.axis}](plot.png)",
        "![Validation by epoch](curves.png)",
        protocol(result),
        *([note] if (note := resumed_note(result)) else []),
        *([study.limits] if study.limits else []),
    ]
    return "\n\n".join(paragraphs) + "\n"


def findings(result: StudyResult) -> str:
    """Say in a few lines which arms differ from the first arm of their backend, by corrected tests."""
    lines = []
    for backend in dict.fromkeys(row.backend for row in result.rows):
        rows = [row for row in result.rows if row.backend == backend]
        for way in result.ways:
            found = [row for row in rows[1:] if row.significant(way)]
            leads = "; ".join(f"{row.label} {_lead(row, way)}" for row in found)
            nothing = f"no arm differs significantly from “{rows[0].label}”"
            lines.append(f"- {backend}, {way}: " + (f"against “{rows[0].label}”: {leads}" if found else nothing) + ".")
    return "\n".join(lines)


def protocol(result: StudyResult) -> str:
    """Say in one paragraph what the figures are."""
    counted = f"{quantity(result.cases, 'test cases')}, {quantity(result.trained[0].items, 'items')}"
    seeds = ", ".join(map(str, result.seeds))
    return (
        f"{counted}; seeds {seeds}; mode {result.mode}. NDCG@10 is averaged over the seeds, with a 95 % bootstrap "
        "interval over users. A lead is the difference from the first arm of the same backend; * marks those that a "
        "paired test over users finds at 5 % after Holm's correction. Validation chose the epoch. "
        f"“{ALONE}” is the backend without score parts."
    )


def resumed_note(result: StudyResult) -> str:
    """Say of which trainings time and memory are not known; empty if of none."""
    labels = {(row.backend, row.series, row.x): row.label for row in result.rows}
    found = [each.place(labels) for each in result.trained if each.seconds is None]
    if not found:
        return ""
    return (
        "Seconds and peak memory leave out trainings that were interrupted and resumed, because only those of their "
        f"last part are known: {'; '.join(found)}."
    )


def _interval(row: StudyRow, way: str) -> str:
    value, spread = row.ndcg[way], row.spread[way]
    text = f"{_metric(value.mean)} ({_metric(value.low)} to {_metric(value.high)})"
    return text if spread is None else f"{text}, SD {_metric(spread.deviation)}"


def _lead(row: StudyRow, way: str) -> str:
    lead = row.against[way]
    if lead is None:
        return ""
    return f"{round(lead.difference, 4) + 0.0:+.4f}" + ("*" if row.significant(way) else "")


def _metric(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.4g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
