"""Renders a report as one self-contained HTML page without a script.

All text goes through :func:`~kptoolkit.tree.draw.boxes.printable` and is escaped by Jinja. The content security policy
of the page allows its own style, by its hash, and nothing else: no script, no picture or font, no request.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kptoolkit.errors import shorten
from kptoolkit.report.charts import Axis, Bar, LineChart
from kptoolkit.report.evaluation_tables import GroupTable, ResultTable
from kptoolkit.report.example_cases import Examples
from kptoolkit.report.run_summary import PartWeight
from kptoolkit.report.signatures import Finding, Signature
from kptoolkit.tree.draw.boxes import printable

_FOLDER: Final = Path(__file__).parent
_LONGEST: Final = 1000


@dataclass(frozen=True)
class SignatureRow:
    """A signature with its finding for each run.

    Attributes:
        signature: The signature.
        findings: One per run.
    """

    signature: Signature
    findings: tuple[Finding, ...]

    @property
    def found_in(self) -> int:
        """Number of runs in which it was found."""
        return sum(finding.state == "found" for finding in self.findings)


@dataclass(frozen=True)
class WeightBar:
    """A weight as a bar.

    Attributes:
        name: What has the weight.
        figure: The weight, as text.
        bar: Its bar.
    """

    name: str
    figure: str
    bar: Bar


@dataclass(frozen=True)
class WeightChart:
    """Weights as bars, on one axis.

    Attributes:
        title: What is weighed.
        bars: The weights.
    """

    title: str
    bars: tuple[WeightBar, ...]

    @classmethod
    def of(cls, title: str, weights: list[tuple[str, float]]) -> WeightChart:
        """Draw weights by name."""
        axis = Axis.of(value for _, value in weights)
        return cls(title, tuple(WeightBar(name, f"{value:.3g}", Bar.of(axis, value)) for name, value in weights))


@dataclass(frozen=True)
class Variant:
    """A way to weigh the parts that was compared by cross-validation.

    Attributes:
        name: What is weighed.
        figure: Its cross entropy or its NDCG, as text.
        taken: Whether it was taken.
    """

    name: str
    figure: str
    taken: bool


@dataclass(frozen=True)
class Weights:
    """The weights of one run.

    Attributes:
        name: Name of the run.
        charts: Weights of the parts, and of the kinds of pairs inside a part.
        variants: What cross-validation compared; empty if there was none.
        cases: Number of validation cases of that comparison.
    """

    name: str
    charts: tuple[WeightChart, ...]
    variants: tuple[Variant, ...]
    measures: tuple[Variant, ...]
    cases: str

    @classmethod
    def of(cls, name: str, parts: tuple[PartWeight, ...], report: dict[str, Any], *, kinds: bool = True) -> Weights:
        """Collect the weights of a run.

        Args:
            name: Name of the run.
            parts: Its parts.
            report: How the weights were found, from the manifest.
            kinds: Whether to show the weights inside the parts too.
        """
        charts = [
            WeightChart.of("weight of each part", [(part.name, part.weight) for part in parts]),
            WeightChart.of("spread of what each part adds to the score", [(part.name, part.spread) for part in parts]),
        ]
        charts += [
            WeightChart.of(f"{part.name}: weight of each kind of pair", list(part.kinds))
            for part in sorted(parts, key=lambda part: part.name != "graph similarity")
            if kinds and (len(part.kinds) > 1 or (part.name == "graph similarity" and part.kinds))
        ]
        losses = report.get("cross entropy, five folds", {})
        variants = tuple(Variant(each, f"{loss:.4f}", each == report.get("taken")) for each, loss in losses.items())
        ndcg = report.get("NDCG, five folds", {})
        measures = tuple(Variant(each, f"{value:.4f}", each == report.get("fitted by")) for each, value in ndcg.items())
        return cls(name, tuple(charts), variants, measures, f"{report.get('validation cases', 0):,}")


@dataclass(frozen=True)
class Page:
    """The content of a report.

    Attributes:
        title: Title of the page.
        notice: Notice of the data; empty for none.
        protocol: How the cases were made and ranked.
        names: Names of the runs.
        shared: Facts that all runs share: label and text.
        differing: Facts that differ: label and one text per run.
        overview: The table over all runs; ``None`` for a single run or if they were not evaluated together.
        tables: Result tables of the runs.
        not_evaluated: Names of the runs that have none, if others have.
        charts: Curves of the training.
        chosen: Name of each run and the epoch that was chosen.
        groups: Gains by group, with the title of the evaluation.
        weights: Weights of the runs.
        signatures: Failure signatures.
        examples: Example recommendations.
        left_out: A sentence for each part of the report that is missing, by the part's name.
        split: ``"test"`` or ``"valid"``.
        version: Version of kptoolkit.
    """

    title: str
    notice: str
    protocol: str
    names: tuple[str, ...]
    shared: tuple[tuple[str, str], ...]
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    overview: ResultTable | None
    tables: tuple[ResultTable, ...]
    not_evaluated: tuple[str, ...]
    charts: tuple[LineChart, ...]
    chosen: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, GroupTable], ...]
    weights: tuple[Weights, ...]
    signatures: tuple[SignatureRow, ...]
    examples: Examples
    left_out: dict[str, str]
    split: str
    version: str


def to_html(page: Page) -> str:
    """Render a report."""
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return _environment().get_template("report.html").render(page=page, style=Markup(style), policy=policy)  # noqa: S704


def plain(value: Any) -> Any:
    """Return a text on one line without control characters and not longer than 1,000; other values as they are."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return shorten(printable(value), _LONGEST)
    return value


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
