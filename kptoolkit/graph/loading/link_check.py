"""Checks a source: that links lead to entities with triples, and what would make them; and for suspicious ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import DataError, shorten
from kptoolkit.graph.loading.survey import Survey
from kptoolkit.names import quantity
from kptoolkit.storage.values.cells import nearly_equal, several_values
from kptoolkit.storage.values.id_rules import Proposal, other_form, propose

FEW = 0.5
"""Share of items with knowledge below which it is a warning."""
MANY = 0.1
"""Share of links without a triple above which it is one."""


@dataclass(frozen=True)
class LinkCheck:
    """What the links of a source lead to.

    Attributes:
        items: Items that were counted: those with events, or those with a link.
        linked: Of these, items with an entity.
        without: Of these, items whose entity has no triple.
        nameless: Items with triples whose far ends have no name.
        examples: Ids of some entities of links without a triple.
        others: Ids of some entities of triples.
        proposal: Rules with which more links lead to a triple; ``None`` if none was found.
        of_events: Whether the items with events were counted.
    """

    items: int = 0
    linked: int = 0
    without: int = 0
    nameless: int = 0
    examples: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    proposal: Proposal | None = None
    of_events: bool = False

    @property
    def advice(self) -> str:
        """What to do about links that lead to no triple."""
        if self.proposal is None:
            return "compare the ids of links and triples, or give other columns with --columns entity=HEADER"
        found, (before, after) = self.proposal, self.proposal.example
        return (
            f"with --link-ids '{found.rules}' {found.matched:,} more would match "
            f"({shorten(before, 60)} becomes {shorten(after, 60)})"
        )

    def warnings(self) -> list[str]:
        """Return a sentence for links that lead to no triple, and one if few items have knowledge."""
        found = []
        if self.without > MANY * self.linked or self.proposal is not None:
            said = f"{self.without:,} of {quantity(self.linked, 'linked items')} have an entity without triples"
            found.append(f"{said}, e.g. {', '.join(self.examples)}; {self.advice}")
        known = self.linked - self.without - self.nameless
        if known < FEW * self.items:
            reasons = {
                "without a link": self.items - self.linked,
                "linked to an entity without triples": self.without,
                "with triples whose other ends have no name": self.nameless,
            }
            said = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
            of = "items with events" if self.of_events else "linked items"
            ids = "; name them with --names FILE, or use ids as names (prompts.keep_nameless=true) when you fit"
            found.append(f"only {known:,} of {self.items:,} {of} have knowledge: {said}{ids if self.nameless else ''}")
        return found


def check_links(found: Survey, only: Collection[str] | None = None) -> LinkCheck:
    """Count the items whose entity has no triple, and look for rules that would change that.

    Args:
        found: A surveyed source.
        only: Ids of the items with events; ``None`` counts every item with a link.
    """
    degrees, named = found.degrees, _ends_named(found)
    items = [item for item in found.items if only is None or item.item_id in only]
    linked = [item for item in items if item.entity >= 0]
    missing = [found.entities[item.entity] for item in linked if not degrees[item.entity]]
    nameless = sum(bool(degrees[item.entity]) and not named[item.entity] for item in linked)
    known = {found.entities[number] for number in np.flatnonzero(degrees)} if missing else set()
    proposal = propose(missing, known) if missing else None
    if proposal is not None:
        after = proposal.rules.rewritten((found.entities[item.entity] for item in linked), lambda: known).ids
        hits = sum(after[found.entities[item.entity]] in known for item in linked)
        proposal = proposal if hits > len(linked) - len(missing) else None
    return LinkCheck(
        len(linked) if only is None else len(only),
        len(linked),
        len(missing),
        nameless,
        _some(missing),
        _some(found.entities[number] for number in found.head[:2]) if missing else (),
        proposal,
        only is not None,
    )


def item_warnings(found: Survey, with_events: Collection[str] | None) -> list[str]:
    """Return a sentence if items of events are listed with another form of their id, such as without leading zeros.

    Args:
        found: A surveyed source.
        with_events: Ids of the items with events; ``None`` if these were not read.
    """
    proposal = other_form((item.item_id for item in found.items), with_events or ())
    if proposal is None:
        return []
    before, after = proposal.example
    said = f"{quantity(proposal.matched, 'items')} of the interactions have another id in links and item files"
    rules = f"with --item-ids '{proposal.rules}' they match ({shorten(before, 60)} becomes {shorten(after, 60)})"
    return [f"{said}, e.g. {shorten(after, 60)} and {shorten(before, 60)}; {rules}"]


def require_links(check: LinkCheck, label: str) -> None:
    """Check that at least one link leads to a triple.

    Args:
        check: The links.
        label: Name of the source.

    Raises:
        DataError: None does; with ids of both sides and the option that makes them match, if there is one.
    """
    if check.without and check.without == check.linked:
        said = (
            f"none of the entities of {quantity(check.linked, 'linked items')} is in a triple: links have e.g. "
            f"{check.examples[0]}, triples e.g. {check.others[0]}"
        )
        raise DataError(f"{said}; {check.advice}", label)


def value_warnings(found: Survey) -> list[str]:
    """Return sentences for relations that differ only in case, ids that look like several values, and several names."""
    said = []
    if relations := nearly_equal(found.relations):
        shown = ", ".join(shorten(" / ".join(group), 100) for group in relations[:3])
        said.append(f"relations that differ only in case or in their form count as different: {shown}")
    if several := several_values(found.entities):
        shown = f"{quantity(len(several), 'entities')} with '|' in the id, e.g. {shorten(several[0], 60)}"
        said.append(f"{shown}; if these are several values, --split '|' divides them")
    for noun, kind, several_of in (
        ("entities", "names", found.several_names),
        ("items", "titles", found.several_titles),
    ):
        if several_of:
            shown = "; ".join(several_said(several_of, 2))
            said.append(f"{quantity(len(several_of), noun)} with several {kind}, of which the first is kept: {shown}")
    return said


def several_said(several_of: Mapping[str, tuple[str, str]], count: int) -> list[str]:
    """Return some ids with two names each.

    Args:
        several_of: Two names by id, the one that is kept first.
        count: Number of ids.
    """
    return [
        f"{shorten(one, 40)} is {shorten(first, 60)}, not {shorten(other, 60)}"
        for one, (first, other) in islice(several_of.items(), count)
    ]


def _ends_named(found: Survey) -> NDArray[np.bool_]:
    """``(N,)`` whether an entity has a triple whose other end has a name."""
    has_name = np.array([bool(name) for name in found.names], dtype=bool)
    named = np.zeros(len(has_name), dtype=bool)
    named[found.head[has_name[found.tail]]] = True
    named[found.tail[has_name[found.head]]] = True
    return named


def _some(ids: Iterable[str], count: int = 3) -> tuple[str, ...]:
    return tuple(shorten(one, 60) for one in islice(dict.fromkeys(ids), count))
