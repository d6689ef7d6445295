"""Item trees and their controls."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.knowledge.item_trees import ItemTrees


def trees_of(sizes: list[int]) -> ItemTrees:
    """Trees whose prompts are all different, so that every triplet says whose it was."""
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    total = int(indptr[-1])
    places = np.concatenate([np.arange(size) for size in sizes] + [np.zeros(0, int)])
    hop = np.where(places > 0, 2, 1).astype(np.int8)
    return ItemTrees(
        indptr, np.arange(total, dtype=np.int32), (places - 1).astype(np.int32), hop, places.astype(np.int32)
    )


def rows(trees: ItemTrees, item: int) -> list[tuple[int, ...]]:
    part = slice(trees.indptr[item], trees.indptr[item + 1])
    return list(zip(*(getattr(trees, name)[part].tolist() for name in ("prompt", "parent", "hop", "dfs")), strict=True))


SIZES = st.lists(st.integers(0, 4), min_size=1, max_size=30)


@given(SIZES, st.integers(0, 2**32 - 1))
def test_shuffled_is_a_derangement_of_the_items_that_have_triplets(sizes: list[int], seed: int) -> None:
    trees = trees_of(sizes)
    shuffled = trees.shuffled(seed)
    having = [item for item, size in enumerate(sizes) if size]
    before = {item: rows(trees, item) for item in having}
    after = {item: rows(shuffled, item) for item in having}
    assert sorted(before.values()) == sorted(after.values()), "every tree stays complete and is given once"
    if len(having) > 1:
        assert not any(before[item] == after[item] for item in having)
    for item in set(range(len(sizes))) - set(having):
        assert rows(shuffled, item) == []
    assert len(shuffled) == len(sizes)


def test_shuffled_is_fixed_by_its_seed() -> None:
    trees = trees_of([1] * 20)
    assert np.array_equal(trees.shuffled(5).prompt, trees.shuffled(5).prompt)
    assert not np.array_equal(trees.shuffled(5).prompt, trees.shuffled(6).prompt)


@given(SIZES)
def test_without_knowledge_keeps_the_catalogue_alone(sizes: list[int]) -> None:
    bare = trees_of(sizes).without_knowledge()
    assert len(bare) == len(sizes)
    assert bare.indptr.tolist() == [0] * (len(sizes) + 1)
    assert len(bare.prompt) == len(bare.parent) == len(bare.hop) == len(bare.dfs) == 0
    assert bare.prompt.dtype == np.int32


@given(SIZES, st.data())
def test_permuted_gives_each_item_the_trees_asked_for(sizes: list[int], data: Any) -> None:
    trees = trees_of(sizes)
    order = data.draw(st.lists(st.integers(-1, len(sizes) - 1), min_size=len(sizes), max_size=len(sizes)))
    permuted = trees.permuted(np.array(order, dtype=np.int64))
    for item, source in enumerate(order):
        assert rows(permuted, item) == ([] if source < 0 else rows(trees, source))


def enlarged(sizes: list[int]) -> tuple[ItemTrees, np.ndarray]:
    """Trees of which there are 40 of each, and a size of one of three words for every prompt, by its place."""
    trees = trees_of(sizes * 40)
    return trees, 1 + trees.parent % 3


@given(SIZES, st.integers(0, 2**32 - 1))
def test_random_prompts_have_the_same_number_and_sizes(sizes: list[int], seed: int) -> None:
    trees, words = enlarged(sizes)
    other = trees.with_random_prompts(words, seed)
    for column in ("indptr", "parent", "hop", "dfs"):
        assert np.array_equal(getattr(other, column), getattr(trees, column))
    assert np.array_equal(words[other.prompt], words[trees.prompt])
    for hop in (1, 2):
        assert sorted(other.prompt[trees.hop == hop]) == sorted(trees.prompt[trees.hop == hop]), "each as often"
    assert not (other.prompt == trees.prompt).any()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_rare_sizes_are_exchanged_with_the_next_ones(items: list[tuple[int, int]], seed: int) -> None:
    """No prompt stays in its place unless it is the only one of its hop."""
    trees = trees_of([size for size, _ in items])
    words = np.array([length for size, length in items for _ in range(size)], dtype=np.int64)
    other = trees.with_random_prompts(words, seed)
    for hop in (1, 2):
        here = trees.hop == hop
        assert sorted(other.prompt[here]) == sorted(trees.prompt[here])
        if here.sum() > 1:
            assert not (other.prompt == trees.prompt)[here].any()


def test_random_prompts_are_fixed_by_their_seed_and_say_nothing_of_the_item() -> None:
    trees, words = enlarged([3] * 10)
    first, again, other = (trees.with_random_prompts(words, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.prompt, again.prompt)
    assert not np.array_equal(first.prompt, other.prompt)
    own = trees.rows[first.prompt] == trees.rows  # trees_of numbers prompts by place
    assert own.mean() < 0.02
    together = [len(set(trees.rows[first.prompt[first.span(item)]])) for item in range(len(first))]
    assert np.mean(together) > 2.8, "the prompts of an item come from different items"
