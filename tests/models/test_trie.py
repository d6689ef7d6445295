"""The trie, its constraint on beams, and decoding over it, compared with plain code and teacher forcing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_plain_t5 import VOCABULARY, built
from transformers import LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput
from worlds.examples import examples

from kptoolkit.data.histories import Histories
from kptoolkit.models.t5.kp4sr.string_decoder import StringDecoder
from kptoolkit.models.t5.kp4sr.trie import OFF, Trie, TrieConstraint

PAD, FIRST, END, LETTERS = 0, 3, 4, range(6, 12)
START = (PAD, FIRST)
Strings = list[tuple[int, ...]]

strings = st.lists(st.lists(st.sampled_from(LETTERS), max_size=5).map(tuple), min_size=1, max_size=40, unique=True)


def trie_of(words: Strings) -> Trie:
    indptr = np.concatenate([[0], np.cumsum([len(word) for word in words])])
    return Trie.of(np.array([token for word in words for token in word], dtype=np.int32), indptr, END)


def output_tokens(words: Strings) -> np.ndarray:
    return np.unique([token for word in words for token in word] + [FIRST, END])


def prompts(cases: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Encoder states of as many prompts, the second half of all but the first one padding."""
    generator = torch.Generator().manual_seed(seed)
    real = torch.ones(cases, 8, dtype=torch.bool)
    real[1:, 4:] = False
    return torch.randn(cases, 8, 32, generator=generator), real


@torch.inference_mode()
def forced(t5: Any, states: torch.Tensor, real: torch.Tensor, words: Strings, allowed: Any = None) -> np.ndarray:
    """Log-likelihood of every word by teacher forcing, one word at a time, ``(B, n)``."""
    unused = torch.zeros(VOCABULARY, dtype=torch.bool)
    if allowed is not None:
        unused[:] = True
        unused[torch.from_numpy(allowed)] = False
    found = np.empty((len(states), len(words)))
    for row, word in enumerate(words):
        logits = t5(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=real,
            decoder_input_ids=torch.tensor([*START, *word]).expand(len(states), -1),
        ).logits
        likely = logits.masked_fill(unused, -torch.inf).log_softmax(-1)
        found[:, row] = sum(likely[:, 1 + at, token] for at, token in enumerate((*word, END)))
    return found


@given(strings)
def test_trie_contains_every_string_and_no_other(words: Strings) -> None:
    trie = trie_of(words)
    assert len(trie) == 1 + len({(*word, END)[:size] for word in words for size in range(1, len(word) + 2)})
    for item, word in enumerate(words):
        node = 0
        for token in (*word, END):
            edges = trie.target[trie.children[node] : trie.children[node + 1]]
            (node,) = edges[trie.token[edges] == token]
            place = trie.order.tolist().index(item)
            assert trie.first[node] <= place < trie.first[node] + trie.leaves[node]
        assert node == trie.leaf[item]
        assert trie.item[node] == item
        assert trie.depth[node] == len(word) + 1
    assert trie.leaves[0] == len(words)


def test_strings_must_differ_and_not_contain_their_end() -> None:
    with pytest.raises(ValueError, match=r"item [02] has the string of another"):
        trie_of([(6, 7), (6,), (6, 7)])
    with pytest.raises(ValueError, match="end"):
        trie_of([(6, END)])
    with pytest.raises(ValueError, match="strings"):
        trie_of([])


@given(strings, st.data())
def test_constraint_lets_through_what_leads_to_an_item_outside_the_history(words: Strings, data: st.DataObject) -> None:
    items = st.lists(st.integers(0, len(words) - 1), max_size=len(words))
    histories = [data.draw(items), data.draw(items)]
    word = data.draw(st.sampled_from(words))
    prefix = (*START, *word[: data.draw(st.integers(0, len(word)))])
    scores = torch.randn(2, VOCABULARY)
    constraint = TrieConstraint(trie_of(words), Histories.of(histories), PAD, 2, torch.device("cpu"))
    held = constraint(torch.tensor([prefix, prefix]), scores)
    for case, history in enumerate(histories):
        left = [(*START, *word, END) for item, word in enumerate(words) if item not in history]
        follow = {word[len(prefix)] for word in left if word[: len(prefix)] == prefix} or {PAD}
        assert set(torch.nonzero(held[case] > -torch.inf).flatten().tolist()) == follow
        assert all(held[case, token] == scores[case, token] for token in follow)


def test_beams_outside_the_trie_or_at_their_end_are_padded() -> None:
    constraint = TrieConstraint(trie_of([(6,), (6, 7)]), Histories.of([[]]), PAD, 2, torch.device("cpu"))
    beams = torch.tensor([[*START, 6, END, PAD], [*START, 6, 7, END], [*START, 7, 6, 6], [*START, 49, 6, END]])
    nodes = constraint.nodes(beams)
    assert constraint.items(nodes).tolist() == [0, 1, -1, -1]
    assert nodes.tolist()[2:] == [OFF, OFF]
    held = constraint(beams, torch.zeros(4, VOCABULARY))
    assert torch.nonzero(held == 0).tolist() == [[row, PAD] for row in range(4)]


