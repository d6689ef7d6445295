"""A page in which every text is given: to see what texts can do to it."""

from __future__ import annotations

from kptoolkit.explain.connections import Connection
from kptoolkit.explain.explanations import Explanation, Reason
from kptoolkit.report.charts import Axis, Bar, Dot, LineChart
from kptoolkit.report.evaluation_tables import GroupCell, GroupRow, GroupTable, Kind, ResultRow, ResultTable
from kptoolkit.report.example_cases import Example, Examples, PartBar, Recommended
from kptoolkit.report.report_page import Page, SignatureRow, Variant, WeightBar, WeightChart, Weights
from kptoolkit.report.signatures import SIGNATURES, RunFigures

AXIS = Axis.of([0.5])
DOT, BAR = Dot(50.0, 25.0, 75.0), Bar(0.0, 50.0, False)


def page_of(text: str, figure: str | None = None) -> Page:
    """A page with all parts, whose texts are all ``text``; figures are ``figure`` if that is given."""
    number = text if figure is None else figure
    chart = LineChart.of(text, {text: [(1.0, 0.1), (2.0, 0.2)]}, {text: 2.0})
    assert chart is not None
    kinds: tuple[Kind, ...] = ("run", "backend alone", "baseline", "control", "other")
    rows = tuple(ResultRow(text, kind, DOT, number, number, (number,), number, number, number) for kind in kinds)
    table = ResultTable(text, (text,), rows, AXIS, (text, text), text)
    group = GroupTable(
        text, (text,), (0,), (GroupRow(text, number, number, (GroupCell(number, number, DOT, sure=True),)),), AXIS
    )
    weights = WeightChart(text, (WeightBar(text, number, BAR),))
    signs = tuple(SignatureRow(each, (each.check(RunFigures(cold=1.0)),) * 2) for each in SIGNATURES)
    variant = Variant(text, number, taken=True)
    return Page(
        title=text,
        notice=text,
        protocol=text,
        names=(text, text),
        shared=((text, text),),
        differing=((text, (text, text)),),
        overview=table,
        tables=(table,),
        not_evaluated=(text, text),
        charts=(chart,),
        chosen=((text, text),),
        groups=((text, group),),
        weights=(Weights(text, (weights,), (variant,), (variant,), number),),
        signatures=signs,
        examples=Examples((_example(text, number),), with_triplets=True, with_paths=True),
        left_out=dict.fromkeys(("overview", "results", "curves", "losses", "groups", "triplets", "paths"), text),
        split="test",
        version="0",
    )


def _example(text: str, number: str) -> Example:
    reasons = (Reason(text, "other", f"{text}?", 1, 0.5), Reason(text, text, f"{text}?", 1, 0.5))
    path = Connection(text, f"{text}?", (text, text), ())
    entry = Explanation(1, text, text, 1.0, (), reasons, (path,))
    return Example(text, (text, text), 3, (Recommended(entry, (PartBar(text, number, BAR, text),)),))
