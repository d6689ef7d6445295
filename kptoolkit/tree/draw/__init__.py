"""Draws a knowledge tree as PNG, SVG, HTML or DOT, or writes it as JSON; notebooks show the PNG."""

from __future__ import annotations

from kptoolkit.tree.knowledge_tree import KnowledgeTree


def _png(tree: KnowledgeTree) -> bytes:
    from kptoolkit.tree.draw.png_picture import to_png

    return to_png(tree)


def _svg(tree: KnowledgeTree) -> str:
    from kptoolkit.tree.draw.png_picture import to_svg

    return to_svg(tree)


KnowledgeTree.png_renderer, KnowledgeTree.svg_renderer = staticmethod(_png), staticmethod(_svg)
