"""Guesses which labels of a foreign graph are items, entities and users, and which properties are ids and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kptoolkit.errors import DataError, InputError, shorten
from kptoolkit.graph.foreign.schema import GraphSchema, Property, RelationshipKind
from kptoolkit.names import too_long_for_an_index

IdKind = Literal["integer", "text", "element"]
#: Of a label and a property: nodes, nodes with the property, distinct values.
Distinct = Callable[[str, str], tuple[int, int, int]]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_USERS = _set(
    "user viewer customer reader listener member account buyer visitor subscriber player client shopper patron "
    "consumer student learner patient"
)
_EVENTS = _set(
    "watched rated bought purchased viewed read listened played interacted clicked liked ordered consumed visited "
    "borrowed enrolled streamed saw seen reviewed bookmarked"
)
_ITEMS = _set(
    "movie film product item book track song article album game recipe course job show episode paper restaurant hotel "
    "video podcast"
)
_TIMES = _set("at time timestamp date datetime ts when on day epoch created")
_IDS = _set("id uuid guid key code iri uri isbn asin sku slug")
_NAMES = ("name", "title", "label", "displayname", "fullname", "caption", "headline", "term")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
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
        name_is_text: Whether that property is a text.
    """

    label: str
    key: str | None
    kind: IdKind
    name: str | None = None
    name_is_text: bool = True


@dataclass(frozen=True)
class Events:
    """The relationships that are interactions.

    Attributes:
        type: Relationship type.
        user: Ids of the users.
        time: Property with the time; ``None`` if there is none.
        to_item: Whether they point from the user to the item.
    """

    type: str
    user: NodeKey
    time: str | None
    to_item: bool


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


def find_roles(schema: GraphSchema, distinct: Distinct) -> Roles:
    """Guess the roles by names and counts; ids are verified on all nodes.

    Args:
        schema: Schema of the graph.
        distinct: Counts the distinct values of a property on all nodes of a label.

    Raises:
        DataError: The graph is empty, or has no relationships that could be knowledge.
        InputError: kptool loaded the graph.
    """
    if OUR_NODE in schema.labels:
        raise InputError("kptool loaded this graph: its own Cypher files read it, none need be drafted")
    notes: list[str] = []
    labels = [label for label in schema.labels if _take(label, "label", notes) and not label.startswith("_")]
    if not labels:
        raise DataError("the graph holds no nodes with a label; there is nothing to draft Cypher files for")
    types = {kind for kind in schema.types if _take(kind, "relationship type", notes) and not _ours(schema, kind)}
    ends = [entry for entry in schema.relationships if entry.type in types]
    events = _find_events(schema, ends, labels, distinct, notes)
    primary = _cover(schema, labels)
    if events is not None:
        primary = _without_users(events, ends, primary)
    entities = _connected(primary, ends, events)
    if not entities:
        raise DataError("no relationships that could be knowledge were found; write the Cypher files by hand")
    relations = _relations(ends, entities, events)
    item = _item_label(schema, labels, entities, ends) if events is None else _item_of(events, ends, labels)
    known = {label: _node_key(schema, label, distinct, notes) for label in dict.fromkeys([*entities, item])}
    shared = _shared_labels(schema, entities)
    return Roles(tuple(known[e] for e in entities), shared, known[item], relations, events, tuple(notes))


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
    return {word.lower() for word in _WORD.findall(name)}


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
    distinct: Distinct,
    notes: list[str],
) -> Events | None:
    """Return the relationships most likely to be interactions, or ``None`` if none are likely."""
    best: tuple[float, int, str, str, str, bool] | None = None
    for entry in ends:
        for user_side, item_side, to_item in ((entry.head, entry.tail, True), (entry.tail, entry.head, False)):
            for user in sorted(user_side & set(labels)):
                for item in sorted(item_side & set(labels)):
                    if user == item:
                        continue
                    score = _event_score(schema, entry.type, user, item) - (0 if to_item else 0.5)
                    found = (score, entry.count, entry.type, user, item, to_item)
                    best = found if best is None or found[:2] > best[:2] else best
    if best is None or best[0] < _ENOUGH:
        return None
    _, _, kind, user, _, to_item = best
    return Events(
        kind, _node_key(schema, user, distinct, notes), _time_key(schema.relationship_properties[kind]), to_item
    )


