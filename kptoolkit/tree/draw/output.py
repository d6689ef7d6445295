"""Writes a knowledge tree to a PNG, SVG, HTML, DOT or JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kptoolkit.errors import InputError
from kptoolkit.storage.atomic import atomic_write

if TYPE_CHECKING:
    from kptoolkit.tree.knowledge_tree import KnowledgeTree

SUFFIXES = (".png", ".svg", ".html", ".dot", ".json")


def draw(tree: KnowledgeTree, path: str | Path) -> None:
    """Write a tree to a file; the suffix decides the format.

    ``.png`` and ``.svg``: the tree next to its visibility matrix. ``.html``: the same as a self-contained page that
    shows what a node sees. ``.dot``: the tree for Graphviz. ``.json``: nodes and tokens.

    Args:
        tree: The tree.
        path: File to write; written atomically; missing folders are created.

    Raises:
        InputError: The suffix is unknown.
    """
    target = Path(path)
    content = _content(tree, check_name(target))
    with atomic_write(target) as temporary:
        temporary.write_bytes(content)


def check_name(path: Path) -> str:
    """Return the suffix of a file name, lower case.

    Raises:
        InputError: The suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return suffix


def _content(tree: KnowledgeTree, suffix: str) -> bytes:
    if suffix == ".png":
        from kptoolkit.tree.draw.png_picture import to_png

        return to_png(tree)
    if suffix == ".svg":
        from kptoolkit.tree.draw.png_picture import to_svg

        return to_svg(tree).encode("utf-8", "backslashreplace")
    if suffix == ".html":
        from kptoolkit.tree.draw.html_page import to_html

        return to_html(tree).encode()
    if suffix == ".dot":
        from kptoolkit.tree.draw.dot import to_dot

        return to_dot(tree).encode()
    text = json.dumps(tree.to_json(), ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "backslashreplace")
