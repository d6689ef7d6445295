"""Guesses which labels of a foreign graph are items, entities and users, and which properties are ids and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from kptoolkit.errors import DataError, InputError, shorten
from kptoolkit.graph.foreign.role_words import (
    EVENT_NODES,
    EVENTS,
    IDS,
    ITEMS,
    NAMES,
    TIMES,
    UNLIKELY_NAMES,
    USERS,
    words_of,
)
from kptoolkit.graph.foreign.schema import GraphSchema, Property, RelationshipKind
from kptoolkit.names import local_name, nearest, too_long_for_an_index

IdKind = Literal["integer", "text", "element"]
#: Of a label and a property: nodes, nodes with the property, distinct values.
Distinct = Callable[[str, str], tuple[int, int, int]]


_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_LAST_WORDS = ("name", "title", "nom", "titre", "titel")
_LONGEST_NAME = 80
_ENOUGH = 4
OUR_NODE = "KptoolGraph"
RECOMMENDED = "RECOMMENDED"
_OUR_PROPERTIES = frozenset({"run", "rank", "score", "source"})


@dataclass(frozen=True)
class NodeKey:
    """The properties that identify and name the nodes of a label.

    Attributes:
        label: The label.
        key: Property whose value is the id; ``None`` for the database's own element id.
        kind: Type of the id.
        name: Property with the name; ``None`` if the id must serve as name.
        name_language: Language of the name to take where it is one of several, such as ``Heat@en`` and ``Hitze@de``;
            ``None`` where there is one name.
    """

    label: str
    key: str | None
    kind: IdKind
    name: str | None = None
    name_language: str | None = None


@dataclass(frozen=True)
class Through:
    """Nodes between users and items, each of which is an event.

    Attributes:
        label: Their label.
        type: Relationship type between them and items.
        to_item: Whether it points to the item.
    """

    label: str
    type: str
    to_item: bool


@dataclass(frozen=True)
class Events:
    """The relationships that are interactions.

    Attributes:
        type: Relationship type at the user.
        user: Ids of the users.
        time: Property with the time, of the node in between if there is one; ``None`` if there is none.
        to_item: Whether it points away from the user.
        through: The node in between, such as an order; ``None`` if users and items are connected directly.
    """

    type: str
    user: NodeKey
    time: str | None
    to_item: bool
    through: Through | None = None

    @property
    def types(self) -> set[str]:
        """The relationship types of interactions, which are no knowledge."""
        return {self.type} if self.through is None else {self.type, self.through.type}

    @property
    def label(self) -> str | None:
        """The label of the node in between."""
        return None if self.through is None else self.through.label

    def item_sides(self, ends: Iterable[RelationshipKind]) -> list[frozenset[str]]:
        """Return the labels at the ends of interactions that are items."""
        kind, forward = (self.type, self.to_item) if self.through is None else (self.through.type, self.through.to_item)
        return [entry.tail if forward else entry.head for entry in ends if entry.type == kind]


@dataclass(frozen=True)
class Roles:
    """The roles of the labels and relationship types of a foreign graph.

    Attributes:
        entities: Nodes of the knowledge graph, one entry per label; a node with several of them belongs to the first.
        shared: Pairs of these labels that some nodes have both of.
        item: Ids and names of the items.
        relations: Relationship types that are knowledge, the most frequent first.
        events: The interactions, ``None`` when none were found.
        notes: What was left out or could not be decided, one line each.
    """

    entities: tuple[NodeKey, ...]
    shared: frozenset[tuple[str, str]]
    item: NodeKey
    relations: tuple[str, ...]
    events: Events | None
    notes: tuple[str, ...]

    def in_language(self, language: str) -> Roles:
        """Return the roles with names in a language where there are several.

        Raises:
            InputError: It is no language code, such as ``de`` or ``en-GB``.
        """
        if not _LANGUAGE.fullmatch(language):
            raise InputError(f"{shorten(repr(language))} is no language code, such as de or en-GB")

        def changed(known: NodeKey) -> NodeKey:
            return known if known.name_language is None else replace(known, name_language=language)

        return replace(self, entities=tuple(map(changed, self.entities)), item=changed(self.item))

    def entity_of(self, schema: GraphSchema) -> NodeKey:
        """Return the entry of ``entities`` that the nodes of items belong to."""
        for entity in self.entities:
            if any({self.item.label, entity.label} <= labels for labels in schema.nodes):
                return entity
        return self.entities[0]


def usable(name: str) -> bool:
    """Return whether a label, type or key can safely be written into a statement between backticks.

    A backslash could start an escape sequence, which the database replaces before it looks for the closing backtick.
    """
    return bool(name) and name.isprintable() and "\\" not in name


def find_roles(
    schema: GraphSchema, distinct: Distinct, *, item_label: str | None = None, event_label: str | None = None
) -> Roles:
    """Guess the roles by names and counts; ids are verified on all nodes.

    Args:
        schema: Schema of the graph.
        distinct: Counts the distinct values of a property on all nodes of a label.
        item_label: Label of the items; guessed if not given.
        event_label: Relationship type of interactions, or label of the nodes that they pass through.

    Raises:
        DataError: The graph is empty, or has no relationships that could be knowledge.
        InputError: kptool loaded the graph, or a label is not in it.
    """
    if OUR_NODE in schema.labels:
        raise InputError("kptool loaded this graph: its own Cypher files read it, none need be drafted")
    notes: list[str] = []
    labels = [label for label in schema.labels if _take(label, "label", notes) and not _internal(label)]
    if not labels:
        raise DataError("the graph holds no nodes with a label; there is nothing to draft Cypher files for")
    types = {kind for kind in schema.types if _take(kind, "relationship type", notes) and not _ours(schema, kind)}
    ends = [entry for entry in schema.relationships if entry.type in types]
    _check_given(item_label, labels, "--item-label")
    _check_given(event_label, [*labels, *types], "--event-label")
    wanted = _Wanted(item_label, event_label)
    events = _find_events(schema, ends, labels, wanted, distinct, notes)
    primary = _cover(schema, labels)
    if events is not None:
        primary = _without_users(events, ends, [label for label in primary if label != events.label])
    entities = _connected(primary, ends, events)
    if not entities:
        raise DataError("no relationships that could be knowledge were found; write the Cypher files by hand")
    relations = _relations(ends, entities, events)
    item = item_label or (
        _item_label(schema, labels, entities, ends) if events is None else _item_of(events, ends, labels)
    )
    known = {label: _node_key(schema, label, distinct, notes) for label in dict.fromkeys([*entities, item])}
    shared = _shared_labels(schema, entities)
    return Roles(tuple(known[e] for e in entities), shared, known[item], relations, events, tuple(notes))


@dataclass(frozen=True)
class _Wanted:
    """Label of items, and label or type of events, where a person has said them."""

    item: str | None
    event: str | None

    def allows_item(self, label: str) -> bool:
        """Return whether nodes of a label may be items: what a person has said, else neither users nor events."""
        if self.item is not None:
            return label == self.item
        return not _words(label) & (USERS | EVENT_NODES)


def _check_given(given: str | None, known: Sequence[str], option: str) -> None:
    if given is not None and given not in known:
        near = ", ".join(shorten(name) for name in nearest(given, known))
        raise InputError(f"{option} {shorten(given)} is not in the graph; nearest: {near}")


def _internal(label: str) -> bool:
    """Return whether a label is one of a program's own nodes, such as ``_Bloom_Scene_``; ``__Entity__`` is not."""
    return label.startswith("_") and not (label.startswith("__") and label.endswith("__"))


