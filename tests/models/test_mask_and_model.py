"""The tree mask in the model: a token that is hidden from another does not change its state."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)
from worlds.training import BACKENDS, TINY, untrained

from kptoolkit.errors import ConfigError
from kptoolkit.models.t5.tree_t5 import TreeT5, grow, start_items_from_names
from kptoolkit.models.tree_mask import SEES, additive, arranged, linked, visible
from kptoolkit.testing.small_worlds import chain_task
from kptoolkit.tree.visibility import PAD_NODE, PAD_PARENT, MaskKind, matrix

# root, two items, two triplets below the first item, one below the second, root again (end of sequence), padding
NODE = [0, 0, 1, 0, 2, 3, 3, 4, 4, 5, 5, 0, PAD_NODE, PAD_NODE]
PARENT = [-1, -1, 0, -1, 0, 1, 1, 1, 1, 2, 2, -1, PAD_PARENT, PAD_PARENT]


def model(attention: str, **changes: object) -> TreeT5:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0, **changes
    )
    t5 = T5ForConditionalGeneration._from_config(config, attn_implementation=attention)
    return TreeT5(t5, fresh=True).eval()


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 40, (1, len(NODE)), generator=generator)
    words = torch.arange(1, len(NODE) + 1)[None]
    return {
        "input_ids": ids,
        "node": torch.tensor([NODE], dtype=torch.int16),
        "parent": torch.tensor([PARENT], dtype=torch.int16),
        "whole_word": words,
    }


@given(
    st.lists(st.integers(0, 9) | st.just(-2), min_size=1, max_size=12),
    st.lists(st.integers(-1, 9), min_size=10, max_size=10),
)
@settings(deadline=None)
def test_device_mask_equals_numpy(nodes: list[int], parents: list[int]) -> None:
    above = [-3 if node < 0 else parents[node] for node in nodes]
    node, parent = (np.array([column, column[::-1]], dtype=np.int16) for column in (nodes, above))
    device = visible(torch.from_numpy(node), torch.from_numpy(parent))
    np.testing.assert_array_equal(device.numpy(), matrix(node, parent))


def defined(tree: nx.DiGraph[int], query: int, key: int, kind: MaskKind) -> bool:
    """What one node sees of another, by the definition of a kind of mask on the tree."""
    if kind == "off" or query == key:
        return True
    if kind == "upward":
        return key in tree.successors(query)
    if kind == "branch":
        lines = [nx.shortest_path(tree, 0, node) for node in (query, key)]
        return 0 in (query, key) or lines[0][1] == lines[1][1]
    joined = tree.has_edge(query, key) or tree.has_edge(key, query)
    return joined or bool(set(tree.predecessors(query)) & set(tree.predecessors(key)))


@given(st.lists(st.lists(st.integers(0, 6), min_size=5, max_size=5), min_size=1, max_size=3), st.integers(0, 7))
def test_linked_tokens_are_those_of_one_entity(rows: list[list[int]], entities_from: int) -> None:
    tokens = torch.tensor(rows)
    tree = torch.eye(5, dtype=torch.bool).expand(len(rows), -1, -1)
    found = linked(tree, tokens, entities_from)
    for number, row in enumerate(rows):
        for query, key in itertools.product(range(5), range(5)):
            same = row[query] == row[key] and row[query] >= entities_from
            assert bool(found[number, query, key]) == (query == key or same)


@pytest.mark.train
@pytest.mark.parametrize("name", ["kp4sr", "trees"])
def test_links_between_places_of_an_entity_change_scores_and_are_saved(tmp_path: Path, name: str) -> None:
    task = chain_task(tmp_path, {"training.epochs": 0, "tree.hops": 2})
    scores = {}
    for mask in ("tree", "linked"):
        backend = untrained(TINY | BACKENDS[name] | {"mask": mask})
        backend.fit(task)
        scores[mask] = backend.score(task.split.test)
        (tmp_path / mask).mkdir()
        backend.save(tmp_path / mask)
        again = type(backend).load(tmp_path / mask, backend.options)  # type: ignore[arg-type]
        np.testing.assert_allclose(again.score(task.split.test), scores[mask], atol=1e-5)
    # In the tree of one item, only parents, children and siblings name the same entity, and they see each other anyway.
    assert bool(np.abs(scores["linked"] - scores["tree"]).max() > 1e-4) == (name == "kp4sr")


@pytest.mark.parametrize("options", [{"backend": "kp4sr"}, {"backend": "sequence", "knowledge": "tree"}])
def test_links_need_entities_that_are_tokens(tmp_path: Path, options: dict[str, Any]) -> None:
    backend = untrained(TINY | options | {"mask": "linked", "tokens": "subword", "vocabulary": 400})
    with pytest.raises(ConfigError, match=r"setting model.mask: linked needs model.tokens=phrase"):
        backend.fit(chain_task(tmp_path))


@pytest.mark.parametrize("kind", ["tree", "branch", "upward", "off"])
@given(st.lists(st.integers(0, 100), max_size=9), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_every_kind_of_mask_is_what_its_definition_says(kind: MaskKind, above: list[int], random: Random) -> None:
    """On trees of at most six hops below an item, with tokens in any order and padding."""
    parents, depth = [-1], [0]
    for number in above:
        allowed = [node for node, hop in enumerate(depth) if hop < 7]
        parents.append(allowed[number % len(allowed)])
        depth.append(depth[parents[-1]] + 1)
    tree = nx.DiGraph((parent, node) for node, parent in enumerate(parents) if node)
    tree.add_node(0)
    nodes = [*range(len(parents)), *random.choices(range(len(parents)), k=4)]
    random.shuffle(nodes)
    node = torch.tensor([[*nodes, PAD_NODE, PAD_NODE]], dtype=torch.int16)
    parent = torch.tensor([[*(parents[each] for each in nodes), PAD_PARENT, PAD_PARENT]], dtype=torch.int16)
    expected = torch.zeros(len(nodes) + 2, len(nodes) + 2, dtype=torch.bool)
    expected[-2:, -2:] = True
    for row, query in enumerate(nodes):
        for column, key in enumerate(nodes):
            expected[row, column] = defined(tree, query, key, kind)
    assert torch.equal(visible(node, parent, kind=kind)[0], expected)
    nodes_of, parents_of = arranged(node, parent, kind)
    direct = SEES[kind](
        nodes_of.unsqueeze(-1), parents_of.unsqueeze(-1), nodes_of.unsqueeze(-2), parents_of.unsqueeze(-2)
    )
    assert torch.equal(direct[0], expected)


def test_additive_mask_is_float_and_finite() -> None:
    tensors = batch()
    mask = additive(visible(tensors["node"], tensors["parent"]), torch.float32)
    assert mask.shape == (1, 1, len(NODE), len(NODE))
    assert mask.dtype == torch.float32
    assert torch.isfinite(mask).all()
    assert set(mask.unique().tolist()) == {0.0, torch.finfo(torch.float32).min / 2}


def first_layer(net: TreeT5, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    states: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, inputs: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        states.append(output if isinstance(output, torch.Tensor) else output[0])

    handle = net.t5.encoder.block[0].register_forward_hook(keep)
    with torch.no_grad():
        net.encode(**tensors)
    handle.remove()
    return states[0][0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("changed", [0, 2, 5, 9])
def test_changing_a_hidden_token_leaves_blocked_states_equal(attention: str, changed: int) -> None:
    net, tensors = model(attention), batch()
    before = first_layer(net, tensors)
    tensors["input_ids"] = tensors["input_ids"].clone()
    tensors["input_ids"][0, changed] = 5 + (int(tensors["input_ids"][0, changed]) - 4) % 35
    after = first_layer(net, tensors)
    sees = matrix(np.array(NODE), np.array(PARENT))[:, changed]
    same = (before == after).all(dim=-1).numpy()
    np.testing.assert_array_equal(same, ~sees)


@pytest.mark.parametrize(
    ("config", "kind"), [(MT5Config, MT5ForConditionalGeneration), (UMT5Config, UMT5ForConditionalGeneration)]
)
def test_the_mask_works_in_the_whole_family(config: type[Any], kind: type[Any]) -> None:
    torch.manual_seed(0)
    small = config(vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0)
    net, tensors = TreeT5(kind._from_config(small, attn_implementation="sdpa"), fresh=True).eval(), batch()
    before = first_layer(net, tensors)
    tensors["input_ids"] = tensors["input_ids"].clone()
    tensors["input_ids"][0, 5] = 5 + (int(tensors["input_ids"][0, 5]) - 4) % 35
    same = (before == first_layer(net, tensors)).all(dim=-1).numpy()
    np.testing.assert_array_equal(same, ~matrix(np.array(NODE), np.array(PARENT))[:, 5])


def test_attention_implementations_agree() -> None:
    tensors = batch()
    with torch.no_grad():
        eager, sdpa = (model(attention).encode(**tensors) for attention in ("eager", "sdpa"))
    real = tensors["node"][0] >= 0
    torch.testing.assert_close(eager[0][real], sdpa[0][real], rtol=1e-4, atol=1e-4)


def test_eager_adds_a_boolean_mask_as_it_is() -> None:
    """The float mask avoids this behaviour; if this fails, transformers has changed it."""
    net, tensors = model("eager"), batch()
    embedded = net.t5.shared(tensors["input_ids"])
    mask = visible(tensors["node"], tensors["parent"]).unsqueeze(1)
    with torch.no_grad():
        as_bool = net.t5.encoder(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        as_float = net.t5.encoder(inputs_embeds=embedded, attention_mask=additive(mask[:, 0], torch.float32))
    assert not torch.allclose(as_bool, as_float.last_hidden_state, atol=1e-3)


def test_padding_changes_nothing() -> None:
    net, tensors = model("sdpa"), batch()
    real = len(NODE) - 2
    short = {key: value[:, :real] for key, value in tensors.items()}
    decoder = torch.tensor([[0, 3]])
    with torch.no_grad():
        long_logits = net(**tensors, decoder_input_ids=decoder)["logits"]
        short_logits = net(**short, decoder_input_ids=decoder)["logits"]
    torch.testing.assert_close(long_logits, short_logits, rtol=1e-4, atol=1e-4)


def test_logits_equal_a_plain_encoder_written_out() -> None:
    """One encoder layer in plain numpy: scores, bias, mask, softmax, values, feed-forward."""
    net, tensors = model("sdpa"), batch()
    stack, real = net.t5.encoder, slice(0, len(NODE) - 2)
    with torch.no_grad():
        x = (net.t5.shared(tensors["input_ids"]) + net.whole_word(tensors["whole_word"]))[0]
        sees = torch.from_numpy(matrix(np.array(NODE), np.array(PARENT)))
        bias = stack.block[0].layer[0].SelfAttention.compute_bias(len(NODE), len(NODE))[0]
        for block in stack.block:
            attention, forward = block.layer
            h = attention.layer_norm(x)
            q, k, v = (
                getattr(attention.SelfAttention, name)(h).view(len(NODE), 2, 8).transpose(0, 1) for name in "qkv"
            )
            scores = (q @ k.transpose(1, 2) + bias).masked_fill(~sees, float("-inf"))
            mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(len(NODE), 16)
            x = x + attention.SelfAttention.o(mixed)
            h = forward.layer_norm(x)
            x = x + forward.DenseReluDense.wo(torch.relu(forward.DenseReluDense.wi(h)))
        plain = stack.final_layer_norm(x)
        fast = net.encode(**tensors)[0]
    torch.testing.assert_close(fast[real], plain[real], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_new_item_tokens_start_from_their_names(tied: bool) -> None:
    net = model("sdpa", tie_word_embeddings=tied)
    grow(net.t5, 43)
    start_items_from_names(net.t5, 40, [[1, 2], [], [7]])
    weight = net.t5.get_input_embeddings().weight
    torch.testing.assert_close(weight[40], weight[[1, 2]].mean(0))
    torch.testing.assert_close(weight[42], weight[7])
    output = net.t5.get_output_embeddings().weight
    assert len(output) == 43
    torch.testing.assert_close(output[40], output[[1, 2]].mean(0))


def test_vocabulary_never_shrinks() -> None:
    net = model("sdpa")
    grow(net.t5, 10)
    assert net.t5.config.vocab_size == 40


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu() -> None:
    net, tensors = model("sdpa"), batch()
    with torch.no_grad():
        cpu = net.encode(**tensors)
        cuda = net.cuda().encode(**{key: value.cuda() for key, value in tensors.items()}).cpu()
    real = tensors["node"][0] >= 0
    torch.testing.assert_close(cuda[0][real], cpu[0][real], rtol=1e-3, atol=1e-3)
