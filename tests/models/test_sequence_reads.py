"""What `sequence` reads: the words of a template, the latest items, their tokens and their knowledge, nothing ahead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_sequence import LONG, VARIANTS, backend, scores_at_every_place

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.t5.building import training_templates
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.models.t5.sequence.sequence_state import build_state
from kptoolkit.models.t5.tokenizers import PhraseTokenizer, SubwordTokenizer
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SHORT = LONG | {"training.epochs": 4, "training.eval_every": 4}


@pytest.mark.train
@pytest.mark.parametrize("variant", ["cross", "deep", "tree"])
def test_scores_up_to_t_do_not_know_the_knowledge_of_what_follows(tmp_path: Path, variant: str) -> None:
    """Item 9 follows item 5. Without its facts nothing changes before it except the score of item 9 itself."""
    fitted, history = backend(**VARIANTS[variant]), [3, 4, 5, 9, 7]
    fitted.fit(chain_task(tmp_path, SHORT))
    before = scores_at_every_place(fitted, history)
    order = np.arange(ITEMS)
    order[9] = -1
    fitted.use_trees(lambda trees: trees.permuted(order))
    after = scores_at_every_place(fitted, history)
    others = [item for item in range(ITEMS) if item != 9]
    torch.testing.assert_close(before[:3, others], after[:3, others], rtol=1e-5, atol=1e-5)
    assert (before[3:, others] - after[3:, others]).abs().max() > 1e-3


@pytest.mark.train
@pytest.mark.parametrize("options", [{}, {"knowledge": "tree"}], ids=["facts", "tree"])
def test_an_item_never_trained_has_no_token_of_its_own(tmp_path: Path, options: dict[str, Any]) -> None:
    task = chain_task(tmp_path)
    keep = task.split.train.items != 11
    lengths = np.bincount(task.split.train.rows[keep], minlength=len(task.split.train))
    train = Histories(np.concatenate([[0], np.cumsum(lengths)]), task.split.train.items[keep])
    fitted = backend(**options)
    split = type(task.split)(**{**vars(task.split), "train": train})
    fitted.fit(chain_task(tmp_path / "without", SHORT, split=split))
    vectors, knowledge = fitted.fitted.current()
    torch.testing.assert_close(vectors[11], knowledge[11])
    assert vectors[11].abs().sum() > 0, "its facts speak for it"
    assert (vectors[10] - knowledge[10]).abs().sum() > 0
    after, _ = with_another_token(fitted, 11)
    torch.testing.assert_close(after[11], vectors[11], rtol=1e-5, atol=1e-5)
    assert (after[10] - vectors[10]).abs().max() > 1e-3, "in the facts of item 10 it stands for item 11"


def with_another_token(fitted: SequenceBackend, item: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors and knowledge after the token of an item is replaced."""
    state = fitted.fitted
    with torch.no_grad():
        state.model.tree.t5.shared.weight[state.parts.first_item + item] += 1.0
    state.forget()
    vectors, knowledge = state.current()
    return vectors, knowledge


@pytest.mark.train
def test_a_token_represents_its_item_in_the_facts_that_lead_to_it(tmp_path: Path) -> None:
    """Over one hop book 5 is followed by book 6, and no other fact leads there."""
    fitted = backend()
    fitted.fit(chain_task(tmp_path, {"training.epochs": 1, "tree.hops": 1, "tree.degree": 2}))
    vectors, before = (tensor.clone() for tensor in fitted.fitted.current())
    after_vectors, after = with_another_token(fitted, 6)
    assert (before != after).any(dim=1).nonzero().flatten().tolist() == [5]
    assert (vectors != after_vectors).any(dim=1).nonzero().flatten().tolist() == [5, 6]


@pytest.mark.train
def test_words_before_the_history_are_read(tmp_path: Path) -> None:
    fitted, task = backend(), chain_task(tmp_path, SHORT)
    fitted.fit(task)
    state, cases = fitted.fitted, task.split.test.take(np.arange(4))
    before = fitted.score(cases)
    state.prefix_tokens = [[(token + 1) % state.tokenizer.size for token in row] for row in state.prefix_tokens]
    assert np.abs(fitted.score(cases) - before).max() > 1e-3


@pytest.mark.parametrize("tokens", ["phrase", "subword"])
def test_words_are_those_of_the_template_before_the_history(tmp_path: Path, tokens: str) -> None:
    task = chain_task(tmp_path)
    state = build_state(backend(tokens=tokens, vocabulary=600).options, task)
    templates = training_templates(task.knowledge.pack, None)
    assert len(state.prefix_tokens) == len(templates) + 1, "and the one that is asked with"
    for row, template in zip(state.prefix_tokens, templates, strict=False):
        text = re.sub(r"\{\{ (user|mask) \}\}", "", template.text.partition("{{ history }}")[0])
        ids = [token for token in row if token != state.tokenizer.pad_id]
        assert row == [state.tokenizer.pad_id] * (len(row) - len(ids)) + ids
        if isinstance(state.tokenizer, PhraseTokenizer):
            before = state.tokenizer.size - len(state.tokenizer.phrases) - len(state.tokenizer.entities)
            read = " ".join(state.tokenizer.phrases[token - before] for token in ids)
        else:
            assert isinstance(state.tokenizer, SubwordTokenizer)
            read = state.tokenizer.tokenizer.decode(ids)
        assert read.split() == text.split()


@pytest.mark.train
def test_two_hundred_items_are_read_and_no_more(tmp_path: Path) -> None:
    fitted = backend()
    fitted.fit(chain_task(tmp_path, {"data.history": 200, "training.epochs": 1}))
    long = np.resize(np.arange(ITEMS), 201).tolist()
    scores = fitted.score(Cases.of(Histories.of([long, [13, *long[1:]], [long[0], 13, *long[2:]]])))
    np.testing.assert_array_equal(scores[1], scores[0], err_msg="the first of 201")
    assert np.abs(scores[2] - scores[0]).max() > 0, "the second of 201"
