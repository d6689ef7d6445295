"""Collects the names of entities and the labels of relations from a source: the first name counts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kptoolkit.storage.text_tables import Table
from kptoolkit.storage.values.id_forms import FORMS

_PROPERTY = re.compile(r"p\d+")


@dataclass
class NameCollector:
    """Names or titles by id, and the ids to which one file gives several.

    Attributes:
        names: The first name of each id that is not empty.
        several: Ids with several names in the file of the first one, with that name and the next.
    """

    names: dict[str, str] = field(default_factory=dict)
    several: dict[str, tuple[str, str]] = field(default_factory=dict)
    _files: dict[str, str] = field(default_factory=dict)

    def add(
        self, ids: Iterable[str], names: Iterable[str], file: str = "", wanted: Collection[str] | None = None
    ) -> None:
        """Add names.

        Args:
            ids: The ids.
            names: The name of each; those that are empty are left out.
            file: Where they are from.
            wanted: Ids whose names are needed; ``None`` for all.
        """
        for one, text in zip(ids, names, strict=True):
            name = text.strip()
            if not name or (wanted is not None and one not in wanted):
                continue
            first, earlier = self.names.setdefault(one, name), self._files.setdefault(one, file)
            if first != name and earlier == file:
                self.several.setdefault(one, (first, name))


class RelationLabels:
    """Labels of relations among the names of a source.

    Args:
        relations: Ids of the relations.
        entities: Relations that are entities of triples too: such an id has no label, unless it is an IRI.
    """

    def __init__(self, relations: Iterable[str], entities: Collection[str]) -> None:
        self.labels: dict[str, str] = {}
        self._own, self._properties = set[str](), dict[str, list[str]]()
        form = FORMS["wikidata"]
        for relation in relations:
            if "://" in relation or (relation not in entities and not relation.isdecimal()):
                self._own.add(relation)
            if _PROPERTY.fullmatch(key := form(relation)):
                self._properties.setdefault(key, []).append(relation)

    def add(self, table: Table) -> None:
        """Add the labels of a table with the columns ``entity_id`` and ``name``; the first label of a relation counts.

        The label of a property of Wikidata is that of ``entity/P31`` or ``P31``, whatever the form of the relation.
        """
        form = FORMS["wikidata"]
        for one, text in zip(table["entity_id"], table["name"], strict=True):
            if one in self._own and text.strip():
                self.labels.setdefault(one, text.strip())
            if self._properties and one[-1:].isdecimal() and text.strip():
                for relation in self._properties.get(form(one), ()):
                    self.labels.setdefault(relation, text.strip())
