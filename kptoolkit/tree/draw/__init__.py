"""Draws a knowledge tree as PNG, HTML or DOT, or writes it as JSON; notebooks show the PNG."""

from __future__ import annotations

from kptoolkit.tree.knowledge_tree import KnowledgeTree


def _png(tree: KnowledgeTree) -> bytes:
    from kptoolkit.tree.draw.png_picture import to_png

    return to_png(tree)


KnowledgeTree.png_renderer = staticmethod(_png)
