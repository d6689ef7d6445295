"""The model compared with T5 written from its definition, on random trees and with padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_t5 import Shape, bucket, logits
from transformers import T5Config, T5ForConditionalGeneration, UMT5Config, UMT5ForConditionalGeneration
from worlds.examples import examples

from kptoolkit.models.t5.flex import use_flex
from kptoolkit.models.t5.tree_t5 import TreeT5
from kptoolkit.prompts import MppTemplate
from kptoolkit.tree import Encoded, HistoryItem, KnowledgeTree, Triplet
from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT

VOCABULARY = 50
TEMPLATES = (
    MppTemplate("plain", "After {{ history }} comes {{ mask }} .", separator=" , ", last_separator=" and then "),
    MppTemplate("first", "{{ mask }} comes after {{ history }}", separator=" , ", last_separator=" , "),
)
KINDS: dict[str, dict[str, Any]] = {
    "t5": {},
    "unscaled": {"tie_word_embeddings": False},
    "untied and gated": {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"},
    "umt5": {"feed_forward_proj": "gated-gelu"},
}


def built(kind: str, attention: str, layers: int = 2) -> tuple[TreeT5, Shape]:
    """A small model with weights large enough for a wrong mask or position to show, and its shape."""
    config_class, model_class = (
        (UMT5Config, UMT5ForConditionalGeneration) if kind == "umt5" else (T5Config, T5ForConditionalGeneration)
    )
    torch.manual_seed(4)
    config = config_class(
        vocab_size=VOCABULARY, d_model=32, d_kv=16, d_ff=24, num_layers=layers, num_decoder_layers=2, num_heads=2,
        relative_attention_num_buckets=8, relative_attention_max_distance=20, decoder_start_token_id=0, **KINDS[kind],
    )  # fmt: skip
    t5 = model_class._from_config(config, attn_implementation="sdpa" if attention == "flex" else attention)
    if "untied" in kind:
        t5.lm_head.weight = torch.nn.Parameter(torch.randn(VOCABULARY, 32))
    with torch.no_grad():
        for name, weight in t5.named_parameters():
            if "relative_attention_bias" in name or "layer_norm" in name:
                weight.add_(torch.randn_like(weight))
    if attention == "flex":
        use_flex(t5)
    gated, scaled = "feed_forward_proj" in KINDS[kind], "tie_word_embeddings" not in KINDS[kind]
    return TreeT5(t5, fresh=True).eval(), Shape(2, 8, 20, gated, scaled)


def encoded(generator: np.random.Generator, most: int) -> Encoded:
    count = int(generator.integers(1, most + 1))
    starts = generator.random(count) < 0.7
    starts[0] = True
    return Encoded(np.zeros(count, dtype=np.int32), starts)


def random_tree(generator: np.random.Generator) -> KnowledgeTree:
    """A prompt of one to four items, one of which may be repeated, with up to two hops of triplets."""
    items = []
    for number in range(int(generator.integers(1, 5))):
        name = encoded(generator, 3)
        triplets = [Triplet(encoded(generator, 4), "fact", -1, 1) for _ in range(int(generator.integers(0, 4)))]
        above = sorted(generator.integers(0, len(triplets), int(generator.integers(0, 4)))) if triplets else []
        triplets += [Triplet(encoded(generator, 4), "fact", int(parent), 2) for parent in above]
        items.append(HistoryItem(str(number), f"item {number}", name, tuple(triplets)))
    if generator.random() < 0.3:
        items.append(items[0])
    return KnowledgeTree.build(TEMPLATES[int(generator.integers(2))], items, max_tokens=int(generator.integers(20, 70)))


def padded(trees: list[KnowledgeTree], generator: np.random.Generator) -> dict[str, torch.Tensor]:
    """Trees as one batch, with tokens drawn at random and at least one place of padding after each."""
    shape = (len(trees), max(len(tree) for tree in trees) + 1)
    columns = {"input_ids": np.zeros(shape, np.int64), "whole_word": np.zeros(shape, np.int64)}
    columns |= {"node": np.full(shape, PAD_NODE, np.int16), "parent": np.full(shape, PAD_PARENT, np.int16)}
    for row, tree in enumerate(trees):
        columns["input_ids"][row, : len(tree)] = generator.integers(1, VOCABULARY, len(tree))
        for name in ("node", "parent", "whole_word"):
            columns[name][row, : len(tree)] = getattr(tree, name)
    columns["decoder_input_ids"] = generator.integers(0, VOCABULARY, (len(trees), 3))
    return {name: torch.from_numpy(column) for name, column in columns.items()}


def compare(kind: str, attention: str, seed: int, device: str = "cpu", count: int = 3) -> None:
    net, shape = built(kind, attention)
    generator = np.random.default_rng(seed)
    trees = [random_tree(generator) for _ in range(count)]
    batch = padded(trees, generator)
    weights = {name: weight.double().numpy() for name, weight in net.state_dict().items()}
    with torch.no_grad():
        fast = net.to(device)(**{name: column.to(device) for name, column in batch.items()})["logits"].cpu().numpy()
    for row, tree in enumerate(trees):
        ids, words, targets = (batch[name][row].tolist() for name in ("input_ids", "whole_word", "decoder_input_ids"))
        length = len(tree)
        plain = logits(weights, shape, ids[:length], words[:length], tree.visibility(), targets)
        np.testing.assert_allclose(fast[row], plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("attention", ["sdpa", "eager", "flex"])
@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(4))
def test_logits_equal_the_plain_model(kind: str, attention: str, seed: int) -> None:
    compare(kind, attention, seed)


@pytest.mark.cuda
@pytest.mark.process
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("attention", ["sdpa", "eager", "flex"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_on_cuda_equal_the_plain_model(kind: str, attention: str) -> None:
    for seed in range(4):
        compare(kind, attention, seed, "cuda")


@pytest.mark.parametrize("wrong", ["mask", "position", "word", "causality"])
def test_the_plain_model_detects_a_wrong_one(wrong: str) -> None:
    """The comparison above can fail: each of these changes the logits by more than it allows."""
    net, shape = built("t5", "sdpa")
    generator = np.random.default_rng(1)
    tree = random_tree(generator)
    ids, words, sees = (
        generator.integers(1, VOCABULARY, len(tree)).tolist(),
        tree.whole_word.tolist(),
        tree.visibility(),
    )
    weights = {name: weight.double().numpy() for name, weight in net.state_dict().items()}
    targets = [0, 7, 9]
    right = logits(weights, shape, ids, words, sees, targets)
    if wrong == "mask":
        blocked = np.argwhere(~sees)[0]
        sees = sees.copy()
        sees[tuple(blocked)] = True
    if wrong == "position":
        shape = Shape(2, 8, 10, shape.gated, shape.scaled)
    if wrong == "word":
        words = [1, *words[:-1]]
    if wrong == "causality":
        targets = [0, 7, 10]
    changed = logits(weights, shape, ids, words, sees, targets)
    if wrong == "causality":
        np.testing.assert_array_equal(changed[:2], right[:2])
    assert np.abs(changed - right).max() > 1e-3


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (8, 20)])
def test_buckets_are_those_of_t5(both_ways: bool, buckets: int, distance: int) -> None:
    net, _ = built("t5", "sdpa")
    shape, every = Shape(1, buckets, distance, False, False), torch.arange(-300, 301)
    layer = net.t5.encoder.block[0].layer[0].SelfAttention
    fast = layer._relative_position_bucket(every, both_ways, buckets, distance)
    assert [bucket(int(d), shape, both_ways=both_ways) for d in every] == fast.tolist()
