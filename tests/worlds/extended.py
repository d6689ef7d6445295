"""A catalogue with an item that came after the training."""

from __future__ import annotations

from typing import Any

import numpy as np

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.knowledge.knowledge_source import KnowledgeSource


def extended(task: Any, facts_of: int) -> tuple[Catalogue, KnowledgeSource]:
    """The catalogue with a new item that has the author of item ``facts_of`` and precedes the same next item."""
    old, around = task.catalogue, task.knowledge.neighbourhoods
    catalogue = Catalogue(
        np.append(old.item_ids, "new"), np.append(old.titles, "New"), np.append(old.entity_ids, "e-new")
    )
    rows = [
        (str(around.ids[around.near[row]]), around.relations[around.relation[row]], str(around.ids[around.far[row]]),
         bool(around.forward[row]))
        for row in range(len(around.far))
    ]  # fmt: skip
    model_item = str(old.entity_ids[facts_of])
    rows += [("e-new", relation, far, forward) for near, relation, far, forward in rows if near == model_item]
    nodes = {str(i): (str(n), int(d)) for i, n, d in zip(around.ids, around.names, around.degrees, strict=True)}
    nodes["e-new"] = ("New", 3)
    asked = [entity if entity is not None else "" for entity in catalogue.entity_ids]
    found = type(around).of_rows(asked, nodes, rows, hops=2)
    known = task.knowledge
    return catalogue, KnowledgeSource(found, catalogue, known.pack, known.tree, known.prompts, known.max_degree)
