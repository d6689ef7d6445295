"""Renders a knowledge tree in the DOT language of Graphviz: ``dot -Tsvg tree.dot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kptoolkit.tree.draw.boxes import label, printable
from kptoolkit.tree.draw.colours import colours

if TYPE_CHECKING:
    from kptoolkit.tree.knowledge_tree import KnowledgeTree

_HEAD = (
    "digraph knowledge_tree {",
    '  graph [rankdir="LR", nodesep="0.12", ranksep="0.4"];',
    '  node [shape="box", style="rounded,filled", margin="0.12,0.06", height="0"];',
    '  node [fontname="Helvetica", fontsize="10"];',
    '  edge [arrowhead="none"];',
)


_LONGEST = 3000
"""Maximum length of a text: Graphviz reads quoted strings of at most 16,384 bytes, and ``&amp;`` has five."""


def to_dot(tree: KnowledgeTree) -> str:
    """Return the tree as a ``digraph``: a box per node with number and text, filled for the root and items.

    Labels are one line of plain text: quotes, backslashes and entities of Graphviz such as ``&lt;`` are escaped. The
    tooltip of a node is its whole text, ``comment`` its triple; both are shortened, with an ellipsis, to what Graphviz
    can read.
    """
    colour = colours(tree)
    lines = [*_HEAD]
    for node in tree.linear.nodes:
        strong = node.kind != "triplet"
        attributes: dict[str, str] = {
            "label": _breaks(label(tree, node.number)),
            "tooltip": _quoted(node.text),
            "color": _quoted(colour[node.number]),
            "fillcolor": _quoted(colour[node.number] if strong else f"{colour[node.number]}22"),
            "fontcolor": _quoted("white" if strong else "#1c1c1c"),
        }
        if node.triplet is not None:
            attributes["comment"] = _quoted(" | ".join((node.triplet.head, node.triplet.relation, node.triplet.tail)))
        lines.append(f"  n{node.number} [{', '.join(f'{key}={value}' for key, value in attributes.items())}];")
    lines += [f"  n{parent} -> n{child} [color={_quoted(colour[child])}];" for parent, child in tree.graph.edges]
    return "\n".join([*lines, "}", ""])


def _quoted(text: Any) -> str:
    line = printable(str(text))
    line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return f'"{_escaped(line)}"'


def _breaks(text: str) -> str:
    """A quoted label of left-aligned lines."""
    return '"' + "".join(f"{_escaped(line)}\\l" for line in text.splitlines()) + '"'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
