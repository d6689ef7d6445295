"""Draws a knowledge tree next to its visibility matrix, as a PNG or an SVG."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kptoolkit.errors import shorten
from kptoolkit.names import quantity
from kptoolkit.tree.draw.boxes import Box, Layout, arrange, printable
from kptoolkit.tree.draw.colours import colours
from kptoolkit.tree.draw.fonts import DPI, Fonts, fonts_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kptoolkit.tree.knowledge_tree import KnowledgeTree

MOST_LABELS = 60
"""Maximum number of tokens of a matrix that is labelled with the token texts."""
_FONT = 7.5
_GRID = "#b9bec6"
_SMALLEST, _LARGEST = 4.6, 9.5  # inches of a side of the matrix


def to_png(tree: KnowledgeTree) -> bytes:
    """Return the picture of a tree and its visibility matrix, see :func:`drawn`."""
    written = BytesIO()
    with _quiet_about_glyphs():
        drawn(tree).savefig(written, format="png", dpi=DPI)
    return written.getvalue()


def to_svg(tree: KnowledgeTree) -> str:
    """Return the same picture as an SVG that needs no font: letters are outlines. Equal trees give equal texts."""
    import matplotlib as mpl

    written = StringIO()
    about = {"Title": printable(tree.mpp_text), "Date": None, "Creator": None}
    with _quiet_about_glyphs(), mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "kptool"}):
        drawn(tree).savefig(written, format="svg", metadata=about)
    return written.getvalue()


def drawn(tree: KnowledgeTree) -> Figure:
    """Draw a tree and its visibility matrix as a matplotlib figure.

    The tree is on the left, each item and its triplets in one colour; the matrix on the right, filled where a token
    (row) sees another (column), in the colour of the row's node. Numbers refer to the same nodes on both sides. What
    would not be legible is left out and counted: ``+3`` next to a node means three children that are not drawn.
    Characters that no installed font has are boxes, and a line reports their number.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    fonts = fonts_for(printable(text) for text in [*(node.text for node in tree.linear.nodes), *tree.token_texts])
    layout = arrange(tree, lambda text: fonts.width(text, _FONT))
    width, height = layout.width + 0.3, layout.height + 0.3
    side = min(max(height, 0.13 * min(len(tree), MOST_LABELS), _SMALLEST), _LARGEST)
    margin = 1.3 if len(tree) <= MOST_LABELS else 0.45  # token texts and node strips next to the matrix
    body = max(height, side + margin + 0.25)
    size = (0.15 + width + margin + side + 0.3, body + 0.85)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    low = body - height if layout.outline else (body - height) / 2
    _draw_tree(figure, tree, layout, (0.15, 0.35 + low), (width, height))
    _draw_matrix(figure, tree, (0.15 + width + margin, 0.35 + body - margin - side), side)
    _line(figure, note(tree, len(tree.linear.nodes) - len(layout.boxes), fonts), 0.2, 0.1)
    for text in figure.findobj(Text):
        text.set_fontfamily(list(fonts.families))
    return figure


def note(tree: KnowledgeTree, hidden: int, fonts: Fonts) -> str:
    """Return one line about what is not in the picture and what is not in the tree.

    Args:
        tree: The tree.
        hidden: Number of its nodes that are not drawn.
        fonts: The fonts of the picture.
    """
    left = tree.left_out
    parts = [f"{hidden} of {quantity(len(tree.linear.nodes), 'nodes')} not drawn"] if hidden else []
    parts += [f"budget of {tree.max_tokens} left out {quantity(left.triplets, 'triplets')}"] if left.triplets else []
    parts += [f"{quantity(left.items, 'oldest items')} dropped"] if left.items else []
    parts += [f"{quantity(left.nameless, 'nameless facts')} left out"] if left.nameless else []
    lacking = len(fonts.missing)
    parts += [f"no font here has {lacking} of the characters, drawn as boxes; a .html page has them"] if lacking else []
    return "; ".join(parts)


def _draw_tree(
    figure: Figure, tree: KnowledgeTree, layout: Layout, corner: tuple[float, float], size: tuple[float, float]
) -> None:
    axes = _axes(figure, corner, size)
    axes.set_xlim(-0.1, size[0] - 0.1)  # a unit is an inch
    axes.set_ylim(size[1] - 0.1, -0.1)
    axes.axis("off")
    colour = colours(tree)
    for parent, child in tree.graph.edges:
        if child in layout.boxes:
            line = _connector(layout.boxes[parent], layout.boxes[child], layout.outline)
            axes.plot(*line, color=colour[child], linewidth=0.9, zorder=1, alpha=0.75)
    for number, box in layout.boxes.items():
        _draw_box(axes, box, colour[number], strong=tree.linear.nodes[number].kind != "triplet")
        if count := layout.hidden.get(number):
            style: dict[str, Any] = {"fontsize": _FONT - 1, "color": colour[number], "va": "center", "ha": "left"}
            axes.text(box.x + box.width + 0.05, box.y, f"+{count}", **style)
    _title(figure, "Knowledge tree", 0.2)


