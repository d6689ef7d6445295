"""Controls: twins trained anew with the same settings, budget and seeds, and other knowledge or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kptoolkit.knowledge.item_trees import ItemTrees

#: Seed of the one derangement that shuffled knowledge means.
DERANGEMENT_SEED: Final = 20230817

#: What each control does to the item trees.
CONTROLS: Final[Mapping[str, Callable[[ItemTrees], ItemTrees]]] = {
    "no-knowledge": lambda trees: trees.without_knowledge(),
    "shuffled-knowledge": lambda trees: trees.shuffled(DERANGEMENT_SEED),
}


def unchanged(trees: ItemTrees) -> ItemTrees:
    """The model itself: no control."""
    return trees
