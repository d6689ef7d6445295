"""The bag of facts compared with its definition as a loop."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from kptoolkit.knowledge.item_facts import ItemFacts
from kptoolkit.models.t5.sequence.item_encoders import FactBagEncoder
from kptoolkit.models.t5.tree_t5 import TreeT5

ITEMS, ENTITIES, RELATIONS, HOPS, WIDTH = 6, 4, 3, 2, 5


def random_facts(seed: int) -> ItemFacts:
    """Facts in no order, some of them twice; the third item has none."""
    draw = np.random.default_rng(seed)
    sizes = draw.integers(4, 12, ITEMS)
    sizes[2] = 0
    count = int(sizes.sum())
    return ItemFacts(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        draw.integers(0, RELATIONS, count).astype(np.int32),
        draw.integers(1, HOPS + 1, count).astype(np.int8),
        draw.integers(0, ITEMS + ENTITIES, count).astype(np.int32),
        RELATIONS,
        ENTITIES,
    )


def summed(
    facts: ItemFacts, tokens: torch.Tensor, entities: torch.Tensor, gate: torch.Tensor, hops: int
) -> torch.Tensor:
    """For every relation and hop the mean of the far ends, times that kind's gate, summed."""
    found = torch.zeros(len(facts), WIDTH)
    for item in range(len(facts)):
        rows = range(facts.indptr[item], facts.indptr[item + 1])
        for relation in range(RELATIONS):
            for hop in range(1, hops + 1):
                far = [int(facts.far[row]) for row in rows if (facts.relation[row], facts.hop[row]) == (relation, hop)]
                ends = [tokens[end] if end < ITEMS else entities[end - ITEMS] for end in far]
                if ends:
                    found[item] += gate[relation * hops + hop - 1] * sum(ends) / len(ends)
    return found


@pytest.mark.parametrize(("seed", "hops"), [(0, HOPS), (1, HOPS), (2, 1), (3, HOPS + 1)])
def test_a_bag_is_the_gated_sum_over_kinds_of_the_mean_far_end(seed: int, hops: int) -> None:
    """Of the facts that are near enough."""
    torch.manual_seed(seed)
    facts, tokens = random_facts(seed), torch.randn(ITEMS, WIDTH)
    bag, no_tree = FactBagEncoder(facts, WIDTH, hops), cast(TreeT5, None)
    with torch.no_grad():
        bag.gate.normal_()
        bag.entities.weight.normal_()
        weights = bag.entities.weight, bag.gate, hops
        vectors = bag(no_tree, tokens)
        torch.testing.assert_close(vectors, summed(facts, tokens, *weights))
        assert not vectors[2].any(), "no facts, no knowledge"
        other = random_facts(seed + 10)
        torch.testing.assert_close(bag.variants(no_tree, tokens, other, []), summed(other, tokens, *weights))
        bag.use(other)
        torch.testing.assert_close(bag(no_tree, tokens), summed(other, tokens, *weights))
