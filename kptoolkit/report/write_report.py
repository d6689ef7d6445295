"""Writes a report about one or several runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kptoolkit import __version__
from kptoolkit.arguments import checked
from kptoolkit.errors import InputError, RunError
from kptoolkit.graph import Graph
from kptoolkit.names import SplitName
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback, ProgressEvent
from kptoolkit.report.charts import LineChart
from kptoolkit.report.evaluation_tables import ResultTable, group_tables, result_table
from kptoolkit.report.example_cases import example_cases
from kptoolkit.report.report_page import Page, SignatureRow, Weights, to_html
from kptoolkit.report.run_summary import RunSummary, unique_names
from kptoolkit.report.signatures import SIGNATURES, findings
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.several_runs import require_same_data
from kptoolkit.storage.atomic import write_text

USERS: Final = 3
"""Users with example recommendations."""
_SUFFIX: Final = ".html"


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
        path: The file.
        page: Its content.
    """

    path: Path
    page: Page

    def to_json(self) -> dict[str, Any]:
        """Return path and facts as JSON-able values."""
        return {
            "output": str(self.path),
            "split": self.page.split,
            "runs": list(self.page.names),
            "facts": dict(self.page.shared),
            "users": [example.user for example in self.page.examples.users],
            "signatures": {
                name: [row.findings[place].to_json() for row in self.page.signatures]
                for place, name in enumerate(self.page.names)
            },
            "left_out": self.page.left_out,
            "not_evaluated": list(self.page.not_evaluated),
        }


@checked
def write_report(
    runs: Run | Sequence[Run],
    output: str | Path | None = None,
    *,
    split: SplitName = "test",
    users: int = USERS,
    graph: Graph | None = None,
    progress: ProgressCallback = shown,
) -> Report:
    """Write one self-contained HTML page about one or several runs: figures, curves, weights, reasons, failure signs.

    Nothing is trained or evaluated: the page says what the run folders contain, and what is missing.

    Args:
        runs: Finished runs with the same interactions, catalogue and split.
        output: File to write, ``.html``; ``None``: ``report.html`` in the run, or next to the first of several.
        split: Evaluation to show, ``"test"`` or ``"valid"``.
        users: Users with example recommendations, by the first run.
        graph: The graph to search for paths; ``None`` leaves paths out.
        progress: Progress callback.

    Raises:
        InputError: No run is given, the name of the file does not end in ``.html``, or ``users`` is below 0.
        RunError: The runs have other data, or a file of one is damaged.
        GraphError: The graph fails.

    Example:
        >>> write_report(load("runs/first"), "report.html").path  # doctest: +SKIP
    """
    runs = [runs] if isinstance(runs, Run) else list(runs)
    path = output_path(runs, output)
    if users < 0:
        raise InputError(f"users is {users}; give 0 or more")
    if len(runs) > 1:
        require_same_data(runs)
    summaries = []
    for done, (run, name) in enumerate(zip(runs, unique_names(runs), strict=True), 1):
        summaries.append(RunSummary.of(run, name, split))
        if done > 1:
            run.release()
        progress(ProgressEvent("read runs", done, len(runs), "runs"))
    page = _page(summaries, users, graph, progress)
    write_text(path, to_html(page))
    return Report(path, page)


def output_path(runs: Sequence[Run], output: str | Path | None) -> Path:
    """Return the file of a report.

    Raises:
        InputError: No run is given, or the name does not end in ``.html``.
    """
    if not runs:
        raise InputError("no run given; give at least one")
    if output is None:
        return (runs[0].folder if len(runs) == 1 else runs[0].folder.parent) / f"report{_SUFFIX}"
    if Path(output).suffix.lower() != _SUFFIX:
        raise InputError(f"{output}: the name must end in {_SUFFIX}")
    return Path(output)


