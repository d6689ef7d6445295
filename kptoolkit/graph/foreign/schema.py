"""The schema of a foreign graph: labels, relationship types, properties with examples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.store import GraphStore

SAMPLE = 200
_LANGUAGE = re.compile(r"[^@\s]@[a-z]{2,3}(-[A-Za-z0-9]+)*$")


@dataclass(frozen=True)
class Property:
    """A property of nodes or relationships, from a sample.

    Attributes:
        name: Key of the property.
        kinds: Names of the Python types of the values, e.g. ``int``, ``str``, ``DateTime``.
        filled: Number of sampled nodes or relationships that have it.
        values: Values in the sample.
    """

    name: str
    kinds: frozenset[str]
    filled: int
    values: tuple[Any, ...]

    @property
    def is_text(self) -> bool:
        """Whether all values are texts."""
        return self.kinds == {"str"}

    @property
    def is_texts(self) -> bool:
        """Whether all values are texts or lists of texts."""
        return self.is_text or (self.kinds <= {"str", "list"} and all(isinstance(t, str) for t in self._texts()))

    @property
    def has_languages(self) -> bool:
        """Whether values are lists of texts, or texts that end with a language."""
        return self.is_texts and (not self.is_text or any(map(_LANGUAGE.search, self.values)))

    def _texts(self) -> list[Any]:
        return [text for value in self.values for text in (value if isinstance(value, list) else [value])]

    @property
    def is_integer(self) -> bool:
        """Whether all values are integers."""
        return self.kinds == {"int"}


@dataclass(frozen=True)
class RelationshipKind:
    """A relationship type between nodes with given labels.

    Attributes:
        type: Relationship type.
        head: Labels of the start node.
        tail: Labels of the end node.
        count: Number of such relationships.
    """

    type: str
    head: frozenset[str]
    tail: frozenset[str]
    count: int


@dataclass(frozen=True)
class GraphSchema:
    """The labels, relationship types and properties of a graph.

    Attributes:
        nodes: Number of nodes by combination of labels.
        relationships: Relationship types by the labels that they connect, the most frequent first.
        node_properties: Properties by label, from a sample of ``sampled`` nodes.
        relationship_properties: Properties by relationship type.
        sampled: Number of sampled nodes by label.
        sampled_relationships: Number of sampled relationships by type.
    """

    nodes: Mapping[frozenset[str], int]
    relationships: tuple[RelationshipKind, ...]
    node_properties: Mapping[str, Sequence[Property]] = field(default_factory=dict)
    relationship_properties: Mapping[str, Sequence[Property]] = field(default_factory=dict)
    sampled: Mapping[str, int] = field(default_factory=dict)
    sampled_relationships: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def labels(self) -> dict[str, int]:
        """Number of nodes by label, the most frequent first."""
        counts: Counter[str] = Counter()
        for labels, count in self.nodes.items():
            for label in labels:
                counts[label] += count
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))

    @cached_property
    def types(self) -> dict[str, int]:
        """Number of relationships by type, the most frequent first."""
        counts: Counter[str] = Counter()
        for ends in self.relationships:
            counts[ends.type] += ends.count
        return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def read_schema(store: GraphStore, queries: QuerySet, sample: int = SAMPLE) -> GraphSchema:
    """Count all labels and types, and read the properties of up to ``sample`` nodes and relationships of each.

    Raises:
        GraphError: The graph cannot be reached.
    """
    nodes = {frozenset(row["labels"]): int(row["nodes"]) for row in queries["survey_nodes"].read(store).dicts()}
    found = queries["survey_relationships"].read(store).dicts()
    ends = [
        RelationshipKind(
            row["type"], frozenset(row["head_labels"]), frozenset(row["tail_labels"]), int(row["relationships"])
        )
        for row in found
    ]
    ends.sort(key=lambda entry: (-entry.count, entry.type, sorted(entry.head), sorted(entry.tail)))
    bare = GraphSchema(nodes, tuple(ends))
    of_nodes, of_relationships = {}, {}
    sampled, sampled_relationships = {}, {}
    for label in bare.labels:
        rows = queries["survey_node_properties"].read(store, label=label, limit=sample).column("properties")
        of_nodes[label], sampled[label] = _properties(rows), len(rows)
    for kind in bare.types:
        rows = queries["survey_relationship_properties"].read(store, type=kind, limit=sample).column("properties")
        of_relationships[kind], sampled_relationships[kind] = _properties(rows), len(rows)
    return GraphSchema(nodes, tuple(ends), of_nodes, of_relationships, sampled, sampled_relationships)


def _properties(rows: Sequence[Mapping[str, Any]]) -> list[Property]:
    values: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.items():
            values.setdefault(key, []).append(value)
    return [
        Property(key, frozenset(type(value).__name__ for value in some), len(some), tuple(some))
        for key, some in sorted(values.items())
    ]
