"""The plots of a study: NDCG@10 over the axis with intervals, and validation by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kptoolkit.storage.atomic import atomic_write
from kptoolkit.studies.engine.study_result import ALONE, StudyResult, StudyRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS: Final = ("png", "svg")
_COLOURS: Final = ("#1b6ca8", "#c8553d", "#3c7a57", "#8a5a9e", "#b8860b", "#4a4a4a")
_MARKERS: Final = "osD^vP"
_PANEL: Final = (4.6, 3.4)


def write_plots(result: StudyResult, folder: Path) -> list[Path]:
    """Write ``plot`` and ``curves`` as PNG and SVG into a folder; returns the files.

    Args:
        result: The result of a study.
        folder: The folder.
    """
    import matplotlib as mpl

    files = []
    with mpl.rc_context(
        {"svg.hashsalt": "kptoolkit", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        for name, figure in (("plot", plot(result)), ("curves", curves(result))):
            for kind in FORMATS:
                path = folder / f"{name}.{kind}"
                with atomic_write(path) as new:
                    figure.savefig(new, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
                files.append(path)
    return files


def plot(result: StudyResult) -> Figure:
    """Draw NDCG@10 on test against the axis of a study, with 95 % intervals over users.

    One panel per backend and way of ranking, one line per series.
    """
    backends = list(dict.fromkeys(row.backend for row in result.rows))
    figure, panels = _panels(len(backends), len(result.ways))
    for backend, row_of_panels in zip(backends, panels, strict=True):
        rows = [row for row in result.rows if row.backend == backend]
        for way, axes in zip(result.ways, row_of_panels, strict=True):
            _draw(axes, rows, way, log=result.study.log)
            axes.set_title(f"{backend}, {way}", loc="left", fontsize=10)
            axes.set_xlabel(result.study.axis)
            axes.set_ylabel("NDCG@10, test")
    _legend(figure, panels[0][0])
    return figure


def curves(result: StudyResult) -> Figure:
    """Draw NDCG@10 on validation by epoch, averaged over seeds, one panel per backend, one line per arm."""
    backends = list(dict.fromkeys(row.backend for row in result.rows))
    figure, panels = _panels(1, len(backends))
    for backend, axes in zip(backends, panels[0], strict=True):
        for place, row in enumerate(row for row in result.rows if row.backend == backend):
            runs = [each.curve for each in result.trained if _of(each, row)]
            epochs = sorted(set.intersection(*({epoch for epoch, _ in curve} for curve in runs)))
            means = [np.mean([dict(curve)[epoch] for curve in runs]) for epoch in epochs]
            axes.plot(epochs, means, label=row.label, **_style(place))
        axes.set_title(f"{backend}, {ALONE}", loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel("NDCG@10, validation")
        axes.locator_params(axis="x", integer=True)
        axes.set_ylim(bottom=0)
    _legend(figure, panels[0][0])
    return figure


def _of(trained: Any, row: StudyRow) -> bool:
    return (trained.backend, trained.series, trained.x) == (row.backend, row.series, row.x)


def _draw(axes: Axes, rows: Sequence[StudyRow], way: str, *, log: bool) -> None:
    """One panel: a line for each series of numbers, points where the axis has names."""
    names = list(dict.fromkeys(row.x for row in rows if isinstance(row.x, str)))
    for place, series in enumerate(dict.fromkeys(row.series for row in rows)):
        own = [row for row in rows if row.series == series]
        x = [float(names.index(row.x)) if isinstance(row.x, str) else row.x for row in own]
        means = np.array([row.ndcg[way].mean for row in own])
        low = means - [row.ndcg[way].low for row in own]
        high = np.array([row.ndcg[way].high for row in own]) - means
        style = _style(place) | ({"linestyle": "none"} if names else {})
        axes.errorbar(x, means, yerr=[low, high], capsize=2, label=series or way, **style)
    if names:
        axes.set_xticks(range(len(names)), names, rotation=25, ha="right")
        axes.margins(x=0.1)
    elif log:
        axes.set_xscale("log")
    if not names:
        shown = sorted({float(row.x) for row in rows})
        axes.set_xticks(shown, [f"{value:g}" for value in shown])
        axes.minorticks_off()
    axes.set_ylim(bottom=0)


def _style(place: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "markersize": 4,
        "linewidth": 1.2,
        "alpha": 0.9,
    }


def _panels(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (_PANEL[0] * columns, _PANEL[1] * rows)
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)