def _page(summaries: Sequence[RunSummary], users: int, graph: Graph | None, progress: ProgressCallback) -> Page:
    first, names = summaries[0], tuple(summary.name for summary in summaries)
    run, split = first.run, first.split
    overview, tables = _overview(summaries), _tables(summaries)
    several = _together(summaries)
    evaluations = [("all runs", several)] if several else [(each.name, each.evaluation) for each in summaries]
    groups = tuple((title, table) for title, found in evaluations for table in group_tables(found))
    charts = _curves(summaries)
    shared, differing = _facts(summaries)
    examples = example_cases(run, split, users, graph=graph, progress=progress)
    sections: dict[str, Any] = {"overview": overview or len(summaries) == 1, "results": tables, "groups": groups}
    sections |= {"losses": any(each.losses for each in summaries), "curves": any(each.curve for each in summaries)}
    sections |= {"triplets": examples.with_triplets, "paths": examples.with_paths or not examples.with_triplets}
    return Page(
        title=f"Report on {', '.join(names)}",
        notice=run.notice,
        protocol=next((table.protocol for table in (overview, *tables) if table and table.protocol), ""),
        names=names,
        shared=shared,
        differing=differing,
        overview=overview,
        tables=tables,
        not_evaluated=tuple(each.name for each in summaries if tables and not each.evaluation.get("rows")),
        charts=charts,
        chosen=tuple((each.name, f"{each.chosen_epoch:g}") for each in summaries if each.chosen_epoch is not None),
        groups=groups,
        weights=tuple(
            Weights.of(each.name, each.parts, each.run.manifest.reports.get("parts", {}), kinds=each is first)
            for each in summaries
        ),
        signatures=_signatures(summaries),
        examples=examples,
        left_out={name: text for name, text in _missing(split, len(summaries)).items() if not sections[name]},
        split=split,
        version=__version__,
    )


def _missing(split: str, count: int) -> dict[str, str]:
    """What a page says in place of a part that is missing, by the part's name."""
    option = "" if split == "test" else f" --split {shlex.quote(split)}"
    return {
        "overview": f"The {count} runs were not evaluated together: kptool evaluate RUN…{option}.",
        "results": f"Not evaluated yet: kptool evaluate RUN{option}.",
        "groups": f"There are no gains by group: kptool evaluate RUN{option}.",
        "losses": "The backend reports no loss of its training.",
        "curves": "The backend reports no validation figures of its training.",
        "triplets": "The backend cannot say which triplets mattered.",
        "paths": "Paths are left out: no graph was read.",
    }


def _facts(
    summaries: Sequence[RunSummary],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Facts that all runs share, and those in which they differ."""
    labels = list(dict.fromkeys(label for summary in summaries for label in summary.facts))
    rows = [(label, tuple(summary.facts.get(label, "") for summary in summaries)) for label in labels]
    shared = tuple((label, texts[0]) for label, texts in rows if len(set(texts)) == 1)
    return shared, tuple((label, texts) for label, texts in rows if len(set(texts)) > 1)


def _together(summaries: Sequence[RunSummary]) -> dict[str, Any]:
    """The evaluation of several runs in one table, next to the first; empty if it is of other runs or older inputs."""
    first = summaries[0]
    if len(summaries) == 1:
        return {}
    try:
        found = RunFolder(first.run.folder.parent).evaluation(first.split)
    except RunError:
        return {}
    expected = {summary.run.manifest.id: summary.run.manifest for summary in summaries}
    ranked = {run.get("id"): run.get("fingerprints", {}) for run in found.get("runs", ())}
    same = ranked.keys() == expected.keys() and all(
        expected[name].other_input(fingerprints) is None for name, fingerprints in ranked.items()
    )
    return found if same else {}


def _overview(summaries: Sequence[RunSummary]) -> ResultTable | None:
    found = _together(summaries)
    return result_table(f"Mean of {len(summaries)} runs", found, summaries[0].run.notice) if found else None


def _tables(summaries: Sequence[RunSummary]) -> tuple[ResultTable, ...]:
    """One table per run that was evaluated."""
    return tuple(
        result_table(each.name, each.evaluation, each.run.notice) for each in summaries if each.evaluation.get("rows")
    )


def _curves(summaries: Sequence[RunSummary]) -> tuple[LineChart, ...]:
    chosen = {each.name: each.chosen_epoch for each in summaries}
    charts = (
        LineChart.of("validation NDCG@10 of the backend", {each.name: each.curve for each in summaries}, chosen),
        LineChart.of("training loss", {each.name: each.losses for each in summaries}, chosen),
    )
    return tuple(chart for chart in charts if chart is not None)


def _signatures(summaries: Sequence[RunSummary]) -> tuple[SignatureRow, ...]:
    found = [findings(summary.figures) for summary in summaries]
    rows = [SignatureRow(signature, tuple(each[signature.name] for each in found)) for signature in SIGNATURES]
    return tuple(sorted(rows, key=lambda row: (-row.found_in, row.findings[0].state == "not measured")))
