"""Facts as numbers, compared with the prompts that state them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kptoolkit.knowledge.item_facts import PromptFacts
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.testing.small_worlds import chain_task


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


def test_relations_of_later_prompts_have_numbers(source: KnowledgeSource) -> None:
    """In both directions; where knowledge varies by epoch, the first epoch need not draw every relation."""
    items, n = source.catalogue.item_of_entity(), len(source.catalogue)
    every = source.neighbourhoods.relations
    known = PromptFacts.of(
        source.pool[:1], items, n, more=list(map(str, source.neighbourhoods.ids)), more_relations=every
    )
    later = PromptFacts.of(source.pool, items, n, known=known)
    assert {*every, *(f"<{relation}" for relation in every)} == set(known.relations)
    assert later.known(np.arange(len(source.pool))).all()


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