@pytest.mark.parametrize(
    ("kind", "attention", "part"),
    [
        ("t5", "sdpa", 96),
        ("t5", "eager", 3),
        ("unscaled", "sdpa", 3),
        ("untied and gated", "sdpa", 3),
        ("umt5", "sdpa", 9),
    ],
)
def test_scores_are_those_of_teacher_forcing(
    kind: str, attention: str, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a trie is decoded in many parts, and cases one by one."""
    monkeypatch.setattr("kptoolkit.models.t5.kp4sr.string_decoder._PART", part)
    monkeypatch.setattr("kptoolkit.models.t5.kp4sr.string_decoder._LOGITS", 2000)
    generator = np.random.default_rng(part)
    words = list({tuple(generator.integers(6, 14, generator.integers(0, 6)).tolist()) for _ in range(40)})
    (net, _), (states, real) = built(kind, attention), prompts(3)
    for allowed in (None, output_tokens(words)):
        decoder = StringDecoder(net.t5, trie_of(words), START, allowed)
        expected = forced(net.t5, states, real, words, allowed)
        np.testing.assert_allclose(decoder.scores(states, real).numpy(), expected, atol=1e-4)


NET = built("t5", "sdpa")[0]


@settings(max_examples=examples(40))
@given(strings, st.integers(1, 50), st.integers(0, 99), st.data())
def test_beams_find_as_many_items_as_there_are(words: Strings, width: int, seed: int, data: st.DataObject) -> None:
    items = st.lists(st.integers(0, len(words) - 1), max_size=len(words))
    nearly_all = [item for item in range(len(words)) if item != seed % len(words)]
    histories = Histories.of([data.draw(items), nearly_all, range(len(words))])
    decoder, (states, real) = StringDecoder(NET.t5, trie_of(words), START, output_tokens(words)), prompts(3, seed)
    found, scores = (tensor.numpy() for tensor in decoder.beam_search(states, real, histories, width))
    exact = decoder.scores(states, real).numpy()
    for case in range(3):
        admissible = set(range(len(words))) - set(histories[case].tolist())
        got = found[case][found[case] >= 0]
        assert len(got) == len(set(got)) == min(width, len(admissible))
        assert set(got) <= admissible
        np.testing.assert_allclose(scores[case, : len(got)], exact[case, got], atol=1e-4)
        assert (np.diff(scores[case, : len(got)]) <= 0).all()
        assert np.isneginf(scores[case, len(got) :]).all()
        if width >= len(words):
            assert exact[case, got].tolist() == sorted(exact[case, got].tolist(), reverse=True)


def test_enough_beams_find_the_best_string_of_umt5_too() -> None:
    words: Strings = [(6, 7), (6,), (6, 7, 8), (9, 6), (9, 9), (8,)]
    (net, _), (states, real) = built("umt5", "sdpa"), prompts(4)
    decoder = StringDecoder(net.t5, trie_of(words), START, None)
    found, scores = decoder.beam_search(states, real, Histories.of([[], [1], [1, 2], [0, 1, 2, 3]]), 6)
    exact = forced(net.t5, states, real, words)
    for case, history in enumerate(([], [1], [1, 2], [0, 1, 2, 3])):
        exact[case, history] = -np.inf
        order = np.argsort(-exact[case])[: 6 - len(history)]
        assert found[case].tolist() == order.tolist() + [-1] * len(history)
        np.testing.assert_allclose(scores[case, : len(order)], exact[case, order], atol=1e-4)


def test_constraint_serves_the_generation_of_transformers() -> None:
    words: Strings = [(6, 7), (6,), (6, 7, 8), (9, 6), (9, 9), (8,)]
    states, real = prompts(2)
    constraint = TrieConstraint(trie_of(words), Histories.of([[1], [0, 2]]), PAD, 2, torch.device("cpu"))
    out = NET.t5.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        attention_mask=real,
        decoder_input_ids=torch.tensor([START, START]),
        logits_processor=LogitsProcessorList([constraint]),
        num_beams=3,
        num_return_sequences=3,
        max_new_tokens=4,
        eos_token_id=END,
        do_sample=False,
    )
    items = constraint.items(constraint.nodes(out)).view(2, 3)
    assert (items >= 0).all()
    assert not {1} & set(items[0].tolist())
    assert not {0, 2} & set(items[1].tolist())
    assert all(len(set(row)) == 3 for row in items.tolist())


def test_one_item_is_found_whatever_it_is_called() -> None:
    states, real = prompts(2)
    for word in ((), (6,), (6, 7, 8)):
        decoder = StringDecoder(NET.t5, trie_of([word]), START, None)
        found, scores = decoder.beam_search(states, real, Histories.of([[], [0]]), 5)
        assert found[:, 0].tolist() == [0, -1]
        np.testing.assert_allclose(scores[0, 0], forced(NET.t5, states, real, [word])[0, 0], atol=1e-4)