def _connector(parent: Box, child: Box, outline: bool) -> tuple[list[float], list[float]]:
    """x and y coordinates of the line from parent to child."""
    if outline:
        return [parent.x + 0.12, parent.x + 0.12, child.x], [parent.y + parent.height / 2, child.y, child.y]
    right = parent.x + parent.width
    bend = right + (child.x - right) / 2
    return [right, bend, bend, child.x], [parent.y, parent.y, child.y, child.y]


def _draw_box(axes: Axes, box: Box, colour: str, *, strong: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=0.06"
    patch = FancyBboxPatch(
        (box.x, box.y - box.height / 2),
        box.width,
        box.height,
        boxstyle=style,
        facecolor=colour if strong else _pale(colour),
        edgecolor=colour,
        linewidth=0.8,
    )
    axes.add_patch(patch)
    ink = "white" if strong else "#1c1c1c"
    place: dict[str, Any] = {"va": "center", "ha": "left", "linespacing": 1.12}
    axes.text(box.x + 0.08, box.y, box.text, fontsize=_FONT, color=ink, parse_math=False, **place)


def _draw_matrix(figure: Figure, tree: KnowledgeTree, corner: tuple[float, float], side: float) -> None:
    from matplotlib.colors import to_rgb

    length = len(tree)
    axes = _axes(figure, corner, (side, side))
    palette = np.array([to_rgb(colour) for colour in colours(tree)])
    rows = palette[tree.node]  # (L, 3)
    seen = tree.visibility()[:, :, None]
    image = np.where(seen, rows[:, None, :], 1.0)
    axes.imshow(image, extent=(0, length, length, 0), interpolation="nearest", aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    starts = [0, *(np.flatnonzero(np.diff(tree.node)) + 1).tolist(), length]
    if len(starts) < 160:
        for edge in starts[1:-1]:
            axes.axhline(edge, color=_GRID, linewidth=0.35)
            axes.axvline(edge, color=_GRID, linewidth=0.35)
    _bands(axes, tree, starts, side)
    if length <= MOST_LABELS:
        _token_labels(axes, tree, side)
    _title(figure, f"Visibility matrix of its {quantity(length, 'tokens')} ({tree.tokenizer_name})", corner[0])
    key = "Row: a token; filled where it sees the token of the column. Numbers: nodes of the tree; grey: the root."
    _line(figure, key, corner[0], corner[1] - 0.25)


def _bands(axes: Axes, tree: KnowledgeTree, starts: Sequence[int], side: float) -> None:
    """Draw strips along the matrix with each token's node, and the node's number where it fits."""
    from matplotlib.patches import Rectangle

    inch = len(tree) / side
    colour = colours(tree)
    text: dict[str, Any] = {"fontsize": 5, "color": "white", "ha": "center", "va": "center_baseline", "clip_on": False}
    for start, stop in pairwise(starts):
        number, size = int(tree.node[start]), stop - start
        for upright in (True, False):
            x, y = (-0.24 * inch, start) if upright else (start, -0.24 * inch)
            width, height = (0.21 * inch, size) if upright else (size, 0.21 * inch)
            patch = Rectangle((x, y), width, height, facecolor=colour[number], edgecolor="white", linewidth=0.4)
            patch.set_clip_on(False)
            axes.add_patch(patch)
            if number and size / inch > (0.085 if upright else 0.03 + 0.05 * len(str(number))):
                axes.text(x + width / 2, y + height / 2, str(number), **text)


def _token_labels(axes: Axes, tree: KnowledgeTree, side: float) -> None:
    inch = len(tree) / side
    for place, text in enumerate(tree.token_texts):
        label = shorten(printable(text), 14)
        style: dict[str, Any] = {"fontsize": 5.8, "color": colours(tree)[int(tree.node[place])], "parse_math": False}
        axes.text(-0.3 * inch, place + 0.5, label, ha="right", va="center_baseline", **style)
        axes.text(place + 0.5, -0.3 * inch, label, ha="center", va="bottom", rotation=90, **style)


def _axes(figure: Figure, corner: tuple[float, float], size: tuple[float, float]) -> Axes:
    """Add axes at a position in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((corner[0] / width, corner[1] / height, size[0] / width, size[1] / height))


def _title(figure: Figure, text: str, left: float) -> None:
    width, height = figure.get_size_inches()
    style: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": "#222222", "ha": "left", "va": "top"}
    figure.text(left / width, 1 - 0.15 / height, text, **style)


def _line(figure: Figure, text: str, left: float, bottom: float) -> None:
    width, height = figure.get_size_inches()
    figure.text(left / width, bottom / height, text, fontsize=_FONT, color="#444444", parse_math=False)


def _pale(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(1 - 0.13 * (1 - part) for part in to_rgb(colour))


@contextmanager
def _quiet_about_glyphs() -> Iterator[None]:
    """Silence matplotlib's warnings about missing characters; :func:`note` reports them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        yield
