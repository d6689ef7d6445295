"""Arranges the nodes of a knowledge tree in a picture: small trees in columns, larger ones as an outline."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kptoolkit.errors import shorten
from kptoolkit.prompts import clean_name

if TYPE_CHECKING:
    import networkx as nx

    from kptoolkit.tree.knowledge_tree import KnowledgeTree

MOST_LEAVES = 24
"""Maximum number of leaves of a tree that is drawn in columns."""
MOST_DEPTH = 3
"""Greatest depth of a tree that is drawn in columns: root, item, two hops."""
MOST_ROWS = 56
"""Maximum number of items and triplets of an outline; other nodes are counted next to their parent, not drawn."""
LINE, GAP = 0.165, 0.13  # inches
_EDGES = 0.16  # inches next to the text of a box, both sides together
_COLUMN, _INDENT = 0.4, 0.3  # inches between columns, and of one level of an outline
_WRAP = {"root": 26, "item": 20, "triplet": 38}
_OUTLINE_WRAP = {"root": 80, "item": 72, "triplet": 76}
_LONGEST = {"root": 260, "item": 70, "triplet": 150}
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Box:
    """The box of a node, in inches from the left and from the top.

    Attributes:
        x: Position of its left edge.
        y: Position of its vertical middle.
        width: Width of the box.
        height: Height of the box.
        text: The node's number and text, wrapped.
    """

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Layout:
    """The boxes of a picture.

    Attributes:
        boxes: Boxes by node number; the parent of every node has one too.
        outline: Whether children are below their parent, indented, and not in the column to its right.
        hidden: Number of children that are not drawn, by node number; only nodes with such children.
    """

    boxes: Mapping[int, Box]
    outline: bool
    hidden: Mapping[int, int]

    @property
    def width(self) -> float:
        """Width in inches, to the rightmost edge of a box."""
        return max(box.x + box.width for box in self.boxes.values())

    @property
    def height(self) -> float:
        """Height in inches, to the lowest edge of a box."""
        return max(box.y + box.height / 2 for box in self.boxes.values())


def arrange(tree: KnowledgeTree, width: Callable[[str], float]) -> Layout:
    """Arrange the nodes in boxes that do not overlap.

    A tree of two hops and few leaves is drawn whole, in columns. A larger one is an outline of the root and at most
    :data:`MOST_ROWS` rows: the latest items, and the first triplets of each parent, those near their item first.

    Args:
        tree: The tree.
        width: Returns the drawn width of a text's longest line, in inches.
    """
    import networkx as nx

    leaves = sum(not family for _, family in tree.graph.out_degree())
    deepest = max(nx.single_source_shortest_path_length(tree.graph, 0).values())
    if deepest <= MOST_DEPTH and leaves <= MOST_LEAVES:
        return Layout(_columns(tree, width), outline=False, hidden={})
    drawn = _first_rows(tree.graph)
    hidden = {number: sum(child not in drawn for child in tree.graph.successors(number)) for number in drawn}
    return Layout(_outline(tree, drawn, width), outline=True, hidden={n: count for n, count in hidden.items() if count})


def printable(text: str) -> str:
    """Return ``text`` on one line without control characters, including those that change the writing direction."""
    return _BIDI.sub("", clean_name(text))


def label(tree: KnowledgeTree, number: int, wrap: Mapping[str, int] = _WRAP) -> str:
    """Return a node's number and text, shortened and wrapped; the root has no number."""
    node = tree.linear.nodes[number]
    text = shorten(printable(node.text), _LONGEST[node.kind])
    text = f"{number}  {text}" if number else text
    return textwrap.fill(text, wrap[node.kind], break_long_words=True, break_on_hyphens=False)


def _columns(tree: KnowledgeTree, width: Callable[[str], float]) -> dict[int, Box]:
    """Boxes in one column per depth: leaves below each other, parents at the middle of their children."""
    import networkx as nx

    depth = nx.single_source_shortest_path_length(tree.graph, 0)
    texts = {number: label(tree, number) for number in tree.graph}
    widths = [0.0] * (max(depth.values()) + 1)
    for number, text in texts.items():
        widths[depth[number]] = max(widths[depth[number]], width(text) + _EDGES)
    lefts = np.concatenate([[0], np.cumsum(np.array(widths) + _COLUMN)])
    heights = {number: _height(text) for number, text in texts.items()}
    extent: dict[int, float] = {}
    for number in nx.dfs_postorder_nodes(tree.graph, 0):
        below = sum(extent[child] for child in tree.graph.successors(number))
        extent[number] = max(heights[number] + GAP, below)
    tops = {0: 0.0}
    for number in nx.dfs_preorder_nodes(tree.graph, 0):
        children = list(tree.graph.successors(number))
        top = tops[number] + (extent[number] - sum(extent[child] for child in children)) / 2
        for child in children:
            tops[child], top = top, top + extent[child]
    return {
        number: Box(
            lefts[depth[number]], tops[number] + extent[number] / 2, widths[depth[number]], heights[number], text
        )
        for number, text in texts.items()
    }


def _outline(tree: KnowledgeTree, drawn: set[int], width: Callable[[str], float]) -> dict[int, Box]:
    """Boxes in one row per node, depth first, each level indented."""
    import networkx as nx

    boxes: dict[int, Box] = {}
    depth = nx.single_source_shortest_path_length(tree.graph, 0)
    top = 0.0
    for number in nx.dfs_preorder_nodes(tree.graph, 0):
        if number in drawn:
            text = label(tree, number, _OUTLINE_WRAP)
            height = _height(text) - 0.05
            boxes[number] = Box(_INDENT * depth[number], top + height / 2, width(text) + _EDGES, height, text)
            top += height + 0.055
    return boxes


def _first_rows(graph: nx.DiGraph[int]) -> set[int]:
    """The nodes that an outline draws: root, latest items, first triplets.

    The rank of a triplet is its parent's rank plus its position among its siblings times its depth: the first child of
    every parent comes before the second child of any, and a near triplet before a far one.
    """
    items = sorted(graph.successors(0))[-MOST_ROWS // 2 :]
    order: list[tuple[int, int, int]] = []  # (rank, depth, number)
    level = [(0, item) for item in items]
    depth = 0
    while level:
        depth += 1
        families = [(rank, list(graph.successors(number))) for rank, number in level]
        level = [(rank + depth * turn, child) for rank, family in families for turn, child in enumerate(family)]
        order += [(rank, depth, child) for rank, child in level]
    room = MOST_ROWS - len(items)
    return {0, *items, *(number for _, _, number in sorted(order)[:room])}


def _height(text: str) -> float:
    return LINE * (text.count("\n") + 1) + 0.1