def _event_score(schema: GraphSchema, kind: str, user: str, item: str) -> float:
    return (
        3 * bool(_words(user) & _USERS)
        + 2 * bool(_words(kind) & _EVENTS)
        + 2 * (_time_key(schema.relationship_properties.get(kind, ())) is not None)
        + bool(_words(item) & _ITEMS)
    )


def _time_key(properties: Iterable[Property]) -> str | None:
    dates = {"DateTime", "Date", "datetime", "date"}
    by_kind = [p.name for p in properties if p.kinds <= dates and usable(p.name)]
    numbers = {"int", "float", "str"}
    by_name = [p.name for p in properties if _words(p.name) & _TIMES and p.kinds <= numbers and usable(p.name)]
    return next(iter(by_kind + by_name), None)


def _without_users(events: Events, ends: Iterable[RelationshipKind], primary: Sequence[str]) -> list[str]:
    """Return the labels without that of users, unless users are connected by more than events."""
    user = events.user.label
    for entry in ends:
        if entry.type == events.type or (user in entry.head) == (user in entry.tail):
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
        if events is not None and entry.type == events.type:
            touched |= (entry.tail if events.to_item else entry.head) & chosen
        elif entry.head & chosen and entry.tail & chosen:
            touched |= (entry.head | entry.tail) & chosen
    return [label for label in primary if label in touched]


def _relations(ends: Iterable[RelationshipKind], entities: Iterable[str], events: Events | None) -> tuple[str, ...]:
    chosen = set(entities)
    found = [e.type for e in ends if e.head & chosen and e.tail & chosen and (events is None or e.type != events.type)]
    if not found:
        raise DataError("no relationships that could be knowledge were found; write the Cypher files by hand")
    return tuple(dict.fromkeys(found))


def _item_of(events: Events, ends: Iterable[RelationshipKind], labels: Sequence[str]) -> str:
    sides = [entry.tail if events.to_item else entry.head for entry in ends if entry.type == events.type]
    found = [label for label in labels if any(label in side for side in sides) and label != events.user.label]
    return next((label for label in found if _words(label) & _ITEMS), found[0])


def _item_label(
    schema: GraphSchema, labels: Sequence[str], entities: Sequence[str], ends: Sequence[RelationshipKind]
) -> str:
    """Return the label of items without events: one with a name for items, else that of most edges per node."""
    linked = [label for label in labels if any(label in c and c & set(entities) for c in schema.nodes)]
    called = [label for label in linked if _words(label) & _ITEMS]
    if called:
        return called[0]
    touching = {e: sum(entry.count for entry in ends if e in entry.head | entry.tail) for e in entities}
    return max(entities, key=lambda label: touching[label] / schema.labels[label])


def _node_key(schema: GraphSchema, label: str, distinct: Distinct, notes: list[str]) -> NodeKey:
    properties = [p for p in schema.node_properties[label] if usable(p.name)]
    if mails := [p.name for p in properties if _are_mails(p)]:
        notes.append(
            f"{shorten(label)}.{shorten(mails[0])} looks like e-mail addresses: it is neither id nor name, so that no "
            "prompt and no run contains it; a number is used instead"
        )
        properties = [p for p in properties if p.name not in mails]
    key = _id_key(properties, label, schema.sampled[label], distinct)
    name = _name_of(properties)
    name_is_text = name is None or name.is_text
    if key is None:
        notes.append(
            f"no property of {shorten(label)} is a text or whole number that is always there and never twice: its ids "
            "are the database's element ids, which a restore may change; add such a property"
        )
        return NodeKey(label, None, "element", None if name is None else name.name, name_is_text)
    kind: IdKind = "integer" if key.is_integer else "text"
    return NodeKey(label, key.name, kind, None if name is None else name.name, name_is_text)


def _id_key(properties: Iterable[Property], label: str, sampled: int, distinct: Distinct) -> Property | None:
    """Return the property with a distinct value on every node: if possible named like an id, then like a name."""

    def rank(found: Property) -> tuple[int, str]:
        words = _words(found.name)
        called = 0 if words & _IDS else 1 if found.name.lower() in _NAMES else 2 if found.is_integer else 3
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


def _name_of(properties: Sequence[Property]) -> Property | None:
    by_name: Mapping[str, Property] = {p.name.lower().replace("_", ""): p for p in properties}
    for name in _NAMES:
        if name in by_name and by_name[name].is_text:
            return by_name[name]
    short = [p for p in properties if p.is_text and max(map(len, p.values)) <= _LONGEST_NAME]
    short = [p for p in short if not _words(p.name) & _IDS] or short
    return max(short, key=lambda p: p.filled) if short else None
