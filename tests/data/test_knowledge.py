"""Item trees and their controls, wording by epoch, and compiled knowledge on disk."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.worlds import Size, synthetic
from kptoolkit.config import PromptsConfig, TreeConfig, load_config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.errors import DataError, TemplateError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.compiled import CompiledKnowledge, ItemTrees, KnowledgeSource, TokenPool, encode_prompts
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer
from kptoolkit.prompts import TemplatePack
from kptoolkit.tree.tokens import WordTokenizer


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
    assert sorted(before.values()) == sorted(after.values()), "every tree is kept whole and given once"
    if len(having) > 1:
        assert not any(before[item] == after[item] for item in having)
    for item in set(range(len(sizes))) - set(having):
        assert rows(shuffled, item) == []
    assert shuffled.n_items == len(sizes)


def test_shuffled_is_fixed_by_its_seed() -> None:
    trees = trees_of([1] * 20)
    assert np.array_equal(trees.shuffled(5).prompt, trees.shuffled(5).prompt)
    assert not np.array_equal(trees.shuffled(5).prompt, trees.shuffled(6).prompt)


@given(SIZES)
def test_without_knowledge_keeps_the_catalogue_alone(sizes: list[int]) -> None:
    bare = trees_of(sizes).without_knowledge()
    assert bare.n_items == len(sizes)
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


def source(**prompts: Any) -> KnowledgeSource:
    """Six books by six authors under one relation of three wordings; the last book is not linked."""
    nodes = {f"b{n}": (f"Book {n}", 1) for n in range(6)} | {f"a{n}": (f"Author {n}", 1) for n in range(6)}
    facts = [(f"b{n}", "wrote", f"a{n}", True) for n in range(6)]
    roots = [f"b{n}" for n in range(6)] + [""]
    ids = np.array([f"i{n}" for n in range(7)], dtype=object)
    entities = np.array([f"b{n}" for n in range(6)] + [None], dtype=object)
    pack = TemplatePack.load("generic").with_relation(
        "wrote",
        forward=[f"{wording}: {{{{ head }}}} by {{{{ tail }}}}" for wording in "ABC"],
        inverse="{{ tail }} has {{ head }}",
    )
    return KnowledgeSource(
        Neighbourhoods.of_rows(roots, nodes, facts, hops=1),
        Catalogue(ids, np.array([f"Book {n}" for n in range(7)], dtype=object), entities),
        pack,
        TreeConfig(hops=1),
        PromptsConfig(**prompts),
        1000,
    )


def wordings(knowledge: KnowledgeSource, epoch: int = 0) -> list[str]:
    return [knowledge.pool[number].text for number in knowledge.trees(epoch).prompt]


def test_the_first_wording_and_an_item_without_knowledge() -> None:
    knowledge = source()
    assert wordings(knowledge) == [f"A: Book {n} by Author {n}" for n in range(6)]
    assert np.diff(knowledge.trees(0).indptr).tolist() == [1] * 6 + [0]
    assert not knowledge.varies
    assert len(knowledge.pool) == 6, "asked twice, worded once"
    assert (knowledge.pool[2].head, knowledge.pool[2].relation, knowledge.pool[2].tail) == ("b2", "wrote", "a2")


def test_wordings_by_triple_do_not_vary() -> None:
    knowledge = source(variants="hash")
    first = wordings(knowledge)
    assert not knowledge.varies
    assert wordings(knowledge, epoch=7) == first == wordings(source(variants="hash"))
    assert len({text[0] for text in first}) > 1, "not all triples have the same wording"


def test_wordings_by_epoch_append_to_the_pool() -> None:
    knowledge = source(variants="epoch")
    assert knowledge.varies
    epochs = [wordings(knowledge, epoch) for epoch in range(3)]
    assert len({tuple(texts) for texts in epochs}) == 3
    assert {text[0] for texts in epochs for text in texts} == set("ABC")
    grown = len(knowledge.pool)
    assert grown == 18
    assert wordings(knowledge, 0) == epochs[0], "numbers of earlier epochs stay what they were"
    assert len(knowledge.pool) == grown


def test_names_are_capped() -> None:
    knowledge = source(name_tokens=1)
    assert wordings(knowledge)[0] == "A: Book… by Author…"


@pytest.mark.slow
def test_worker_processes_word_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kptoolkit.knowledge.engines.worker_pool.WORTH_WORKERS", 2)
    alone, together = source(variants="epoch"), source(variants="epoch", workers=2)
    for epoch in range(2):
        assert alone.trees(epoch).prompt.tolist() == together.trees(epoch).prompt.tolist()
    assert list(alone.pool) == list(together.pool)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["phrase", "subword"])
def test_worker_processes_give_the_same_tokens(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    alone, together = source(variants="hash"), source(variants="hash")
    alone.trees(0)
    together.trees(0)
    together.prompts = PromptsConfig(variants="hash", workers=2)
    items = alone.catalogue.item_of_entity()
    sentences = [*alone.pool.sentences, "Bücher von Ålesund"]
    tokenizer = PhraseTokenizer.build(alone.pool, [], items) if kind == "phrase" else None
    tokenizer = tokenizer or SubwordTokenizer.train(sentences, 300)
    for name, value in {"WORTH_WORKERS": 2, "WORTH_SECONDS": 0, "_AT_ONCE": 2}.items():
        monkeypatch.setattr(f"kptoolkit.knowledge.engines.worker_pool.{name}", value)
    one, other = alone.tokens(tokenizer), together.tokens(tokenizer)
    for name, array in one.arrays.items():
        assert array.dtype == other.arrays[name].dtype
        assert array.tobytes() == other.arrays[name].tobytes()
    assert len(one) == 6


def test_workers_need_filters_that_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kptoolkit.knowledge.engines.worker_pool.WORTH_WORKERS", 2)
    knowledge = source(workers=2)
    knowledge.pack = knowledge.pack.with_filter(lambda name: name, name="same")
    with pytest.raises(TemplateError, match="cannot be imported again"):
        knowledge.trees(0)


def compiled() -> CompiledKnowledge:
    knowledge = source()
    trees = knowledge.trees(0)
    return CompiledKnowledge(trees, encode_prompts(knowledge.pool, WordTokenizer()), knowledge.pool.sentences)


def test_compiled_knowledge_comes_back(tmp_path: Path) -> None:
    written = compiled()
    written.save(tmp_path / "knowledge")
    found = CompiledKnowledge.load(tmp_path / "knowledge")
    for name in ("indptr", "prompt", "parent", "hop", "dfs"):
        assert np.array_equal(getattr(found.trees, name), getattr(written.trees, name))
        assert getattr(found.trees, name).dtype == getattr(written.trees, name).dtype
    for name in ("ids", "starts", "indptr"):
        assert np.array_equal(getattr(found.pool, name), getattr(written.pool, name))
    assert list(found.texts) == list(written.texts)
    assert isinstance(found.trees.prompt, np.memmap)
    assert [path.name for path in tmp_path.iterdir()] == ["knowledge"]


@pytest.mark.parametrize("name", ["tree_prompt.npy", "pool_ids.npy", "index.json"])
@pytest.mark.parametrize("gone", [False, True])
def test_damaged_compiled_knowledge_is_named(tmp_path: Path, name: str, gone: bool) -> None:
    compiled().save(tmp_path / "knowledge")
    path = tmp_path / "knowledge" / name
    if gone:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DataError, match=rf"{name}: is missing or damaged"):
        CompiledKnowledge.load(tmp_path / "knowledge")


def test_a_pool_joins_behind_itself() -> None:
    def pool(*texts: list[int]) -> TokenPool:
        return TokenPool.of([(np.array(t, dtype=np.int32), np.array([True] * len(t), dtype=bool)) for t in texts])

    joined = pool([1, 2], []).joined(pool([3]))
    assert len(joined) == 3
    assert joined.lengths.tolist() == [2, 0, 1]
    assert joined.ids.tolist() == [1, 2, 3]
    assert len(pool()) == 0


def most_objects_of(work: Callable[[], object]) -> int:
    """Python's memory blocks, one or two an object, that ``work`` held at once at most, beyond those before it."""
    before, peak, done = sys.getallocatedblocks(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, sys.getallocatedblocks() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return peak


def test_no_triplet_is_a_python_object_at_any_time() -> None:
    """Of 3 hops and 8 triples a node, only the distinct prompts are: their words have to be."""
    world = synthetic(Size(items=1500, users=16, history=5, triples=8), seed=1)
    world = replace(world, neighbourhoods=replace(world.neighbourhoods, hops=3))
    source = world.knowledge(load_config(overrides={"tree.hops": 3, "tree.degree": 8}, environ={}))
    objects = most_objects_of(source.trees)
    triplets = len(source.trees().prompt)
    assert triplets > 25 * len(source.pool)
    assert objects < triplets / 3
    assert most_objects_of(lambda: (source.trees().prompt + 1000).tolist()) > triplets / 2, "a list would be noticed"
