"""The part of a pretrained text encoder: reading under the tree mask, the cache, nearest items, and errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, GPT2Config, GPT2Model, T5Config, T5ForConditionalGeneration

from benchmarks.text_encoders import is_installed, real_encoder, small_encoder
from kptoolkit import pipeline
from kptoolkit.config import load_config
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import ConfigError
from kptoolkit.knowledge.batches.tree_batches import TreeAssembler
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models import FitTask
from kptoolkit.models.parts.fit_parts import fit_parts, knowledge_kinds
from kptoolkit.models.t5.tokenizers import SubwordTokenizer
from kptoolkit.models.text import nearest_items as nearest_module
from kptoolkit.models.text.nearest_items import nearest_items, whitened
from kptoolkit.models.text.random_encoder import write_random_encoder
from kptoolkit.models.text.text_encoder import TextEncoder
from kptoolkit.models.text.text_vectors import text_vectors
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.small_worlds import ITEMS, chain_task

TEXTS = ["Book 0 was written by an Author 1 and belongs to series", "a sequel of the Book with 2 3 4 5 6 7 8 9"]


def small_t5(folder: Path) -> Path:
    """A small checkpoint of the T5 family with random weights."""
    tokenizer = SubwordTokenizer.train(TEXTS, 400)
    tokenizer.save(folder)
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=tokenizer.size, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_decoder_layers=1, num_heads=2,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def small_bert(folder: Path) -> Path:
    return small_encoder(folder, TEXTS)


@pytest.fixture(scope="module", params=[small_bert, small_t5])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = request.param(tmp_path_factory.mktemp("encoder"))
    return made


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bert(tmp_path_factory.mktemp("bert"))


def task_with(tmp_path: Path, encoder: Path, **settings: Any) -> FitTask:
    """The ring of books, two hops, with a cache."""
    options = {f"parts.{name}": value for name, value in settings.items()}
    task = chain_task(tmp_path, {"tree.hops": 2, "tree.degree": 3, "parts.text_encoder": str(encoder), **options})
    return replace(task, knowledge=replace(task.knowledge, cache=tmp_path / "cache"))


def vectors_of(task: FitTask, trees: ItemTrees | None = None) -> np.ndarray:
    own = task.knowledge.trees(0)
    return text_vectors(task.config.parts, task.catalogue, task.knowledge, own if trees is None else trees)


def assembled(task: FitTask, encoder: TextEncoder) -> TreeAssembler:
    names, _ = encoder.tokenizer.titles(map(str, task.catalogue.titles), 120)
    trees = task.knowledge.trees(0)
    read = CompiledKnowledge(trees, task.knowledge.tokens(encoder.tokenizer))
    return TreeAssembler(read, names, max_tokens=120, pad_id=encoder.tokenizer.pad_id)


def test_a_hidden_token_has_no_influence(folder: Path) -> None:
    """Exactly none, in every layer: the states of its group alone change."""
    encoder = TextEncoder.load(str(folder))
    ids = torch.arange(6, 12).repeat(2, 1)
    ids[1, 4] = 20
    group = torch.tensor([0, 0, 0, 1, 1, 1])
    blocks = (group[:, None] == group[None, :]).repeat(2, 1, 1)
    apart, together = encoder.states(ids, blocks), encoder.states(ids, torch.ones_like(blocks))
    assert (apart[0, :3] == apart[1, :3]).all()
    assert (apart[0, 3:] != apart[1, 3:]).any(dim=-1).all()
    assert (together[0] != together[1]).any(dim=-1).all()
    assert encoder.hides()


def test_an_encoder_that_adds_the_mask_as_a_number_is_noticed(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kptoolkit.models.text.text_encoder.additive", lambda mask, dtype: mask.to(dtype).unsqueeze(1))
    with pytest.raises(ConfigError, match="does not read under an attention mask"):
        TextEncoder.load(str(bert))


def test_a_vector_is_the_mean_over_the_tokens_of_its_tree_alone(folder: Path, tmp_path: Path) -> None:
    """One tree at a time, without padding, by hand."""
    task = task_with(tmp_path, folder)
    encoder = TextEncoder.load(str(folder))
    trees = assembled(task, encoder)
    found = encoder.pooled(trees.assemble(np.arange(4)), masked=True)
    for item in range(4):
        batch = trees.assemble(np.array([item]))
        node, parent = batch.node[0].astype(int), batch.parent[0].astype(int)
        same = node[:, None] == node[None, :]
        mask = same | (parent[:, None] == node) | (node[:, None] == parent) | (parent[:, None] == parent)
        ids = torch.from_numpy(batch.input_ids.astype(np.int64))
        states = encoder.states(ids, torch.from_numpy(mask)[None])[0].numpy()
        assert not mask.all()
        np.testing.assert_allclose(found[item], states.mean(axis=0), atol=1e-5)


def test_the_order_and_size_of_batches_change_nothing(folder: Path, tmp_path: Path) -> None:
    task = task_with(tmp_path, folder)
    encoder = TextEncoder.load(str(folder))
    trees, items = assembled(task, encoder), np.arange(ITEMS)
    lengths = np.array([(trees.assemble(items[[item]]).node >= 0).sum() for item in items])
    found = encoder.vectors(trees, items, lengths, masked=True)
    np.testing.assert_allclose(found, encoder.pooled(trees.assemble(items), masked=True), atol=1e-5)


def test_the_mask_changes_vectors_and_prompts_do_too(folder: Path, tmp_path: Path) -> None:
    masked, plain = task_with(tmp_path, folder), task_with(tmp_path, folder, text_mask=False)
    trees = masked.knowledge.trees(0)
    usual, without = vectors_of(masked), vectors_of(masked, trees.without_knowledge())
    assert np.isfinite(usual).all()
    assert len(usual) == len(without) == ITEMS
    linked = trees.lengths > 0
    assert (vectors_of(plain) != usual)[linked].any()
    assert (without != usual)[linked].any(axis=1).all()
    np.testing.assert_allclose(without[~linked], usual[~linked], atol=1e-5)


def test_long_trees_are_cut_and_titles_come_first(bert: Path, tmp_path: Path) -> None:
    """Of a title that fills the budget nothing else is read; titles that differ beyond it have the same vector."""
    task = task_with(tmp_path, bert)
    knowledge = replace(task.knowledge, tree=task.config.tree.model_copy(update={"max_tokens": 8}))
    titles = task.catalogue.titles.copy()
    titles[:2] = ["Book " * 300 + "1", "Book " * 300 + "2"]
    cut = replace(task, knowledge=knowledge, catalogue=replace(task.catalogue, titles=titles))
    found = vectors_of(cut)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found, vectors_of(cut, task.knowledge.trees(0).without_knowledge()), atol=1e-5)
    assert TextEncoder.load(str(bert)).max_tokens == 128


def test_items_without_any_text_have_no_neighbours(bert: Path, tmp_path: Path) -> None:
    task = task_with(tmp_path, bert)
    titles = task.catalogue.titles.copy()
    titles[3], titles[4] = "", ""
    catalogue = replace(task.catalogue, titles=titles)
    none = task.knowledge.trees(0).without_knowledge()
    kinds = knowledge_kinds(task.config.parts, catalogue, task.knowledge, none)
    raw = kinds["text"][0].raw.toarray()
    assert not raw[[3, 4]].any()
    assert not raw[:, [3, 4]].any()
    assert raw.any()


def test_special_tokens_spelled_out_in_a_title_stay_text(bert: Path) -> None:
    tokenizer = TextEncoder.load(str(bert)).tokenizer
    names, filled = tokenizer.titles(["a [SEP] Book", "", "  "], 20)
    rows = [names.ids[names.span(row)].tolist() for row in range(3)]
    assert rows[0].count(tokenizer.eos_id) == 1
    assert rows[1] == rows[2] == [*tokenizer.before, tokenizer.eos_id]
    assert filled.tolist() == [True, False, False]


class Encoded:
    """Counts the items that are encoded."""

    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []

    def __call__(self, event: ProgressEvent) -> None:
        self.events.append(event)

    @property
    def encoded(self) -> int:
        return sum(event.done == event.total for event in self.events if event.stage == "encode texts")


def test_vectors_are_cached_by_all_that_affects_them(bert: Path, tmp_path: Path) -> None:
    seen = Encoded()
    task = task_with(tmp_path, bert)
    other = write_random_encoder(str(bert), tmp_path / "other", seed=8)

    def again(changed: FitTask, trees: ItemTrees | None = None) -> np.ndarray:
        return vectors_of(replace(changed, knowledge=replace(changed.knowledge, progress=seen)), trees)

    first = again(task)
    assert seen.encoded == 1
    np.testing.assert_array_equal(again(task), first)
    assert seen.encoded == 1
    titles = task.catalogue.titles.copy()
    titles[0] = "Author"
    for number, changed in enumerate(
        [
            task_with(tmp_path, other),
            task_with(tmp_path, bert, text_mask=False),
            replace(task, catalogue=replace(task.catalogue, titles=titles)),
        ]
    ):
        assert (again(changed) != first).any()
        assert seen.encoded == number + 2
    again(task, task.knowledge.trees(0).shuffled(1))
    assert seen.encoded == 5
    for array in (tmp_path / "cache").glob("text-*/vectors.npy"):
        array.write_bytes(array.read_bytes()[:-1] + b"x")
    np.testing.assert_allclose(again(task), first, atol=1e-6)
    assert seen.encoded == 6
    assert any("damaged" in event.stage for event in seen.events)


def test_whitened_vectors_have_no_mean_and_nearly_equal_variances(monkeypatch: pytest.MonkeyPatch) -> None:
    """The more equal, the less the covariance is shrunk."""
    draw = np.random.default_rng(1)
    vectors = (draw.normal(size=(20_000, 6)) @ draw.normal(size=(6, 6)) + 5).astype(np.float32)
    vectors[::7] = 0
    usual, there = whitened(vectors), vectors.any(axis=1)
    monkeypatch.setattr(nearest_module, "_LEAST_SHRINKAGE", 0.01)
    white = whitened(vectors)
    assert not white[~there].any()
    np.testing.assert_allclose(np.linalg.norm(white[there], axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(white[there].mean(axis=0), 0, atol=0.02)
    before, less, after = (np.linalg.cond(np.cov(found[there].T)) for found in (vectors, usual, white))
    assert after < before / 10
    assert after < less < before


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), np.ones((1, 3)), np.ones((5, 3)), np.zeros((4, 3))])
def test_vectors_that_tell_no_items_apart_make_no_pair(vectors: np.ndarray) -> None:
    assert nearest_items(whitened(vectors.astype(np.float32))).nnz == 0


def test_nearest_items_are_those_of_all_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    """By sorting whole rows; chunks change nothing."""
    vectors = np.random.default_rng(2).normal(size=(90, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, 0)
    expected = np.zeros_like(cosines)
    for row, values in enumerate(cosines):
        best = np.argsort(-values)[:7]
        expected[row, best] = np.maximum(values[best], 0) ** 4
    whole = nearest_items(vectors, 7)
    np.testing.assert_allclose(whole.toarray(), expected, atol=1e-6)
    monkeypatch.setattr(nearest_module, "_CHUNK", 1000)
    np.testing.assert_allclose(nearest_items(vectors, 7).toarray(), whole.toarray(), atol=1e-6)
    assert nearest_items(vectors).getnnz(axis=1).max() <= 50


def no_backend(cases: Cases) -> np.ndarray:
    return np.zeros((len(cases), ITEMS), dtype=np.float32)


def test_the_part_is_fitted_extended_and_read_as_knowledge(bert: Path, tmp_path: Path) -> None:
    task = task_with(tmp_path, bert, graph_similarity=False, titles=False, prompts=False, transitions=False)
    parts = fit_parts(task, no_backend)
    assert "text" in parts.pairs
    assert "text" not in parts.without_knowledge().pairs
    kinds = knowledge_kinds(task.config.parts, task.catalogue, task.knowledge, task.knowledge.trees(0))
    assert set(kinds) == {"text"}
    asked = Cases.of(Histories.of([[0, 1], [5]]))
    again = parts.extended(ITEMS, kinds)
    np.testing.assert_allclose(again.added(asked), parts.added(asked), rtol=1e-4, atol=1e-5)
    other = knowledge_kinds(
        task.config.parts, task.catalogue, task.knowledge, task.knowledge.trees(0).without_knowledge()
    )
    assert (other["text"][0].raw != kinds["text"][0].raw).nnz


def gpt(folder: Path) -> None:
    GPT2Model(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2)).save_pretrained(folder)


def without_weights(folder: Path) -> None:
    small_bert(folder)
    (folder / "model.safetensors").unlink()


def of_another_model(folder: Path) -> None:
    """Weights whose names are those of no layer."""
    small_bert(folder)
    model = AutoModel.from_pretrained(folder)
    model.save_pretrained(folder, state_dict={f"x.{name}": weight for name, weight in model.state_dict().items()})


def without_tokenizer(folder: Path) -> None:
    small_bert(folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()


@pytest.mark.parametrize("make", [Path.mkdir, gpt, without_weights, of_another_model, without_tokenizer, None])
def test_what_is_no_encoder_is_an_error_of_one_line(make: Callable[[Path], None] | None, tmp_path: Path) -> None:
    if make is not None:
        make(tmp_path / "it")
    with pytest.raises(ConfigError, match=r"setting parts\.text_encoder: '.*it' is neither") as error:
        TextEncoder.load(str(tmp_path / "it"))
    assert "\n" not in str(error.value)


def test_a_run_says_so_before_it_trains(tmp_path: Path) -> None:
    settings = {"parts.text_encoder": "no-such/encoder", "data.dir": str(tmp_path), "graph.uri": "embedded:x"}
    (tmp_path / "a.inter").write_text("user_id:token\titem_id:token\n")
    with pytest.raises(ConfigError, match=r"parts\.text_encoder"):
        pipeline.fit(load_config(overrides=settings, environ={}), run=tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.long
@pytest.mark.process
def test_the_fingerprint_is_the_same_in_every_process(bert: Path) -> None:
    code = (
        "import sys; from kptoolkit.models.text.text_encoder import TextEncoder; "
        "encoder = TextEncoder.load(sys.argv[1]); print(encoder.fingerprint, encoder.tokenizer.fingerprint)"
    )
    encoder = TextEncoder.load(str(bert))
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, str(bert)]
        out = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        assert out.stdout.split() == [encoder.fingerprint, encoder.tokenizer.fingerprint]


@pytest.mark.process
def test_without_the_setting_no_torch_is_imported() -> None:
    code = "import sys, kptoolkit.models.parts.fit_parts; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.skipif(not is_installed(), reason="the extra text is not installed")
def test_the_real_encoder_finds_books_of_one_kind(tmp_path: Path) -> None:
    encoder = TextEncoder.load(str(real_encoder(tmp_path)))
    texts = ["a cookbook of Italian pasta", "how to bake bread and cakes", "a war in space between planets"]
    texts += ["aliens attack a starship", "a detective solves a murder", "who killed the lady in the library?"]
    names, _ = encoder.tokenizer.titles(texts, encoder.max_tokens)
    empty = replace(ItemTrees.empty(), indptr=np.zeros(len(texts) + 1, np.int64))
    trees = CompiledKnowledge(empty, names.take(slice(0, 0)))
    assembler = TreeAssembler(trees, names, max_tokens=encoder.max_tokens, pad_id=encoder.tokenizer.pad_id)
    vectors = whitened(encoder.vectors(assembler, np.arange(len(texts)), names.lengths, masked=True))
    nearest = np.argmax(vectors @ vectors.T - 2 * np.eye(len(texts)), axis=1)
    assert nearest.tolist() == [1, 0, 3, 2, 5, 4]
