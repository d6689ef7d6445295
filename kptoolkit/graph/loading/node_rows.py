"""The properties of entities and items, as Cypher parameters and as rows of CSV files."""

from __future__ import annotations

from typing import TypedDict

from kptoolkit.graph.loading.survey import SourceItem, Survey
from kptoolkit.names import lowered


class EntityRow(TypedDict):
    """Properties of an entity."""

    id: str
    name: str | None
    name_lower: str | None
    degree: int


class ItemRow(TypedDict):
    """Properties of an item that is not an entity."""

    item_id: str
    name: str | None
    name_lower: str | None
    entity_id: str | None


def entity_row(entity: str, name: str, degree: int) -> EntityRow:
    """Return the properties of an entity; ``name`` is ``""`` when it has none."""
    return {"id": entity, "name": name or None, "name_lower": lowered(name) or None, "degree": degree}


def item_row(found: Survey, item: SourceItem, earlier: str | None = None) -> ItemRow:
    """Return the properties of an item; without a title it keeps an earlier one, or gets the name of its entity."""
    entity = None if item.entity < 0 else found.entities[item.entity]
    name = item.title or earlier or ("" if item.entity < 0 else found.names[item.entity])
    return {
        "item_id": item.item_id,
        "name": name or None,
        "name_lower": lowered(name) or None,
        "entity_id": entity,
    }
