"""Small data sets for tests: a catalogue, its graph and its readers, built by fixed rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit import metrics
from kptoolkit.config import load_config
from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases
from kptoolkit.data.interactions import Interactions
from kptoolkit.data.splits import leave_one_out
from kptoolkit.evaluation.controls import unchanged
from kptoolkit.evaluation.ranking import evaluate
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models import FitTask
from kptoolkit.prompts import TemplatePack

ITEMS, USERS, EVENTS = 24, 60, 9
_AUTHOR, _NEXT = "book.written_work.author", "book.written_work.next_in_series"


def chain_interactions() -> Interactions:
    """Users who read the items in a ring, each from a different start: the next item is certain."""
    users, items = [], []
    for user in range(USERS):
        for step in range(EVENTS):
            users.append(f"u{user:02d}")
            items.append(f"i{(user * 5 + step) % ITEMS:02d}")
    return Interactions.of(users, items, np.tile(np.arange(EVENTS, dtype=float), USERS))


def chain_neighbourhoods(catalogue: Catalogue) -> Neighbourhoods:
    """Each item has one of four authors and a next item; authors come from two places; the last item is unlinked."""
    linked = [str(entity) for entity in catalogue.entity_ids if entity is not None]
    rows, nodes = [], {}
    for number, entity in enumerate(linked):
        author, follower = f"a{number % 4}", linked[(number + 1) % len(linked)]
        nodes[entity] = (f"Book {number}", 3)
        nodes[author] = (f"Author {number % 4}", 1 + len(linked) // 4)
        rows += [(entity, _AUTHOR, author, True), (author, _AUTHOR, entity, False)]
        rows += [(entity, _NEXT, follower, True), (follower, _NEXT, entity, False)]
    for number in range(4):
        place = f"p{number % 2}"
        nodes[place] = (f"Place {number % 2}", 2)
        rows += [(f"a{number}", "people.person.place_of_birth", place, True)]
    asked = [entity if entity is not None else "" for entity in catalogue.entity_ids]
    return Neighbourhoods.of_rows(asked, nodes, rows, hops=2)


def chain_task(
    folder: Path,
    settings: dict[str, Any] | None = None,
    interactions: Interactions | None = None,
    **changes: Any,
) -> FitTask:
    """Create a training task on the ring of items that is learnt within seconds.

    Args:
        folder: For checkpoints and logs.
        settings: ``{"section.key": value}`` in addition to the small defaults.
        interactions: Other events than those of :func:`chain_interactions`.
        changes: Fields of the task to set, e.g. ``resume=True``.
    """
    small = {"training.epochs": 2, "training.batch_size": 16, "training.eval_every": 1, "prompts.pack": "books"}
    config = load_config(overrides={**small, **(settings or {})}, environ={})
    interactions = interactions or chain_interactions()
    ids = interactions.item_ids
    entities = np.array([f"e{item}" if row < len(ids) - 1 else None for row, item in enumerate(ids)], dtype=object)
    titles = np.array([f"Book {row}" for row in range(len(ids))], dtype=object)
    catalogue = Catalogue(ids, titles, entities)
    split = leave_one_out(interactions)
    knowledge = KnowledgeSource(
        chain_neighbourhoods(catalogue),
        catalogue,
        TemplatePack.load(config.prompts.pack),
        config.tree,
        config.prompts,
        config.graph.max_degree,
    )

    def validate(score: Callable[[Cases], NDArray[np.float32]]) -> dict[str, float]:
        return metrics.summary(evaluate(score, split.valid, len(catalogue), shared=True).ranks)

    fields: dict[str, Any] = {
        "config": config,
        "catalogue": catalogue,
        "split": split,
        "user_ids": interactions.user_ids,
        "knowledge": knowledge,
        "knowledge_change": unchanged,
        "checkpoints": folder / "checkpoints",
        "logs": folder / "tensorboard",
        "validate": validate,
    }
    return FitTask(**{**fields, **changes})
