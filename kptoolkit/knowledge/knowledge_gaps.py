"""Finds items with events that have no knowledge, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kptoolkit.data.catalogue import Catalogue, ItemRows
from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.sources.readable_ids import name_of_id
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.names import quantity
from kptoolkit.storage.values.id_rules import propose

FEW = 0.5
"""Share of items with triples, of those with events, below which it is reported."""


@dataclass(frozen=True)
class KnowledgeGaps:
    """The items with events, by what knowledge they have.

    Attributes:
        items: Items with events.
        with_triples: Of these, items with triples in prompts.
        unlinked: Items without a link to the graph.
        bare: Items linked to an entity without triples.
        nameless: Items whose triples are all left out because the other end has no name.
        filtered: Items whose triples are all left out for another reason, such as ``tree.degree``.
        advice: Which ids of items would match, ``""`` if that is not known.
    """

    items: int
    with_triples: int
    unlinked: int
    bare: int
    nameless: int
    filtered: int
    advice: str = ""

    @property
    def note(self) -> str:
        """What to report, ``""`` if at least half of the items have triples."""
        if self.with_triples >= FEW * self.items:
            return ""
        reasons = {
            "have no link to the graph": self.unlinked,
            "are linked to an entity without triples": self.bare,
            "have triples whose other ends have no name (load-kg --names, or prompts.keep_nameless)": self.nameless,
            "have triples that the settings of [tree] leave out": self.filtered,
        }
        said = "; ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
        items = quantity(self.items, "items")
        return f"only {self.with_triples:,} of {items} with events have triples: {said}{self.advice}"

    def require(self) -> None:
        """Check that not every triple was left out as nameless.

        Raises:
            DataError: It was.
        """
        if not self.with_triples and self.nameless:
            raise DataError(
                f"no entity at the other end of a triple has a name, so that none of {quantity(self.items, 'items')} "
                "with events has knowledge; load names (kptool load-kg SOURCE --names FILE), or use ids as names with "
                "prompts.keep_nameless=true"
            )


def knowledge_gaps(source: KnowledgeSource, with_events: int, items: ItemRows) -> KnowledgeGaps:
    """Count what knowledge the items with events have.

    Args:
        source: Knowledge of the catalogue.
        with_events: Number of items with events, which are the first of the catalogue.
        items: Items of the graph.
    """
    found, sizes = source.neighbourhoods, np.diff(source.trees(0).indptr)[:with_events]
    roots = found.roots[:with_events]
    linked, known = source.catalogue.linked[:with_events], sizes > 0
    bare = linked & ~known & ((roots < 0) | (np.diff(found.indptr)[roots] == 0))
    left_out = linked & ~known & ~bare
    nameless = left_out.copy()
    nameless[left_out] = [_nameless(source, node) for node in roots[left_out].tolist()]
    return KnowledgeGaps(
        with_events,
        int(known.sum()),
        int((~linked).sum()),
        int(bare.sum()),
        int(nameless.sum()),
        int((left_out & ~nameless).sum()),
        item_id_advice(source.catalogue, with_events, items.item_id),
    )


def names_note(found: Neighbourhoods) -> str:
    """Return that the entities other than items are called by their ids, ``""`` if some have another name.

    Args:
        found: Triples around the items.
    """
    named = found.names != ""
    named[found.roots[found.roots >= 0]] = False
    pairs = list(zip(found.ids[named], found.names[named], strict=True))
    values = {f"{one.partition(':')[0]}:{name}" for one, name in pairs} & {one for one, _ in pairs}
    if any(one.partition(":")[0] in found.relations for one in values):  # genre:Drama is the value Drama of genre
        return ""
    if not pairs or not all(name in (one, name_of_id(one)) for one, name in pairs):
        return ""
    return "the graph has no names: entities are called by their ids, which are readable; load-kg --names names them"


def _nameless(source: KnowledgeSource, node: int) -> bool:
    found = source.neighbourhoods
    far = found.far[found.indptr[node] : found.indptr[node + 1]]
    return not source.prompts.keep_nameless and all(not name for name in found.names[far])


def item_id_advice(catalogue: Catalogue, with_events: int, item_ids: Sequence[str | None]) -> str:
    """Return which rules would make item ids of the graph those of the events, ``""`` if none would.

    Args:
        catalogue: The catalogue.
        with_events: Number of items with events, which are the first of the catalogue.
        item_ids: Ids of the items of the graph.
    """
    linked = catalogue.linked[:with_events]
    unlinked = set(catalogue.item_ids[:with_events][~linked].tolist())
    there = set(catalogue.item_ids.tolist())
    found = propose((one for one in item_ids if one is not None and one not in there), unlinked) if unlinked else None
    if found is None:
        return ""
    before, after = (shorten(one, 60) for one in found.example)
    return (
        f"; {quantity(found.matched, 'items')} of the graph would be items with events if it was loaded with "
        f"kptool load-kg --item-ids '{found.rules}'{' --interactions' * found.rules.compare} "
        f"({before} becomes {after})"
    )
