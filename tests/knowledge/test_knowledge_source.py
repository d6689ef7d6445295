"""Selection, numbering and rendering of a catalogue's prompts, by epoch and by worker processes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.worlds import Size, synthetic
from kptoolkit.config import PromptsConfig, TreeConfig, load_config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.errors import TemplateError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.prompt_jobs import render_sentences
from kptoolkit.knowledge.sentences import Sentences
from kptoolkit.models import backend_class, options_class
from kptoolkit.models.t5.tokenizers import ModelTokenizer, PhraseTokenizer, SubwordTokenizer
from kptoolkit.prompts import TemplatePack
from kptoolkit.testing.small_worlds import chain_task


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
    assert len(knowledge.pool) == 6, "asked twice, stored once"
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


def without_names(knowledge: KnowledgeSource) -> KnowledgeSource:
    """The first two books have no name in the graph; of these, the first has no title either."""
    around = knowledge.neighbourhoods
    names = np.where(np.isin(around.ids, ["b0", "b1"]), "", around.names)
    titles = np.where(np.arange(7) == 0, "", knowledge.catalogue.titles)
    catalogue = replace(knowledge.catalogue, titles=titles)
    return replace(knowledge, neighbourhoods=replace(around, names=names), catalogue=catalogue)


def test_an_entity_without_a_name_is_called_like_its_item() -> None:
    knowledge = without_names(source())
    assert knowledge.catalogue.names[:2].tolist() == ["i0", "Book 1"]
    assert wordings(knowledge)[:3] == ["A: i0 by Author 0", "A: Book 1 by Author 1", "A: Book 2 by Author 2"]


def test_an_entity_of_two_items_keeps_its_id() -> None:
    knowledge = without_names(source())
    entities = np.where(np.arange(7) == 6, "b0", knowledge.catalogue.entity_ids)
    two = replace(knowledge, catalogue=replace(knowledge.catalogue, entity_ids=entities))
    assert wordings(two)[0] == "A: b0 by Author 0"


def test_other_names_of_items_are_not_served_from_the_cache(tmp_path: Path) -> None:
    first = without_names(replace(source(), cache=tmp_path))
    assert wordings(first)[0] == "A: i0 by Author 0"
    titles = np.where(np.arange(7) == 0, "Renamed", first.catalogue.titles)
    renamed = replace(first, catalogue=replace(first.catalogue, titles=titles))
    assert wordings(renamed)[0] == "A: Renamed by Author 0"


@pytest.mark.slow
def test_worker_processes_render_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kptoolkit.knowledge.engines.worker_pool.MIN_PROMPTS", 2)
    alone, together = (without_names(source(variants="epoch", workers=count)) for count in (1, 2))
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
    tokenizer: ModelTokenizer
    if kind == "phrase":
        tokenizer = PhraseTokenizer.build(alone.pool, [], items)
    else:
        tokenizer = SubwordTokenizer.train(sentences, 300)
    for name, value in {
        "engines.worker_pool.MIN_PROMPTS": 2,
        "prompt_jobs.MIN_SECONDS": 0,
        "prompt_jobs._PART_SIZE": 2,
    }.items():
        monkeypatch.setattr(f"kptoolkit.knowledge.{name}", value)
    one, other = alone.tokens(tokenizer), together.tokens(tokenizer)
    for name, array in one.arrays.items():
        assert array.dtype == other.arrays[name].dtype
        assert array.tobytes() == other.arrays[name].tobytes()
    assert len(one) == 6


def test_workers_need_filters_that_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kptoolkit.knowledge.engines.worker_pool.MIN_PROMPTS", 2)
    knowledge = source(workers=2)
    knowledge.pack = knowledge.pack.with_filter(lambda name: name, name="same")
    knowledge.trees(0)
    with pytest.raises(TemplateError, match="the filter cannot be imported"):
        knowledge.render()


def most_objects_of(work: Callable[[], object]) -> int:
    """Return the most memory blocks, one or two per object, that ``work`` and its result add at any time."""
    before, peak, done = sys.getallocatedblocks(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, sys.getallocatedblocks() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = work()
    at_the_end = sys.getallocatedblocks() - before
    done.set()
    watcher.join()
    del result
    return max(peak, at_the_end)


def test_no_triplet_is_a_python_object_at_any_time() -> None:
    """With 3 hops and 8 triples per node, only the distinct prompts are rendered."""
    world = synthetic(Size(items=1500, users=16, history=5, triples=8), seed=1)
    world = replace(world, neighbourhoods=replace(world.neighbourhoods, hops=3))
    source = world.knowledge(load_config(overrides={"tree.hops": 3, "tree.degree": 8}, environ={}))
    objects = most_objects_of(source.trees)
    triplets = len(source.trees().prompt)
    assert triplets > 25 * len(source.pool)
    assert objects < triplets / 3
    assert most_objects_of(lambda: (source.trees().prompt + 1000).tolist()) > triplets / 2, "a list would be noticed"


def test_trees_render_nothing_and_sentences_are_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []

    def counted(renderer: Any, keys: Any, workers: Any) -> Sentences:
        rendered.append(len(keys))
        return render_sentences(renderer, keys, workers)

    monkeypatch.setattr("kptoolkit.knowledge.knowledge_source.render_sentences", counted)
    knowledge = source(variants="epoch")
    first = (knowledge.trees(0), len(knowledge.pool))[1]
    knowledge.trees(1)
    assert rendered == []
    more = len(knowledge.pool) - first
    assert more > 0
    pool = knowledge.pool
    assert list(pool.sentences) == [prompt.text for prompt in pool]
    assert rendered == [first, more], "the first epoch's prompts are rendered apart, because they can be cached"
    knowledge.trees(2)
    grown = len(knowledge.pool)
    assert list(knowledge.render())[: first + more] == list(pool.sentences)
    assert rendered == [first, more, grown - first - more]
    assert list(knowledge.sentences(pool.keys)) == list(pool.sentences), "also without the pool"


@pytest.mark.train
def test_the_default_backend_is_trained_and_saved_without_rendering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("rendered although nothing reads it")

    monkeypatch.setattr("kptoolkit.prompts.TemplatePack.render", never)
    task = chain_task(tmp_path / "task", {"training.epochs": 1, "prompts.cache": tmp_path / "cache"})
    kind = backend_class(task.config.model.backend)
    backend = kind(options_class(kind)())
    backend.fit(task)
    (tmp_path / "backend").mkdir()
    backend.save(tmp_path / "backend")
    assert len(task.knowledge.pool) > 0
