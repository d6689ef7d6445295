"""Controls: models retrained with the same settings, budget and seeds, but with other knowledge or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kptoolkit.knowledge.item_trees import ItemTrees

#: Seed of the derangement of shuffled knowledge.
DERANGEMENT_SEED: Final = 20230817

#: The change that each control makes to the item trees.
CONTROLS: Final[Mapping[str, Callable[[ItemTrees], ItemTrees]]] = {
    "no-knowledge": lambda trees: trees.without_knowledge(),
    "shuffled-knowledge": lambda trees: trees.shuffled(DERANGEMENT_SEED),
}


def unchanged(trees: ItemTrees) -> ItemTrees:
    """Return the trees as they are: the model itself, not a control."""
    return trees
