"""The colours of a drawn knowledge tree: one per item and its triplets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kptoolkit.tree.knowledge_tree import KnowledgeTree

ROOT_COLOUR = "#5b6470"
COLOURS = ("#2f6db3", "#c8641b", "#2b8a57", "#a63d78", "#7a5ac2", "#9a7b12", "#1f8a99", "#b5483f")


def colour_numbers(tree: KnowledgeTree) -> list[int]:
    """Return the index in :data:`COLOURS` of each node, by node number; -1 for the root."""
    return [-1 if node.item is None else (node.item - 1) % len(COLOURS) for node in tree.linear.nodes]


def colours(tree: KnowledgeTree) -> list[str]:
    """Return the colour of each node, by node number; grey for the root."""
    return [ROOT_COLOUR if number < 0 else COLOURS[number] for number in colour_numbers(tree)]