def _ours(schema: GraphSchema, kind: str) -> bool:
    """Return whether ``recommend --write-back`` wrote a relationship type, which is then no knowledge and no event."""
    return kind == RECOMMENDED and {p.name for p in schema.relationship_properties[kind]} >= _OUR_PROPERTIES


def _shared_labels(schema: GraphSchema, labels: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return the pairs of labels that some nodes have both of."""
    return frozenset(
        (one, other)
        for at, one in enumerate(labels)
        for other in labels[at + 1 :]
        if any({one, other} <= combination for combination in schema.nodes)
    )


def _take(name: str, what: str, notes: list[str]) -> bool:
    if usable(name):
        return True
    notes.append(f"{what} {shorten(ascii(name))} was left out: its name cannot be quoted safely")
    return False


def _words(name: str) -> set[str]:
    return set(words_of(name))


def _cover(schema: GraphSchema, labels: Iterable[str]) -> list[str]:
    """Return the most frequent labels that together cover all nodes; ``Actor`` is left out if all are ``Person``."""
    left = set(schema.nodes)
    chosen = []
    for label in labels:
        covered = {combination for combination in left if label in combination}
        if covered:
            chosen.append(label)
            left -= covered
    return chosen


def _find_events(
    schema: GraphSchema,
    ends: Sequence[RelationshipKind],
    labels: Sequence[str],
    wanted: _Wanted,
    distinct: Distinct,
    notes: list[str],
) -> Events | None:
    """Return the relationships most likely to be interactions, or ``None`` if none are likely."""
    found = [*_direct_events(schema, ends, labels, wanted), *_events_through(schema, ends, labels, wanted)]
    if not found:
        return None
    best = max(found, key=lambda guess: (guess.score, guess.count))
    if best.score < _ENOUGH and wanted.event is None:
        return None
    user = _node_key(schema, best.user, distinct, notes)
    if (untimed := _untimed(schema, best)) is not None:
        notes.append(untimed)
    return Events(best.type, user, best.time, best.to_item, best.through)


@dataclass(frozen=True)
class _Guess:
    """Relationships that may be interactions, and how likely they are."""

    score: float
    count: int
    type: str
    user: str
    time: str | None
    to_item: bool
    through: Through | None = None


def _untimed(schema: GraphSchema, events: _Guess) -> str | None:
    """Return how many of the events have no time, if some have one and others have none."""
    if events.time is None:
        return None
    if events.through is None:
        kind, properties, sampled = events.type, schema.relationship_properties, schema.sampled_relationships
    else:
        kind, properties, sampled = events.through.label, schema.node_properties, schema.sampled
    timed = next(found.filled for found in properties[kind] if found.name == events.time)
    if timed == sampled[kind]:
        return None
    missing = f"{sampled[kind] - timed:,} of {sampled[kind]:,} {shorten(kind)} looked at"
    return f"{missing} have no {shorten(events.time)}; interactions.cypher leaves out interactions without it"


def _direct_events(
    schema: GraphSchema, ends: Sequence[RelationshipKind], labels: Sequence[str], wanted: _Wanted
) -> Iterator[_Guess]:
    """Yield the relationships between possible users and items."""
    for entry, user_side, item_side, to_item in _directions(ends):
        if wanted.event not in (None, entry.type):
            continue
        time = time_key(schema.relationship_properties.get(entry.type, ()))
        for user, item in product(sorted(user_side & set(labels)), sorted(item_side & set(labels))):
            if user != item and wanted.allows_item(item):
                score = _event_score(entry.type, user, item, time) - (0 if to_item else 0.5)
                yield _Guess(score, entry.count, entry.type, user, time, to_item)


def _events_through(
    schema: GraphSchema, ends: Sequence[RelationshipKind], labels: Sequence[str], wanted: _Wanted
) -> Iterator[_Guess]:
    """Yield the paths of two relationships from possible users to items through a node that may be an event."""
    for label in labels:
        if label != wanted.event and (wanted.event is not None or not _words(label) & EVENT_NODES):
            continue
        time = time_key(schema.node_properties.get(label, ()))
        near = [(entry, side, away) for entry, side, node, away in _directions(ends) if label in node]
        far = [(entry, side, away) for entry, node, side, away in _directions(ends) if label in node]
        others = set(labels) - {label}
        for (first, users, to_event), (second, items, to_item) in product(near, far):
            for user, item in product(sorted(users & others), sorted(items & others)):
                if user != item and wanted.allows_item(item) and _words(user) & USERS:
                    score = _event_score(first.type, user, item, time) + 2
                    through = Through(label, second.type, to_item)
                    yield _Guess(score, second.count, first.type, user, time, to_event, through)


def _directions(
    ends: Iterable[RelationshipKind],
) -> Iterator[tuple[RelationshipKind, frozenset[str], frozenset[str], bool]]:
    """Yield each relationship in both directions: its labels from and to, and whether that is its own direction."""
    for entry in ends:
        yield entry, entry.head, entry.tail, True
        yield entry, entry.tail, entry.head, False


def _event_score(kind: str, user: str, item: str, time: str | None) -> float:
    return (
        3 * bool(_words(user) & USERS)
        + 2 * bool(_words(kind) & EVENTS)
        + 2 * (time is not None)
        + bool(_words(item) & ITEMS)
    )


def time_key(properties: Iterable[Property]) -> str | None:
    """Return the time of events: a date, or a number or text that is called so; the one that most events have."""
    dates, numbers = {"DateTime", "Date", "datetime", "date"}, {"int", "float", "str"}
    found = [
        (-p.filled, not p.kinds <= dates, p.name)
        for p in properties
        if usable(p.name) and (p.kinds <= dates or (_words(p.name) & TIMES and p.kinds <= numbers))
    ]
    return min(found)[2] if found else None


def _without_users(events: Events, ends: Iterable[RelationshipKind], primary: Sequence[str]) -> list[str]:
    """Return the labels without that of users, unless users are connected by more than events."""
    user = events.user.label
    for entry in ends:
        if entry.type in events.types or (user in entry.head) == (user in entry.tail):
            continue
        other = entry.tail if user in entry.head else entry.head
        if other & set(primary):
            return list(primary)
    return [label for label in primary if label != user]


def _connected(primary: Sequence[str], ends: Iterable[RelationshipKind], events: Events | None) -> list[str]:
    """Return the labels at the ends of a knowledge relationship or an event."""
    chosen = set(primary)
    touched: set[str] = set()
    for entry in ends:
        if events is not None and entry.type in events.types:
            touched |= frozenset().union(*events.item_sides([entry])) & chosen
        elif entry.head & chosen and entry.tail & chosen:
            touched |= (entry.head | entry.tail) & chosen
    return [label for label in primary if label in touched]


def _relations(ends: Iterable[RelationshipKind], entities: Iterable[str], events: Events | None) -> tuple[str, ...]:
    chosen = set(entities)
    event_types = set() if events is None else events.types
    found = [e.type for e in ends if e.head & chosen and e.tail & chosen and e.type not in event_types]
    if not found:
        raise DataError("no relationships that could be knowledge were found; write the Cypher files by hand")
    return tuple(dict.fromkeys(found))


def _item_of(events: Events, ends: Iterable[RelationshipKind], labels: Sequence[str]) -> str:
    sides = events.item_sides(ends)
    no_items = (events.user.label, events.label)
    found = [label for label in labels if any(label in side for side in sides) and label not in no_items]
    return next((label for label in found if _words(label) & ITEMS), found[0])


def _item_label(
    schema: GraphSchema, labels: Sequence[str], entities: Sequence[str], ends: Sequence[RelationshipKind]
) -> str:
    """Return the label of items without events: one with a name for items, else that of most edges per node."""
    linked = [label for label in labels if any(label in c and c & set(entities) for c in schema.nodes)]
    called = [label for label in linked if _words(label) & ITEMS] or [
        label for label in linked if "entity" in _words(label)
    ]
    if called:
        return called[0]
    likely = [label for label in entities if not _words(label) & (USERS | EVENT_NODES)] or list(entities)
    touching = {e: sum(entry.count for entry in ends if e in entry.head | entry.tail) for e in entities}
    return max(likely, key=lambda label: touching[label] / schema.labels[label])


def _node_key(schema: GraphSchema, label: str, distinct: Distinct, notes: list[str]) -> NodeKey:
    properties = [p for p in schema.node_properties[label] if usable(p.name)]
    if mails := [p.name for p in properties if _are_mails(p)]:
        notes.append(
            f"{shorten(label)}.{shorten(mails[0])} looks like e-mail addresses: it is neither id nor name, so that no "
            "prompt and no run contains it; a number is used instead"
        )
        properties = [p for p in properties if p.name not in mails]
    key = _id_key(properties, label, schema.sampled[label], distinct)
    name = _name_of(properties, label)
    named = (None, None) if name is None else (name.name, "en" if name.has_languages else None)
    if key is None:
        notes.append(
            f"no property of {shorten(label)} is a text or whole number that is always there and never twice: its ids "
            "are the database's element ids, which a restore may change; add such a property"
        )
        return NodeKey(label, None, "element", *named)
    kind: IdKind = "integer" if key.is_integer else "text"
    return NodeKey(label, key.name, kind, *named)


def _id_key(properties: Iterable[Property], label: str, sampled: int, distinct: Distinct) -> Property | None:
    """Return the property with a distinct value on every node: if possible named like an id, then like a name."""

    def rank(found: Property) -> tuple[int, str]:
        words = _words(found.name)
        called = 0 if words & IDS else 1 if found.name.lower() in NAMES else 2 if found.is_integer else 3
        return called, found.name

    likely = [p for p in properties if _could_be_id(p) and p.filled == sampled == len(set(p.values))]
    for candidate in sorted(likely, key=rank):
        nodes, filled, values = distinct(label, candidate.name)
        if nodes == filled == values:
            return candidate
    return None


def _are_mails(found: Property) -> bool:
    """Return whether most values look like e-mail addresses."""
    texts = [value for value in found.values if isinstance(value, str)]
    return 2 * sum(bool(_MAIL.fullmatch(text.strip())) for text in texts) > max(len(found.values), 1)


def _could_be_id(found: Property) -> bool:
    """Return whether all values are integers, or texts short enough for an index."""
    return found.is_integer or (found.is_text and not any(map(too_long_for_an_index, found.values)))


def _name_of(properties: Sequence[Property], label: str) -> Property | None:
    """Return the property with the names: one called so, one whose last word says so, else the likeliest short text."""
    by_name: Mapping[str, Property] = {"".join(words_of(local_name(p.name))): p for p in properties}
    for name in NAMES:
        if name in by_name and by_name[name].is_texts:
            return by_name[name]
    texts = [p for p in properties if p.is_text and not _words(p.name) & IDS]
    called = [p for p in texts if words_of(p.name)[-1:] and words_of(p.name)[-1] in _LAST_WORDS]
    if called:
        return min(called, key=lambda p: (not _words(p.name) & _words(label), "company" not in _words(p.name), p.name))
    short = [p for p in properties if p.is_text and max(map(len, p.values)) <= _LONGEST_NAME]
    short = [p for p in short if not _words(p.name) & (IDS | UNLIKELY_NAMES)]
    return max(short, key=lambda p: p.filled) if short else None
