"""Similar items in the graph, compared with a plain definition, and what is lost with a fact."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.knowledge.item_facts import ItemFacts, PromptFacts
from kptoolkit.models.parts.graph_similarity import MAX_SHARING, FactHolders, GraphSimilarity
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.testing.small_worlds import ITEMS, chain_task


def plain_similarity(facts: ItemFacts) -> dict[tuple[int, int, int], float]:
    """By the definition, pair by pair."""
    columns = zip(facts.rows, facts.relation, facts.far, facts.hop, strict=True)
    near = [(int(i), int(r), int(f)) for i, r, f, hop in columns if hop == 1]
    n, stated = len(facts), set(near)
    sharing = defaultdict(set)
    for item, relation, far in stated:
        sharing[relation, far].add(item)
    found: dict[tuple[int, int, int], float] = defaultdict(float)
    for (relation, far), items in sharing.items():
        if 1 < len(items) <= MAX_SHARING:
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
def test_similarity_is_its_definition(rows: list[tuple[int, int, int, int]]) -> None:
    rows = sorted(rows)
    item, relation, far, hop = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True)) if rows else (
        np.zeros(0, np.int32),) * 4  # fmt: skip
    indptr = indptr_of(np.bincount(item, minlength=6))
    facts = ItemFacts(indptr, relation, hop.astype(np.int8), far, 2, 3)
    pairs = GraphSimilarity.of(facts)
    one = pairs.rows
    found = {
        (int(a), int(b), int(k)): float(v) for a, b, k, v in zip(one, pairs.other, pairs.kind, pairs.value, strict=True)
    }
    expected = plain_similarity(facts)
    assert found.keys() == expected.keys()
    assert all(abs(found[key] - expected[key]) < 1e-5 for key in expected)


def test_without_facts_nothing_is_similar(tmp_path: Path) -> None:
    source = chain_task(tmp_path, {"tree.hops": 2, "tree.degree": 3}).knowledge
    facts = PromptFacts.of(source.pool[:0], {}, ITEMS).around(source.trees(0).without_knowledge())
    pairs = GraphSimilarity.of(facts)
    assert len(pairs.other) == len(facts.far) == 0
    assert pairs.indptr.tolist() == [0] * (ITEMS + 1)


@given(facts_strategy, st.data())
def test_what_is_lost_with_facts_follows_from_the_items_that_have_them(
    rows: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    rows = sorted(set(rows))
    lost = data.draw(st.sets(st.sampled_from(rows))) if rows else set()
    whole, left = facts_of(rows), facts_of([row for row in rows if row not in lost])
    kinds, read = np.array([0.5, 1.0, 2.0, 3.0]), np.array([1.0, 0.0, 0.5, 0.0, 0.25, 0.0])
    pairs = [(item, far * 2 + relation) for item, relation, far, hop in lost if hop == 1]
    before, after = (similarity_to(facts, read, kinds) for facts in (whole, left))
    np.testing.assert_allclose(FactHolders.of(whole).change(pairs, read, kinds), after - before, atol=1e-5)


def facts_of(rows: list[tuple[int, int, int, int]]) -> ItemFacts:
    """Facts of six items by rows of item, relation, far end and hop, sorted by item."""
    item, relation, far, hop = np.array(rows, dtype=np.int32).reshape(-1, 4).T
    return ItemFacts(indptr_of(np.bincount(item, minlength=6)), relation, hop.astype(np.int8), far, 2, 3)


def similarity_to(facts: ItemFacts, read: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Similarity of every item to a history, pair by pair."""
    found = np.zeros(6)
    for (one, other, kind), value in plain_similarity(facts).items():
        found[other] += read[one] * kinds[kind] * value
    return found
