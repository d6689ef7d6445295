"""The facts around the catalogue's items as numbers: relations and far ends without words.

They come from the same item trees as the triplet prompts, so that a control changes both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_pool import PromptPool
from kptoolkit.storage.arrays import check_arrays, fitting, read_arrays, write_arrays
from kptoolkit.storage.ragged import Ragged


@dataclass(frozen=True)
class PromptFacts:
    """The fact that each distinct triplet prompt states, as numbers.

    Attributes:
        relation: ``(P,)`` number in ``relations``, -1 for an unknown one.
        far: ``(P,)`` far end: a catalogue row, or ``n_items`` and more for ``entities``; -1 for an unknown one.
        n_items: Catalogue size.
        relations: Relation ids; ``"<id"`` where a relation is read from tail to head.
        entities: Entity ids of the far ends that are not items.
    """

    relation: NDArray[np.int32]
    far: NDArray[np.int32]
    n_items: int
    relations: tuple[str, ...]
    entities: tuple[str, ...]

    @classmethod
    def of(
        cls,
        prompts: PromptPool,
        items: Mapping[str, int],
        n_items: int,
        known: PromptFacts | None = None,
        more: Sequence[str] = (),
        more_relations: Sequence[str] = (),
    ) -> PromptFacts:
        """Number the relations and far ends of prompts.

        Args:
            prompts: The distinct prompts.
            items: Catalogue row of each entity that is one item.
            n_items: Catalogue size.
            known: Facts of a trained model: its relations and entities keep their numbers, all others are unknown.
            more: Entities to number in addition to those of ``prompts``, because later prompts may name them.
            more_relations: Relations to number in addition, in both directions.
        """
        relations = {name: number for number, name in enumerate(known.relations if known else ())}
        entities = {name: number for number, name in enumerate(known.entities if known else ())}
        labels, ends = prompts.labels, prompts.far_ids
        if known is None:
            both = (label for relation in more_relations for label in (relation, f"<{relation}"))
            for label in dict.fromkeys((*labels, *both)):
                relations[label] = len(relations)
            for end in dict.fromkeys((*ends, *more)):
                if end not in items:
                    entities[end] = len(entities)
        relation = np.array([relations.get(label, -1) for label in labels], dtype=np.int32)
        far = [n_items + entities[end] if end in entities else items.get(end, -1) for end in ends]
        return cls(relation, np.array(far, dtype=np.int32), n_items, tuple(relations), tuple(entities))

    def known(self, prompts: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Whether the relation and the far end of each of these prompts are known."""
        known: NDArray[np.bool_] = (self.relation[prompts] >= 0) & (self.far[prompts] >= 0)
        return known

    def around(self, trees: ItemTrees) -> ItemFacts:
        """Return the facts of every item, without those of an unknown relation or far end."""
        read = trees.where(self.known(trees.prompt))
        relation, far = self.relation[read.prompt], self.far[read.prompt]
        return ItemFacts(read.indptr, relation, read.hop, far, len(self.relations), len(self.entities))

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed and atomic."""
        names = {"relations": list(self.relations), "entities": list(self.entities), "n_items": self.n_items}
        write_arrays(folder, {"relation": self.relation, "far": self.far}, names)

    @classmethod
    def load(cls, folder: Path) -> PromptFacts:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        with fitting(folder):
            names = (tuple(extra[name]) for name in ("relations", "entities"))
            found = cls(arrays["relation"], arrays["far"], int(extra["n_items"]), *names)
            ends = ("far ends", found.n_items + len(found.entities))
            check_arrays(found, ("relation", "far"), relation=("relations", len(found.relations)), far=ends)
            return found


@dataclass(frozen=True, eq=False)
class ItemFacts(Ragged):
    """Facts around every item, one row per catalogue item.

    Attributes:
        relation: ``(S,)`` number of the relation and its direction.
        hop: ``(S,)`` hops from the item, from 1.
        far: ``(S,)`` number of the far end: a catalogue row, or ``n_items`` and more for other entities.
        n_relations: Number of relations, each direction counted as one.
        n_entities: Number of entities that are not items.
    """

    columns: ClassVar[tuple[str, ...]] = ("relation", "hop", "far")

    relation: NDArray[np.int32]
    hop: NDArray[np.int8]
    far: NDArray[np.int32]
    n_relations: int
    n_entities: int
