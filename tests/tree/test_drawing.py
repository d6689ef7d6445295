from __future__ import annotations

import warnings
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from kptoolkit.prompts import MppTemplate, Segment
from kptoolkit.tree import HistoryItem, KnowledgeTree, Triplet, WordTokenizer
from kptoolkit.tree.drawing import MOST_LEAVES, _layout, _note, colours, draw

MPP = MppTemplate("plain", "After {{ history }} comes {{ mask }}.")
HOSTILE = ["$x_1$ \\frac{", "名前 🎬 שלום", "a" * 400, "\u202eright to left", "{{ x }} %s <b>", "$" * 3, "\ue000"]


def tree_of(names: list[str], below: int, max_tokens: int = 4000) -> KnowledgeTree:
    """One item a name, with ``below`` facts, each of which has ``below`` facts."""
    tokenizer = WordTokenizer()
    history = []
    for number, name in enumerate(names):
        parents = [-1] * below + [parent for parent in range(below) for _ in range(below)]
        facts = []
        for place, parent in enumerate(parents):
            text = f"Fact {place} about {name}."
            encoded = tokenizer.encode((Segment(text, "text"),))
            facts.append(Triplet(encoded, text, parent, 1 if parent < 0 else 2))
        title = tokenizer.encode((Segment(name, "text"),))
        history.append(HistoryItem(str(number), name, title, tuple(facts)))
    return KnowledgeTree.build(MPP, history, tokenizer=tokenizer, max_tokens=max_tokens)


@pytest.mark.parametrize(("names", "below"), [(["Emma"], 2), (HOSTILE, 2), (["One", "Two"], 6), (["Bare"], 0)])
def test_a_picture_is_written_whatever_the_names(names: list[str], below: int, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "tree.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(tree_of(names, below), path)
    height, width, _ = imread(path).shape
    assert 500 < height < 4000
    assert 900 < width < 4000
    assert list(path.parent.iterdir()) == [path]


def test_equal_trees_give_equal_pictures(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(tree_of(["Emma", "Persuasion"], 2), tmp_path / name)
    assert (imread(tmp_path / "a.png") == imread(tmp_path / "b.png")).all()


@given(st.lists(st.text(max_size=60), min_size=1, max_size=6), st.integers(0, 5))
def test_boxes_do_not_overlap_and_hang_together(names: list[str], below: int) -> None:
    tree = tree_of(["x" + name for name in names], below)
    boxes = _layout(tree)
    for one, other in combinations(boxes.values(), 2):
        apart = abs(one.y - other.y) >= (one.height + other.height) / 2
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or beside
    for number in boxes:
        assert all(parent in boxes for parent in tree.graph.predecessors(number))
    assert sum(node.kind == "triplet" for node in tree.linear.nodes if node.number in boxes) <= MOST_LEAVES


def test_what_is_not_drawn_is_counted() -> None:
    tree = tree_of(["One", "Two", "Three"], 5, max_tokens=300)
    hidden = len(tree.linear.nodes) - len(_layout(tree))
    assert hidden > 0
    assert _note(tree, hidden).startswith(f"{hidden} of {len(tree.linear.nodes)} nodes not drawn; budget of 300")
    assert f"left out {tree.left_out.triplets} triplets" in _note(tree, hidden)


def test_a_subtree_has_one_colour_and_the_root_its_own() -> None:
    tree = tree_of(["One", "Two"], 2)
    colour = colours(tree)
    for node in tree.linear.nodes[1:]:
        assert colour[node.number] == colour[node.item or 0]
    assert len({colour[0], colour[1], colour[2]}) == 3
