"""Facts as numbers, item trees as tokens, histories as slices: each held against a plain definition."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kptoolkit.data.slices import NOTHING, Slices, padded
from kptoolkit.data.splits import Histories
from kptoolkit.errors import PromptTooLongError
from kptoolkit.knowledge.compiled import CompiledKnowledge, KnowledgeSource, TokenPool, encode_prompts
from kptoolkit.knowledge.item_facts import MOST_SHARING, Alikeness, ItemFacts, PromptFacts
from kptoolkit.knowledge.prompt_batches import PromptAssembler
from kptoolkit.knowledge.tree_batches import TreeAssembler
from kptoolkit.models.t5.tokenizers import PhraseTokenizer
from kptoolkit.testing.small_worlds import ITEMS, chain_task


@pytest.fixture
def source(tmp_path: Path) -> KnowledgeSource:
    return chain_task(tmp_path, {"tree.hops": 2, "tree.degree": 3}).knowledge


def test_facts_say_what_the_prompts_say(source: KnowledgeSource) -> None:
    trees, items = source.trees(0), source.catalogue.item_of_entity()
    numbers = PromptFacts.of(source.pool, items, len(source.catalogue))
    facts = numbers.around(trees)
    entity = {row: name for name, row in items.items()}
    entity |= {len(source.catalogue) + number: name for number, name in enumerate(numbers.entities)}
    assert len(facts.far) == len(trees.prompt) > 0
    for row, prompt in enumerate(source.pool[number] for number in trees.prompt):
        inverse = prompt.near == prompt.tail
        assert numbers.relations[facts.relation[row]] == ("<" if inverse else "") + prompt.relation
        assert entity[int(facts.far[row])] == (prompt.head if inverse else prompt.tail)
        assert facts.hop[row] == trees.hop[row]


def test_what_training_never_saw_says_nothing(source: KnowledgeSource) -> None:
    trees, items = source.trees(0), source.catalogue.item_of_entity()
    known = PromptFacts.of(source.pool[:5], items, len(source.catalogue))
    later = PromptFacts.of(source.pool, items, len(source.catalogue), known=known)
    assert (later.relations, later.entities) == (known.relations, known.entities)
    np.testing.assert_array_equal(later.far[:5], known.far)
    facts = later.around(trees)
    assert 0 < len(facts.far) < len(trees.prompt)
    assert facts.indptr[-1] == len(facts.far)
    assert int(facts.far.max()) < len(source.catalogue) + len(known.entities)


def plain_alikeness(facts: ItemFacts) -> dict[tuple[int, int, int], float]:
    """By the definition, pair by pair."""
    columns = zip(facts.rows, facts.relation, facts.far, facts.hop, strict=True)
    near = [(int(i), int(r), int(f)) for i, r, f, hop in columns if hop == 1]
    n, told = facts.n_items, set(near)
    sharing = defaultdict(set)
    for item, relation, far in told:
        sharing[relation, far].add(item)
    found: dict[tuple[int, int, int], float] = defaultdict(float)
    for (relation, far), items in sharing.items():
        if 1 < len(items) <= MOST_SHARING:
            for one in items:
                for other in items - {one}:
                    found[one, other, relation] += (np.log(n / len(items)) / np.log(n)) ** 2
        for one in items:
            if far < n and far != one:
                found[one, far, facts.n_relations + relation] = 1.0
    return {key: value for key, value in found.items() if value > 0}


facts_strategy = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 8), st.integers(1, 2)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(facts_strategy)
def test_alikeness_is_its_definition(rows: list[tuple[int, int, int, int]]) -> None:
    rows = sorted(rows)
    item, relation, far, hop = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True)) if rows else (
        np.zeros(0, np.int32),) * 4  # fmt: skip
    indptr = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=6))]).astype(np.int64)
    facts = ItemFacts(indptr, relation, hop.astype(np.int8), far, 2, 3)
    alike = Alikeness.of(facts)
    one = np.repeat(np.arange(6), np.diff(alike.indptr))
    found = {
        (int(a), int(b), int(k)): float(v) for a, b, k, v in zip(one, alike.other, alike.kind, alike.value, strict=True)
    }
    expected = plain_alikeness(facts)
    assert found.keys() == expected.keys()
    assert all(abs(found[key] - expected[key]) < 1e-5 for key in expected)


def test_no_facts_make_nothing_alike(source: KnowledgeSource) -> None:
    facts = PromptFacts.of(source.pool[:0], {}, ITEMS).around(source.trees(0).without_knowledge())
    alike = Alikeness.of(facts)
    assert len(alike.other) == len(facts.far) == 0
    assert alike.indptr.tolist() == [0] * (ITEMS + 1)


def test_a_tree_is_the_prompt_cut_at_its_root(source: KnowledgeSource) -> None:
    """The tree of an item holds what a prompt with that one item holds below its item node, under the same mask."""
    trees, n = source.trees(0), len(source.catalogue)
    template = next(t for t in source.pack.mpp if not t.has_user)
    texts = [part for part in template.parts if isinstance(part, str)]
    tokenizer = PhraseTokenizer.build(source.pool, texts, source.catalogue.item_of_entity())
    knowledge = CompiledKnowledge(trees, encode_prompts(source.pool, tokenizer))
    own = np.arange(tokenizer.size, tokenizer.size + n, dtype=np.int32)
    names = TokenPool(own, np.ones(n, dtype=np.bool_), np.arange(n + 1, dtype=np.int64))
    budget = 18
    fixed = 2 + sum(len(text.split()) and 1 for text in texts)  # mask, end, and one phrase token a text
    prompts = PromptAssembler(knowledge, names, TokenPool.of([]), [template], tokenizer, max_tokens=budget, history=1)
    whole = prompts.assemble(np.full(n, -1, np.int32), Histories.of([[i] for i in range(n)]), np.zeros(n, np.int64))
    cut = TreeAssembler(knowledge, names, max_tokens=budget - fixed, pad_id=tokenizer.pad_id)
    stand = TreeAssembler(
        knowledge, names, max_tokens=budget - fixed, pad_id=tokenizer.pad_id, own=own, stand_in=tokenizer.mask_id
    )
    order = np.random.default_rng(1).permutation(n)
    alone, standing = cut.assemble(order), stand.assemble(order)
    assert cut.left_out == whole.left_out > 0
    for place, item in enumerate(order):
        below, there = whole.node[item] > 0, alone.node[place] >= 0
        np.testing.assert_array_equal(alone.input_ids[place][there], whole.input_ids[item][below])
        np.testing.assert_array_equal(alone.node[place][there], whole.node[item][below] - 1)
        np.testing.assert_array_equal(alone.parent[place][there], whole.parent[item][below] - 1)
        swapped = np.where(alone.input_ids[place] == own[item], tokenizer.mask_id, alone.input_ids[place])
        np.testing.assert_array_equal(standing.input_ids[place], swapped)
        assert (alone.parent[place][~there] == -3).all()


def test_a_name_beyond_the_budget_is_refused(source: KnowledgeSource) -> None:
    names = TokenPool.of([(np.arange(9, dtype=np.int32), np.ones(9, np.bool_))] * len(source.catalogue))
    knowledge = CompiledKnowledge(source.trees(0).without_knowledge(), TokenPool.of([]))
    with pytest.raises(PromptTooLongError, match="9 tokens"):
        TreeAssembler(knowledge, names, max_tokens=8, pad_id=0)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 9), st.integers(0, 50))
def test_an_epoch_predicts_every_event_but_the_first(lengths: list[int], length: int, epoch: int) -> None:
    first = np.cumsum([0, *lengths])
    histories = Histories.of([list(range(a, b)) for a, b in pairwise(first.tolist())])
    slices = Slices.of(histories, length=length, seed=7)
    wanted = {event for a, b in pairwise(first.tolist()) for event in range(a + 1, b)}
    assert slices.positions == len(wanted)
    if not len(slices):
        assert not wanted
        return
    items, labels = slices.batch(np.arange(len(slices)), slices.draw(epoch))
    assert items.shape == labels.shape
    assert items.shape[1] <= length
    assert set(labels[labels != NOTHING].tolist()) == wanted
    np.testing.assert_array_equal(labels[items >= 0], items[items >= 0] + 1)
    assert (labels[items < 0] == NOTHING).all()
    assert (slices.draw(epoch) == slices.draw(epoch)).all()


def test_histories_are_padded_on_the_right() -> None:
    rows = padded(Histories.of([[], [1, 2, 3], [4]]), 2)
    assert rows.tolist() == [[-1, -1], [2, 3], [4, -1]]
    assert padded(Histories.of([[]]), 5).tolist() == [[-1]]
