"""Facts as numbers, item trees as tokens, histories as slices: each held against a plain definition."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.knowledge.item_facts import MOST_SHARING, Alikeness, ItemFacts, PromptFacts
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
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
