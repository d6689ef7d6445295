"""Words of titles and prompts, compared with a plain computation."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.examples import examples

from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.sentences import Sentences
from kptoolkit.models.parts.fit_parts import knowledge_kinds
from kptoolkit.models.parts.graph_similarity import MAX_SHARING
from kptoolkit.models.parts.words import prompt_words, title_words, word_kind
from kptoolkit.prompts import Segment
from kptoolkit.resources import templates_dir
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.storage.values.letters import compared_words
from kptoolkit.testing.small_worlds import chain_task

TEXT = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(["War", "war", "PEACE", "&", "—", "straße", "STRASSE", "3", "x_1", "戦争", "O'Neil", "İ"])
    ).map(" ".join),
)


def columns_of(words: sp.csr_matrix) -> list[frozenset[int]]:
    """The items that have each word, sorted; the order of the words does not matter."""
    assert set(words.data.tolist()) <= {1.0}
    found = words.tocsc()
    items = [found.indices[found.indptr[word] : found.indptr[word + 1]] for word in range(words.shape[1])]
    assert all(len(set(each.tolist())) == len(each) for each in items)
    return sorted((frozenset(each.tolist()) for each in items if len(each)), key=sorted)


def plain_columns(words: Sequence[set[str]]) -> list[frozenset[int]]:
    items = defaultdict(set)
    for item, each in enumerate(words):
        for word in each:
            items[word].add(item)
    return sorted((frozenset(each) for each in items.values()), key=sorted)


@given(st.lists(TEXT, max_size=8))
def test_title_words_are_those_of_every_title(titles: list[str]) -> None:
    found = title_words(titles)
    assert found.shape[0] == len(titles)
    assert columns_of(found) == plain_columns([set(compared_words(title)) for title in titles])


@st.composite
def prompts_of_items(draw: st.DrawFn) -> tuple[list[list[str]], list[list[int]]]:
    """Sentences as pieces, and the numbers of the sentences of each item."""
    sentences = draw(st.lists(st.lists(TEXT, max_size=4), max_size=6))
    numbers = st.integers(0, len(sentences) - 1) if sentences else st.nothing()
    items = draw(st.lists(st.lists(numbers, max_size=5) if sentences else st.just([]), min_size=1, max_size=6))
    return sentences, items


def trees_of(items: Sequence[Sequence[int]]) -> ItemTrees:
    prompt = np.array([number for each in items for number in each], dtype=np.int32)
    zeros = np.zeros(len(prompt), dtype=np.int32)
    return ItemTrees(indptr_of([len(each) for each in items]), prompt, zeros - 1, (zeros + 1).astype(np.int8), zeros)


@settings(max_examples=examples(60))
@given(prompts_of_items())
def test_prompt_words_are_those_of_every_piece_of_every_prompt(world: tuple[list[list[str]], list[list[int]]]) -> None:
    """Names and the words around them, each once, however often an item or a sentence repeats them."""
    sentences, items = world
    stored = Sentences.of([[Segment(text, "text") for text in pieces] for pieces in sentences])
    found = prompt_words(trees_of(items), stored)
    assert found.shape[0] == len(items)
    words = [{word for number in each for text in sentences[number] for word in compared_words(text)} for each in items]
    assert columns_of(found) == plain_columns(words)


def test_words_of_farther_prompts_do_not_count() -> None:
    stored = Sentences.of([[Segment(text, "text")] for text in ("near words", "far sentence")])
    trees = trees_of([[0, 1], [1], [0]])
    hops = replace(trees, hop=np.array([1, 2, 2, 1], dtype=np.int8))
    found = prompt_words(hops, stored)
    assert found.getnnz(axis=1).tolist() == [2, 0, 2]
    assert (found[0] != found[2]).nnz == 0


def test_a_prompt_of_pieces_apart_has_the_words_of_its_sentence() -> None:
    pieces = [[Segment("Dune", "head"), Segment(" was written by ", "text"), Segment("Frank Herbert", "tail")]]
    stored = Sentences.of(pieces)
    assert prompt_words(trees_of([[0]]), stored).shape == (1, len(set(compared_words(stored[0]))))


# -- items that share words ---------------------------------------------------------------------------------------


@given(st.lists(st.sets(st.sampled_from("abcdefg")), min_size=2, max_size=8))
def test_items_are_similar_by_the_words_they_share(words: list[set[str]]) -> None:
    """By the definition, word by word; a word of all items, or of one, counts nothing."""
    n = len(words)
    kind = word_kind("words", title_words(" ".join(sorted(each)) for each in words))
    expected = np.zeros((n, n))
    for items in plain_columns(words):
        if len(items) > 1:
            for one in items:
                for other in items - {one}:
                    expected[one, other] += (np.log(n / len(items)) / np.log(n)) ** 2
    found = kind.raw.toarray()
    assert not found.diagonal().any()
    assert (found == found.T).all()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    values = kind.values(np.zeros(n, dtype=np.float32)).data
    assert kind.counted is None
    assert not len(values) or values.mean() == pytest.approx(1.0, rel=1e-5)


def test_a_word_of_very_many_items_makes_no_pair() -> None:
    titles = ["often rare" if number < 2 else "often" for number in range(MAX_SHARING + 1)] + ["last"] * 2
    kind = word_kind("words", title_words(titles))
    assert sorted(zip(*(ends.tolist() for ends in kind.raw.nonzero()), strict=True)) == [
        (0, 1),
        (1, 0),
        (MAX_SHARING + 1, MAX_SHARING + 2),
        (MAX_SHARING + 2, MAX_SHARING + 1),
    ]


@pytest.mark.parametrize("titles", [["", "…"], ["a", "b", "c"], ["same"] * 3, ["one"]])
def test_titles_that_tell_no_items_apart_make_no_pair(titles: list[str]) -> None:
    kind = word_kind("words", title_words(titles))
    assert kind.raw.nnz == 0
    assert kind.scale == 1.0


def kinds_with_pack(folder: Path, pack: Path | str) -> dict[str, np.ndarray]:
    """Values of the parts of titles and knowledge on the ring of books, whose titles share words."""
    task = chain_task(folder, {"prompts.pack": str(pack), "tree.degree": 3})
    titles = np.array([f"{title} of group {row % 3}" for row, title in enumerate(task.catalogue.titles)], dtype=object)
    catalogue = replace(task.catalogue, titles=titles)
    parts = knowledge_kinds(task.config.parts, catalogue, task.knowledge, task.knowledge.trees(0))
    return {name: np.stack([kind.raw.toarray() for kind in kinds]) for name, kinds in parts.items()}


def test_a_changed_template_changes_the_part_of_prompts_alone(tmp_path: Path) -> None:
    changed = Path(shutil.copytree(templates_dir() / "books", tmp_path / "changed"))
    relations = changed / "relations.yaml"
    text = relations.read_text(encoding="utf-8")
    assert text.count("was written by") == 1
    relations.write_text(text.replace("was written by", "is one of several books by"), encoding="utf-8")
    usual, same, other = (kinds_with_pack(tmp_path, pack) for pack in ("books", templates_dir() / "books", changed))
    assert set(usual) == {"graph similarity", "titles", "prompts"}
    for name, values in usual.items():
        assert values.any()
        np.testing.assert_array_equal(values, same[name])
        assert np.array_equal(values, other[name]) is (name != "prompts")


def test_books_of_one_author_share_words_of_prompts(tmp_path: Path) -> None:
    """Books 0 and 4 have author 0, book 3 has author 3; the last book is not linked."""
    values = kinds_with_pack(tmp_path, "books")["prompts"][0]
    assert values[0, 4] > values[0, 3] > 0
    assert not values[-1].any()
