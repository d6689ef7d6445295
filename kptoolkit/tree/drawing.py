"""A knowledge tree beside its visibility matrix, as a picture."""

from __future__ import annotations

import os
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from kptoolkit.errors import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kptoolkit.tree.knowledge_tree import KnowledgeTree

MOST_LEAVES = 36
"""Rows of the drawing: nodes beyond these are counted below it, not drawn."""
MOST_LABELS = 60
"""Tokens whose words still stand beside the matrix."""
_ROOT_COLOUR = "#5b6470"
_COLOURS = ("#2f6db3", "#c8641b", "#2b8a57", "#a63d78", "#7a5ac2", "#9a7b12", "#1f8a99", "#b5483f")
_WRAP = {"root": 26, "item": 20, "triplet": 38}
_LONGEST = {"root": 260, "item": 70, "triplet": 150}
_LINE, _GAP = 0.165, 0.13  # inches
_COLUMN, _CHARACTER = 0.4, 0.0625  # inches between columns, and of one character
_FONT = 7.5


@dataclass(frozen=True)
class _Box:
    """Where a node is drawn; inches from the left and from the top."""

    x: float
    y: float
    width: float
    height: float
    text: str


def draw(tree: KnowledgeTree, path: str | Path) -> None:
    """Write the picture of a tree and its visibility matrix to a PNG file.

    On the left the tree, each item's subtree in one colour; on the right the matrix, a dot where a token (row) sees
    another (column), in the colour of the subtree that the row belongs to. Numbers name the same nodes on both sides.
    What would not be legible is left out and counted below the tree.

    Args:
        tree: The tree.
        path: File to write; written beside and renamed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    boxes = _layout(tree)
    width = max(box.x + box.width for box in boxes.values()) + 0.2
    height = max(box.y + box.height / 2 for box in boxes.values()) + 0.3
    side = min(max(height, 0.13 * min(len(tree), MOST_LABELS), 4.6), 9.5)
    margin = 1.3 if len(tree) <= MOST_LABELS else 0.35  # words and node strips beside the matrix
    body = max(height, side + margin + 0.25)
    figure = Figure(figsize=(0.15 + width + margin + side + 0.3, body + 0.85), facecolor="white")
    FigureCanvasAgg(figure)
    with _quiet_about_glyphs():
        _draw_tree(figure, tree, boxes, (0.15, 0.35 + (body - height) / 2), (width, height))
        _draw_matrix(figure, tree, (0.15 + width + margin, 0.35 + body - margin - side), side)
        _line(figure, _note(tree, len(tree.linear.nodes) - len(boxes)), 0.2, 0.1)
        _write(figure, Path(path))


def colours(tree: KnowledgeTree) -> list[str]:
    """The colour of each node, by number: one an item's subtree, grey for the root."""
    return [
        _ROOT_COLOUR if node.item is None else _COLOURS[(node.item - 1) % len(_COLOURS)] for node in tree.linear.nodes
    ]


def _layout(tree: KnowledgeTree) -> dict[int, _Box]:
    """Boxes of the drawn nodes: a column a depth, leaves below each other, parents in the middle of their children."""
    drawn = tree.graph.subgraph(_legible(tree.graph))
    depth = nx.single_source_shortest_path_length(drawn, 0)
    texts = {number: _label(tree, number) for number in drawn}
    widths = [0.0] * (max(depth.values()) + 1)
    for number, text in texts.items():
        longest = max(_columns(line) for line in text.splitlines())
        widths[depth[number]] = max(widths[depth[number]], longest * _CHARACTER + 0.2)
    lefts = np.concatenate([[0], np.cumsum(np.array(widths) + _COLUMN)])
    heights = {number: _LINE * (text.count("\n") + 1) + 0.1 for number, text in texts.items()}
    extent: dict[int, float] = {}
    for number in nx.dfs_postorder_nodes(drawn, 0):
        below = sum(extent[child] for child in drawn.successors(number))
        extent[number] = max(heights[number] + _GAP, below)
    tops = {0: 0.0}
    for number in nx.dfs_preorder_nodes(drawn, 0):
        children = list(drawn.successors(number))
        top = tops[number] + (extent[number] - sum(extent[child] for child in children)) / 2
        for child in children:
            tops[child], top = top, top + extent[child]
    return {
        number: _Box(
            lefts[depth[number]], tops[number] + extent[number] / 2, widths[depth[number]], heights[number], text
        )
        for number, text in texts.items()
    }


