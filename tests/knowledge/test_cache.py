"""Trees, sentences and tokens on disk: reused silently, made again if anything differs, rebuilt if damaged."""

from __future__ import annotations

import json
import os
import shutil
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_knowledge_source import source

from kptoolkit.config import PromptsConfig, TreeConfig
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.knowledge.token_pool import TokenPool
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer
from kptoolkit.progress import ProgressEvent
from kptoolkit.storage.arrays import written
from kptoolkit.tree.tokens import Tokenizer, WordTokenizer


def caching(folder: Path, **prompts: Any) -> KnowledgeSource:
    knowledge = source(**prompts)
    knowledge.cache = folder
    return knowledge


def phrases(knowledge: KnowledgeSource) -> PhraseTokenizer:
    return PhraseTokenizer.build(knowledge.pool, [], knowledge.catalogue.item_of_entity())


def subwords(knowledge: KnowledgeSource) -> SubwordTokenizer:
    return SubwordTokenizer.train(list(knowledge.pool.sentences), 200)


def same(one: ItemTrees | TokenPool, other: ItemTrees | TokenPool) -> bool:
    pairs = zip(one.arrays.values(), other.arrays.values(), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def folders(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def kinds(cache: Path) -> list[str]:
    return [folder.name.split("-")[0] for folder in folders(cache)]


def contents(cache: Path) -> dict[str, bytes]:
    return {str(path.relative_to(cache)): path.read_bytes() for path in cache.rglob("*") if path.is_file()}


@pytest.mark.parametrize("variants", ["first", "hash", "epoch"])
@pytest.mark.parametrize("build", [phrases, subwords])
def test_cached_arrays_equal_computed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variants: str, build: Callable[[KnowledgeSource], Tokenizer]
) -> None:
    made = source(variants=variants)
    trees = made.trees(0)
    tokenizer = build(made)
    tokens = made.tokens(tokenizer)
    first = caching(tmp_path, variants=variants)
    assert same(first.trees(0), trees)
    assert same(first.tokens(tokenizer), tokens)
    before = contents(tmp_path)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("computed although it is cached")

    for name in ("render_sentences", "select", "tokenize_prompts"):
        monkeypatch.setattr(f"kptoolkit.knowledge.knowledge_source.{name}", never)
    again = caching(tmp_path, variants=variants)
    assert same(again.trees(0), trees)
    assert list(again.pool) == list(made.pool)
    assert list(again.pool.sentences) == [prompt.text for prompt in made.pool]
    assert same(again.tokens(build(again)), tokens)
    assert again.nameless == made.nameless
    assert all(isinstance(array, np.memmap) for array in (again.trees(0).prompt, again.tokens(tokenizer).ids))
    assert contents(tmp_path) == before


def test_later_epochs_continue_from_the_cache(tmp_path: Path) -> None:
    alone, cached = source(variants="epoch"), caching(tmp_path, variants="epoch")
    caching(tmp_path, variants="epoch").trees(0)
    for epoch in (0, 1, 2, 0):
        assert same(alone.trees(epoch), cached.trees(epoch))
    assert list(alone.pool) == list(cached.pool)
    assert same(cached.tokens(phrases(alone)), alone.tokens(phrases(alone)))
    assert same(cached.tokens(phrases(alone), 6), alone.tokens(phrases(alone), 6))
    assert kinds(tmp_path) == ["sentences", "trees"], "only prompts of the first epoch are cached"


def other_pack(knowledge: KnowledgeSource) -> None:
    knowledge.pack = knowledge.pack.with_relation("wrote", forward="{{ tail }} wrote {{ head }}")


def filtered(knowledge: KnowledgeSource) -> None:
    knowledge.pack = knowledge.pack.with_filter(string.capwords, "words")


def other_setting(**changes: Any) -> Callable[[KnowledgeSource], None]:
    def change(knowledge: KnowledgeSource) -> None:
        tree = {key: value for key, value in changes.items() if key in TreeConfig.model_fields}
        prompts = {key: value for key, value in changes.items() if key in PromptsConfig.model_fields}
        knowledge.tree = knowledge.tree.model_copy(update=tree)
        knowledge.prompts = knowledge.prompts.model_copy(update=prompts)
        knowledge.max_degree = changes.get("max_degree", knowledge.max_degree)

    return change


def renamed(knowledge: KnowledgeSource) -> None:
    names = knowledge.neighbourhoods.names.copy()
    names[0] = "Author Nought"
    knowledge.neighbourhoods = replace(knowledge.neighbourhoods, names=names)


def other_roots(knowledge: KnowledgeSource) -> None:
    roots = knowledge.neighbourhoods.roots[::-1].copy()
    knowledge.neighbourhoods = replace(knowledge.neighbourhoods, roots=roots)


@pytest.mark.parametrize(
    "change",
    [
        other_pack,
        filtered,
        renamed,
        other_roots,
        other_setting(degree=1),
        other_setting(seed=1),
        other_setting(ranking="inverse-degree"),
        other_setting(variants="hash"),
        other_setting(name_tokens=1),
        other_setting(keep_nameless=True),
        other_setting(max_degree=1),
    ],
)
def test_anything_that_decides_the_prompts_is_in_their_name(
    tmp_path: Path, change: Callable[[KnowledgeSource], None]
) -> None:
    caching(tmp_path).trees(0)
    changed = caching(tmp_path)
    change(changed)
    alone = source()
    change(alone)
    assert same(changed.trees(0), alone.trees(0))
    assert list(changed.pool) == list(alone.pool)
    assert kinds(tmp_path) == ["sentences", "trees", "trees"]


@pytest.mark.parametrize("change", [other_setting(workers=7), other_setting(cache=Path("elsewhere"))])
def test_what_does_not_decide_the_prompts_is_not(tmp_path: Path, change: Callable[[KnowledgeSource], None]) -> None:
    caching(tmp_path).trees(0)
    changed = caching(tmp_path)
    change(changed)
    changed.trees(0)
    assert kinds(tmp_path) == ["trees"]


def test_another_tokenizer_has_tokens_of_its_own(tmp_path: Path) -> None:
    knowledge = caching(tmp_path)
    knowledge.trees(0)
    for tokenizer in (phrases(knowledge), subwords(knowledge), PhraseTokenizer.build(knowledge.pool, ["more"], {})):
        for _ in range(2):
            assert same(knowledge.tokens(tokenizer), source_tokens(tokenizer))
    assert kinds(tmp_path) == ["sentences", *["tokens"] * 3, "trees"]


def source_tokens(tokenizer: Tokenizer) -> TokenPool:
    knowledge = source()
    knowledge.trees(0)
    return knowledge.tokens(tokenizer)


def test_tokens_of_a_growing_vocabulary_are_not_cached(tmp_path: Path) -> None:
    knowledge = caching(tmp_path)
    knowledge.trees(0)
    assert same(knowledge.tokens(WordTokenizer()), source_tokens(WordTokenizer()))
    assert kinds(tmp_path) == ["sentences", "trees"]


def test_nothing_is_cached_with_a_filter_that_cannot_be_imported(tmp_path: Path) -> None:
    knowledge = caching(tmp_path)
    knowledge.pack = knowledge.pack.with_filter(lambda name: name, "same")
    knowledge.tokens(phrases(knowledge))
    knowledge.trees(0)
    assert not folders(tmp_path)


@pytest.mark.parametrize("part", ["trees", "sentences", "tokens"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "no JSON", "other words", "other name", "a file"])
def test_a_damaged_folder_is_rebuilt_with_one_line(tmp_path: Path, part: str, damage: str) -> None:
    alone = source()
    trees, tokenizer = alone.trees(0), phrases(alone)
    tokens = alone.tokens(tokenizer)
    first = caching(tmp_path / "cache")
    first.trees(0)
    first.tokens(tokenizer)
    before = contents(tmp_path / "cache")
    spoil(next(folder for folder in folders(tmp_path / "cache") if folder.name.startswith(part)), damage)
    said: list[ProgressEvent] = []
    again = caching(tmp_path / "cache")
    again.progress = said.append
    assert same(again.trees(0), trees)
    assert same(again.tokens(tokenizer), tokens)
    assert list(again.pool) == list(alone.pool)
    stages = [event.stage for event in said if "from the cache" not in event.stage]
    assert [stage.split("/")[-1].split("-")[0] for stage in stages] == [part]
    assert contents(tmp_path / "cache") == before


def spoil(folder: Path, damage: str) -> None:
    arrays = {"trees": "row.npy", "sentences": "piece.npy", "tokens": "ids.npy"}
    array = folder / arrays[folder.name.split("-")[0]]
    index = folder / "index.json"
    text = index.read_text()
    if damage == "cut":
        array.write_bytes(array.read_bytes()[:-1])
    elif damage == "flipped":
        array.write_bytes(array.read_bytes()[:-1] + b"\x7f")
    elif damage == "gone":
        array.unlink()
    elif damage == "no JSON":
        index.write_text(text[:-1])
    elif damage == "other words":
        index.write_text(text.replace("Book 1", "Book 9").replace('"name": "t', '"name": "T'))
    elif damage == "other name":
        found = json.loads(text)
        found["extra"]["name"] = "tokens-of-others"
        del found["extra_sha256"]
        index.write_text(json.dumps(found))
    else:
        shutil.rmtree(folder)
        folder.write_text("not a folder")


def test_what_is_cached_is_reported_with_its_date_and_fresh_computes_it_again(tmp_path: Path) -> None:
    def stages(*, fresh: bool = False) -> list[str]:
        knowledge, said = caching(tmp_path), list[str]()
        knowledge.progress, knowledge.fresh = lambda event: said.append(f"{event.stage} {event.figures}"), fresh
        knowledge.trees(0)
        knowledge.tokens(phrases(knowledge))
        return said

    assert stages() == []
    before = contents(tmp_path)
    for folder in folders(tmp_path):
        os.utime(folder / "index.json", (0, 0))
    assert stages() == [f"{kind} from the cache of 1970-01-01 00:00 UTC" for kind in ("trees", "sentences", "tokens")]
    assert stages(fresh=True) == []
    assert contents(tmp_path) == before
    assert all(written(folder) > 0 for folder in folders(tmp_path))
