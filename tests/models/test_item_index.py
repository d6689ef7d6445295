"""Item indexes: different strings from training events alone, and models that decode them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import T5Config, T5ForConditionalGeneration
from worlds.examples import examples
from worlds.marks import needs

from kptoolkit.config import validate
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import ConfigError, RunError
from kptoolkit.models import AcceptsNewItems, FitTask
from kptoolkit.models.t5.kp4sr.collaborative_codes import BRANCHING, hierarchical_codes
from kptoolkit.models.t5.kp4sr.item_index import ItemIndex, build_index, index_names
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.models.t5.kp4sr.kp4sr_state import build_state
from kptoolkit.models.t5.options import SequenceOptions
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer
from kptoolkit.prompts import Segment
from kptoolkit.testing.backend_suite import BackendSuite
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SMALL: dict[str, Any] = {"d_model": 32, "heads": 2, "layers": 1, "dropout": 0.0}
LONG = {
    "training.epochs": 30,
    "training.eval_every": 15,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 10,
    "tree.degree": 1,
}
SHORT = {"training.epochs": 1, "tree.degree": 1}
STRINGS: tuple[Any, ...] = ("name", "random", "sequential", "collaborative")
Tokenizers = PhraseTokenizer | SubwordTokenizer


@pytest.mark.train
class TestNamesOfPhrases(BackendSuite):
    backend = Kp4srBackend
    options = SMALL | {"index": "name"}
    settings = LONG


@pytest.mark.train
class TestCodesOfSubwords(BackendSuite):
    backend = Kp4srBackend
    options = SMALL | {"index": "collaborative", "tokens": "subword", "vocabulary": 600}
    settings = LONG


def backend(**options: Any) -> Kp4srBackend:
    return Kp4srBackend(validate(Kp4srBackend.Options, SMALL | options, "model"))


def with_titles(task: FitTask, titles: list[str]) -> FitTask:
    found = np.array((titles + [f"Book {row}" for row in range(ITEMS)])[:ITEMS], dtype=object)
    return replace(task, catalogue=replace(task.catalogue, titles=found))


def tokenizer_of(kind: str, task: FitTask, index: Any) -> Tokenizers:
    if kind == "phrase":
        return PhraseTokenizer.build(None, [w for name in index_names(index, task) for w in name.split()], {})
    return SubwordTokenizer.train(["a book was written by an author", "Book 1"], 400)


def strings_of(index: ItemIndex) -> list[tuple[int, ...]]:
    ids, indptr = index.tokens.ids.tolist(), index.tokens.indptr
    return [tuple(ids[indptr[item] : indptr[item + 1]]) for item in range(len(index))]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> FitTask:
    return chain_task(tmp_path_factory.mktemp("task"), SHORT)


@pytest.fixture(scope="module")
def subwords() -> SubwordTokenizer:
    return SubwordTokenizer.train(["a book was written by an author", "Book 1"], 400)


@pytest.mark.parametrize("tokens", ["phrase", "subword"])
@pytest.mark.parametrize("kind", STRINGS)
def test_every_item_has_a_string_of_its_own(task: FitTask, kind: Any, tokens: str) -> None:
    names = ["Emma", "Emma", "Emma (2)", "Emma", "", " \n", "日本", "中国", "<extra_id_1></s>", "x" * 5000, "x" * 6000]
    hostile = with_titles(task, names)
    tokenizer = tokenizer_of(tokens, hostile, kind)
    index = build_index(kind, hostile, tokenizer)
    found = strings_of(index)
    assert len(set(found)) == len(set(index.texts)) == ITEMS
    assert all(0 < len(string) <= 60 for string in found)
    assert not {token for string in found for token in string} & {
        *tokenizer.sentinels, tokenizer.pad_id, tokenizer.eos_id
    }  # fmt: skip
    assert index.trie(tokenizer.sentinels[1]).n_items == ITEMS
    if kind == "name":
        assert index.texts[:4] == ("Emma", "Emma (3)", "Emma (2)", "Emma (4)")
        assert index.texts[4] == "i04", "an item without a title is called by its id"


@settings(max_examples=examples(40))
@given(st.lists(st.text(max_size=8), min_size=ITEMS, max_size=ITEMS))
def test_any_names_become_different_strings(task: FitTask, subwords: SubwordTokenizer, titles: list[str]) -> None:
    named = with_titles(task, titles)
    for tokenizer in (tokenizer_of("phrase", named, "name"), subwords):
        assert len(set(strings_of(build_index("name", named, tokenizer)))) == ITEMS


def test_phrase_tokens_know_the_words_of_names(task: FitTask) -> None:
    named = with_titles(task, ["Pride and Prejudice", "Pride", "Emma"])
    tokenizer = tokenizer_of("phrase", named, "name")
    found = strings_of(build_index("name", named, tokenizer))
    assert [len(string) for string in found[:3]] == [3, 1, 1]
    assert found[1] == found[0][:1], "a word is the same token in every name"


def test_random_numbers_follow_the_seed_and_have_as_many_digits(task: FitTask) -> None:
    tokenizer = tokenizer_of("phrase", task, "random")
    numbers: dict[int, tuple[str, ...]] = {}
    for seed in (0, 0, 1):
        training = task.config.training.model_copy(update={"seed": seed})
        config = task.config.model_copy(update={"training": training})
        texts = build_index("random", replace(task, config=config), tokenizer).texts
        assert {len(text) for text in texts} == {2}
        assert numbers.setdefault(seed, texts) == texts
    assert numbers[0] != numbers[1]


def test_sequential_numbers_follow_the_training_events_user_by_user(task: FitTask) -> None:
    train = Histories.of([[7, 3, 7], [3, 9], [], [0]])
    index = build_index(
        "sequential", replace(task, split=replace(task.split, train=train)), tokenizer_of("phrase", task, "sequential")
    )
    rest = [item for item in range(ITEMS) if item not in (7, 3, 9, 0)]
    assert [index.texts[item] for item in (7, 3, 9, 0, *rest)] == [str(10 + number) for number in range(ITEMS)]


def test_codes_are_similar_for_items_of_the_same_readers() -> None:
    generator = np.random.default_rng(0)
    groups, size = 8, 40
    histories = [generator.choice(size, 12, replace=False) + size * (user % groups) for user in range(600)]
    codes = hierarchical_codes(Histories.of(histories), groups * size, 0)
    first = np.array([code[0] for code in codes]).reshape(groups, size)
    assert sum(len(set(row.tolist())) for row in first) == len(np.unique(first)), "no two groups share a first code"
    assert max(map(max, codes)) < BRANCHING


@pytest.mark.parametrize("histories", [[], [[0]], [[0, 1, 2]] * 5, [[item] for item in range(1000)]])
def test_codes_are_short_and_no_prefix_of_others(histories: list[list[int]]) -> None:
    """Also where all items have the same readers."""
    codes = hierarchical_codes(Histories.of(histories), 5000, 0)
    assert max(map(len, codes)) <= 10
    beginnings = {code[:length] for code in codes for length in range(len(code))}
    assert len(set(codes)) == 5000
    assert not beginnings & set(codes)
    assert codes == hierarchical_codes(Histories.of(histories), 5000, 0)


@pytest.mark.parametrize("kind", STRINGS)
def test_only_training_events_count(task: FitTask, kind: Any) -> None:
    """Other validation and test events, which come with the same items in another order, change nothing."""
    named = with_titles(task, ["Emma", "Emma", "Emma"])
    tokenizer = tokenizer_of("phrase", named, kind)
    index = build_index(kind, named, tokenizer)
    split, backwards = task.split, np.arange(ITEMS)[::-1]

    def other(cases: Cases) -> Cases:
        lists = [[*cases.histories[row][:-1].tolist(), 5] for row in range(len(cases))]
        return Cases.of(Histories.of(lists), (cases.targets + 1) % ITEMS, cases.user)

    changed = replace(split, valid=other(split.valid), test=other(split.test))
    assert build_index(kind, replace(named, split=changed), tokenizer).texts == index.texts
    catalogue = Catalogue(*(getattr(named.catalogue, f)[backwards] for f in ("item_ids", "titles", "entity_ids")))
    train = Histories(split.train.indptr, (ITEMS - 1 - split.train.items).astype(np.int32))
    turned = build_index(kind, replace(named, catalogue=catalogue, split=replace(split, train=train)), tokenizer)
    assert turned.texts == index.texts[::-1]
    if kind in ("sequential", "collaborative"):
        more = Histories.of([[(user * 7) % ITEMS, (user * 3) % ITEMS] for user in range(60)])
        learnt = build_index(kind, replace(named, split=replace(split, train=more)), tokenizer)
        assert learnt.texts != index.texts, "training events do count"


def test_targets_are_between_the_sentinels() -> None:
    index = ItemIndex.of_strings("name", [np.array([7, 8]), np.array([7]), np.array([7, 8, 9])], ["a", "b", "c"])
    assert index.labels(Histories.of([[1], [0]]), (3, 4)).tolist() == [[3, 7, 4, -100], [3, 7, 8, 4]]
    assert index.labels(Histories.of([[2]]), (3, 4)).tolist() == [[3, 7, 8, 9, 4]]
    assert index.labels(Histories.of([[1, 0], [2], []]), (3, 4)).tolist() == [
        [3, 7, 4, 7, 8, 4],
        [3, 7, 8, 9, 4, -100],
        [3, -100, -100, -100, -100, -100],
    ]
    tokens = ItemIndex.of_tokens(50, 3)
    assert tokens.labels(Histories.of([[2], [0]]), (3, 4)).tolist() == [[3, 52, 4], [3, 50, 4]]


def test_sequence_knows_single_tokens_only() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting model\.index: .*known: checkpoint, "):
        validate(SequenceOptions, {"index": "name"}, "model")


def test_kp4sr_has_no_option_of_sequence() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting model\.pooling: .*known: checkpoint, .*index"):
        validate(Kp4srBackend.Options, {"pooling": "tree"}, "model")


TRAINED = [("name", "subword"), ("random", "phrase"), ("sequential", "phrase"), ("collaborative", "phrase")]


@pytest.fixture(scope="module", params=TRAINED, ids="-".join)
@needs("train")
def fitted(request: pytest.FixtureRequest, task: FitTask) -> Kp4srBackend:
    kind, tokens = request.param
    found = backend(index=kind, tokens=tokens, vocabulary=600)
    found.fit(task)
    return found


@torch.inference_mode()
def test_scores_are_those_the_model_is_trained_by(fitted: Kp4srBackend, task: FitTask) -> None:
    """The loss of an item's target is that of the first sentinel and the item's score."""
    state, case = fitted.fitted, task.split.test.take(np.array([3]))
    scores = fitted.score(case)[0]
    batch = state.assembler.assemble(case.user, case.histories, np.array([len(state.templates) - 1]))
    prompt = {
        "input_ids": torch.from_numpy(batch.input_ids).long(),
        "node": torch.from_numpy(batch.node),
        "parent": torch.from_numpy(batch.parent),
        "whole_word": torch.from_numpy(batch.whole_word).long(),
    }
    allowed = state.index.output_tokens(state.tokenizer.sentinels)
    for item in range(ITEMS):
        labels = torch.from_numpy(state.index.labels(Histories.of([[item]]), state.tokenizer.sentinels))
        shifted = torch.cat([torch.full((1, 1), state.start[0]), labels[:, :-1]], dim=1)
        loss = state.model(**prompt, decoder_input_ids=shifted, labels=labels, num_items_in_batch=1)["loss"]
        logits = state.model(**prompt, decoder_input_ids=shifted)["logits"][0, 0]
        assert float(-loss - logits.log_softmax(-1)[state.start[1]]) == pytest.approx(scores[item], abs=1e-4)
        assert set(torch.nonzero(logits > -torch.inf).flatten().tolist()) == set(allowed.tolist())
    labels = torch.from_numpy(state.index.labels(Histories.of([[0, 4, 2]]), state.tokenizer.sentinels))
    shifted = torch.cat([torch.full((1, 1), state.start[0]), labels[:, :-1]], dim=1)
    together = state.model(**prompt, decoder_input_ids=shifted)["logits"][0]
    several = state.model(**prompt, decoder_input_ids=shifted, labels=labels)["loss"]
    torch.testing.assert_close(several, torch.nn.functional.cross_entropy(together, labels[0]))


def test_beams_find_all_there_is(fitted: Kp4srBackend) -> None:
    cases = Cases.of(Histories.of([list(range(ITEMS - 2)), [0, 1], list(range(ITEMS))]))
    scores = fitted.score(cases)
    for k, beams in ((1, 1), (10, 3), (40, 40)):
        found, values = fitted.beam_search(cases, k, beams)
        for row, outside in enumerate(({ITEMS - 2, ITEMS - 1}, set(range(2, ITEMS)), set())):
            got = found[row][found[row] >= 0]
            assert len(set(got.tolist())) == len(got) == min(k, len(outside))
            assert set(got.tolist()) <= outside
            np.testing.assert_allclose(values[row, : len(got)], scores[row, got], atol=1e-4)


def test_a_run_keeps_its_index(fitted: Kp4srBackend, task: FitTask, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    options = fitted.options
    loaded = Kp4srBackend.load(tmp_path, options)
    assert loaded.fitted.index.texts == fitted.fitted.index.texts
    np.testing.assert_allclose(loaded.score(task.split.test), fitted.score(task.split.test), atol=1e-5)
    with pytest.raises(RunError, match=f"index = '{options.index}', not 'token'"):
        Kp4srBackend.load(tmp_path, options.model_copy(update={"index": "token"}))
    listed = tmp_path / "index" / "strings.json"
    about = json.loads(listed.read_text())
    for damaged in ('{"kind"', json.dumps(about | {"strings": about["strings"][1:]})):
        listed.write_text(damaged)
        with pytest.raises(RunError, match="no T5 run that can be read"):
            Kp4srBackend.load(tmp_path, options)


def test_new_items_need_a_training(fitted: Kp4srBackend) -> None:
    assert not isinstance(fitted, AcceptsNewItems)


@pytest.mark.parametrize(("kind", "new"), [("name", 0), ("random", 0), ("collaborative", 2 * BRANCHING)])
def test_checkpoints_keep_their_tokens(kind: Any, new: int, task: FitTask, tmp_path: Path) -> None:
    """Names and numbers are spelled in a checkpoint's own tokens; codes add new ones, initialized from names."""
    tokenizer = SubwordTokenizer.train(["a book was written by an author", "Book 0 1 2 3 4 5 6 7 8 9"], 400)
    tokenizer.save(tmp_path)
    config = T5Config(
        vocab_size=tokenizer.size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    found = backend(index=kind, checkpoint=str(tmp_path))
    state = build_state(found.options, task)
    weights = state.model.t5.shared.weight
    assert len(weights) == tokenizer.size + new
    if new:
        string = strings_of(state.index)[0]
        names = [tokenizer.encode((Segment(str(name), "text"),)).ids for name in task.catalogue.titles]
        bearing = [ids for ids, other in zip(names, strings_of(state.index), strict=True) if string[0] in other]
        torch.testing.assert_close(weights[string[0]], weights[np.concatenate(bearing)].mean(0))