def _legible(graph: nx.DiGraph[int]) -> list[int]:
    """Root, latest items, and triplets hop by hop over the items in turn, as many as there are rows for."""
    items = sorted(graph.successors(0))[-MOST_LEAVES // 2 :]
    room = MOST_LEAVES
    kept = [0, *items]
    level = items
    while level and room > 0:
        turns = [list(graph.successors(number)) for number in level]
        dealt = [family[turn] for turn in range(max(map(len, turns))) for family in turns if turn < len(family)]
        level = dealt[:room]
        kept += level
        room -= len(level)
    return kept


def _label(tree: KnowledgeTree, number: int) -> str:
    node = tree.linear.nodes[number]
    text = shorten(node.text, _LONGEST[node.kind])
    text = f"{number}  {text}" if number else text
    return textwrap.fill(text, _WRAP[node.kind], break_long_words=True, break_on_hyphens=False)


def _columns(line: str) -> int:
    """Characters of a line, wide ones counted twice."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def _draw_tree(
    figure: Figure,
    tree: KnowledgeTree,
    boxes: dict[int, _Box],
    corner: tuple[float, float],
    size: tuple[float, float],
) -> None:
    axes = _axes(figure, corner, size)
    axes.set_xlim(-0.1, size[0])
    axes.set_ylim(size[1], -0.1)
    axes.axis("off")
    colour = colours(tree)
    for parent, child in tree.graph.edges:
        if child in boxes:
            start, end = boxes[parent], boxes[child]
            bend = start.x + start.width + (end.x - start.x - start.width) / 2
            line = [start.x + start.width, bend, bend, end.x], [start.y, start.y, end.y, end.y]
            axes.plot(*line, color=colour[child], linewidth=0.9, zorder=1, alpha=0.75)
    for number, box in boxes.items():
        _draw_box(axes, box, colour[number], strong=tree.linear.nodes[number].kind != "triplet")
    _title(figure, "Knowledge tree", 0.2)


def _draw_box(axes: Axes, box: _Box, colour: str, *, strong: bool) -> None:
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
            axes.axhline(edge, color="#b9bec6", linewidth=0.35)
            axes.axvline(edge, color="#b9bec6", linewidth=0.35)
    _bands(axes, tree, starts, side)
    if length <= MOST_LABELS:
        _token_labels(axes, tree, side)
    _title(figure, f"Visibility matrix of its {length} tokens ({tree.tokenizer_name})", corner[0])
    key = "Row: a token; filled where it sees the token of the column. Numbers: nodes of the tree; grey: the root."
    _line(figure, key, corner[0], corner[1] - 0.25)


def _bands(axes: Axes, tree: KnowledgeTree, starts: Sequence[int], side: float) -> None:
    """Strips along the matrix that show each token's node, with the node's number where there is room."""
    from matplotlib.patches import Rectangle

    inch = len(tree) / side
    colour = colours(tree)
    for start, stop in pairwise(starts):
        number = int(tree.node[start])
        size = stop - start
        for x, y, width, height in ((-0.2 * inch, start, 0.17 * inch, size), (start, -0.2 * inch, size, 0.17 * inch)):
            axes.add_patch(
                Rectangle(
                    (x, y), width, height, facecolor=colour[number], edgecolor="white", linewidth=0.4, clip_on=False
                )
            )
            if number and size / inch > 0.085:
                text: dict[str, Any] = {"fontsize": 5, "color": "white", "ha": "center", "va": "center_baseline"}
                axes.text(x + width / 2, y + height / 2, str(number), clip_on=False, **text)


def _token_labels(axes: Axes, tree: KnowledgeTree, side: float) -> None:
    inch = len(tree) / side
    for place, text in enumerate(tree.token_texts):
        label = shorten(text, 14)
        style: dict[str, Any] = {"fontsize": 5.8, "color": colours(tree)[int(tree.node[place])], "parse_math": False}
        axes.text(-0.26 * inch, place + 0.5, label, ha="right", va="center_baseline", **style)
        axes.text(place + 0.5, -0.26 * inch, label, ha="center", va="bottom", rotation=90, **style)


def _note(tree: KnowledgeTree, hidden: int) -> str:
    left = tree.left_out
    parts = [f"{hidden} of {len(tree.linear.nodes)} nodes not drawn"] if hidden else []
    parts += [f"budget of {tree.max_tokens} left out {left.triplets} triplets"] if left.triplets else []
    parts += [f"{left.items} oldest items dropped"] if left.items else []
    parts += [f"{left.nameless} nameless facts left out"] if left.nameless else []
    return "; ".join(parts)


def _axes(figure: Figure, corner: tuple[float, float], size: tuple[float, float]) -> Axes:
    """Axes at a place given in inches from the lower left corner."""
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
    """Names may hold characters the font lacks: they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        yield


def _write(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(beside, format="png", dpi=160)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
