"""Changes of the items of a training: a part of the catalogue, fewer links to the graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.interactions import Interactions
from kptoolkit.knowledge.prepare import Prepared, split_of
from kptoolkit.studies.changes.triples import with_neighbourhoods
from kptoolkit.studies.engine.study_definition import Change

_HALVES_SEED = 2308


def half_of_items(number: int) -> Change:
    """Keep the items of one of two random halves of those with events, and the events with them.

    The halves are the same for every seed of a training, so that one training can go on to the items of another.

    Args:
        number: 0 or 1.
    """

    def change(prepared: Prepared, _: int) -> Prepared:
        events = prepared.interactions
        drawn = np.random.default_rng(_HALVES_SEED).permutation(events.n_items)
        kept = np.zeros(events.n_items, bool)
        kept[np.array_split(drawn, 2)[number]] = True
        return with_items(prepared, kept)

    return change


def with_items(prepared: Prepared, kept: NDArray[np.bool_]) -> Prepared:
    """Return the inputs with some of the items that have events, and without items that have none.

    Args:
        prepared: The inputs.
        kept: ``(n,)`` whether to keep each item of the interactions.
    """
    events, catalogue, knowledge = prepared.interactions, prepared.catalogue, prepared.knowledge
    chosen = kept[events.item]
    fewer = Interactions.of(
        events.user_ids[events.user[chosen]],
        events.item_ids[events.item[chosen]],
        events.time[chosen] if events.timed else None,
    )
    row = {str(item): number for number, item in enumerate(catalogue.item_ids)}
    rows = np.array([row[str(item)] for item in fewer.item_ids], np.int64)
    smaller = Catalogue(catalogue.item_ids[rows], catalogue.titles[rows], catalogue.entity_ids[rows])
    found = replace(knowledge.neighbourhoods, roots=knowledge.neighbourhoods.roots[rows])
    return replace(
        prepared,
        interactions=fewer,
        split=split_of(fewer, prepared.config.data),
        catalogue=smaller,
        knowledge=replace(knowledge, neighbourhoods=found, catalogue=smaller),
    )


def linked(share: float) -> Change:
    """Keep the links of a random share of the items to the graph, drawn by the seed of the training."""

    def change(prepared: Prepared, seed: int) -> Prepared:
        found = prepared.knowledge.neighbourhoods
        roots = found.roots.copy()
        items = np.flatnonzero(roots >= 0)
        gone = np.random.default_rng(seed).permutation(items)[round(share * len(items)) :]
        roots[gone] = -1
        return with_neighbourhoods(prepared, replace(found, roots=roots))

    return change
