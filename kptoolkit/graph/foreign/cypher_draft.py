"""Drafts the Cypher files that adapt the queries of kptool to a foreign graph, for people to read and change.

This is the only place where names from a graph become part of a statement: between backticks, and only names that
:func:`~kptoolkit.graph.foreign.roles.usable` accepts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from kptoolkit.errors import InputError
from kptoolkit.graph.foreign.roles import RECOMMENDED, NodeKey, Roles, usable
from kptoolkit.graph.foreign.schema import GraphSchema

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """ALL AND ANY AS ASC BY CALL CASE CONSTRAINT CONTAINS COUNT CREATE CSV DELETE DESC DETACH DISTINCT DO DROP ELSE
        END ENDS EXISTS FALSE FOR FOREACH IN INDEX INSERT IS LIMIT LOAD MANDATORY MATCH MERGE NONE NOT NULL OF ON
        OPTIONAL OR ORDER REMOVE REQUIRE RETURN SCALAR SET SINGLE SKIP STARTS THEN TRUE UNION UNIQUE UNWIND USE USING
        WHEN WHERE WITH XOR""",
    )
)
_OWN_USERS = NodeKey("User", "id", "text")
"""The users that the shipped ``merge_users`` adds, for a graph without users."""
_RECIPE = (
    "Where an event is a node of its own, name it in the path, and take the time from it:",
    "  MATCH (u:Customer)-[:PURCHASED]->(x:Order)-[:ORDERS]->(i:Product)",
    "  RETURN u.customerID AS user, i.productID AS item, x.orderDate AS time",
)
_TAGGED = "(?s).+@[a-z]{2,3}(-[A-Za-z0-9]+)*"
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]")


def quoted(name: str) -> str:
    """Return a label, type or property key as Cypher text.

    Raises:
        InputError: The name cannot be quoted safely.
    """
    if not usable(name):
        raise InputError(f"{name!a} cannot be quoted safely in a Cypher file; write the file by hand")
    plain = _PLAIN.fullmatch(name) and name.upper() not in _KEYWORDS
    return name if plain else "`" + name.replace("`", "``") + "`"


def draft_cypher(schema: GraphSchema, roles: Roles) -> dict[str, str]:
    """Return the text of each file, by its name without ``.cypher``."""
    draft = _Draft(schema, roles)
    files = {
        "neighbours": draft.neighbours(),
        "entities_by_id": draft.entities_by_id(),
        "entities_by_name": draft.entities_by_name(),
        "entity_names": draft.entity_names(),
        "items": draft.items(),
        "items_by_id": draft.items_by_id(),
        "items_by_name": draft.items_by_name(),
        "items_of_entity": draft.items_of_entity(),
        "counts": draft.counts(),
        "relation_counts": draft.relation_counts(),
    }
    if roles.events is None:
        files["interactions"] = draft.no_interactions()
    else:
        files |= {"interactions": draft.interactions(), "merge_users": draft.merge_users()}
    return files | {
        "delete_recommendations": draft.delete_recommendations(),
        "create_recommendations": draft.create_recommendations(),
    }


class _Draft:
    def __init__(self, schema: GraphSchema, roles: Roles) -> None:
        self.roles = roles
        self.prefixes = _prefixes(entity.label for entity in roles.entities)
        self.types = "|".join(map(quoted, roles.relations))
        self.item = roles.item
        self.user = _OWN_USERS if roles.events is None else roles.events.user
        self.item_entity = roles.entity_of(schema)

    # -- pieces

    def id_of(self, variable: str, entity: NodeKey) -> str:
        """Return the expression of the entity id of a node of one label."""
        return f"'{self.prefixes[entity.label]}' + {_own_id(variable, entity)}"

    def any_id(self, variable: str, indent: str) -> str:
        """Return the expression of the entity id of a node of any of the labels."""
        if len(self.roles.entities) == 1:
            return self.id_of(variable, self.roles.entities[0])
        cases = [f"WHEN {variable}:{quoted(e.label)} THEN {self.id_of(variable, e)}" for e in self.roles.entities]
        return "CASE\n" + "".join(f"{indent}  {case}\n" for case in cases) + f"{indent}END"

    def is_entity(self, variable: str) -> str:
        return " OR ".join(f"{variable}:{quoted(entity.label)}" for entity in self.roles.entities)

    def wanted(self, ids: str, entity: NodeKey) -> str:
        """Return the line that turns entity ids into values of the id property of a label."""
        prefix = self.prefixes[entity.label]
        rest = f"substring(id, {len(prefix)})"
        value = f"toInteger({rest})" if entity.kind == "integer" else rest
        return f"WITH [id IN {ids} WHERE id STARTS WITH '{prefix}' | {value}] AS wanted"

    def only(self, variable: str, entity: NodeKey) -> str:
        """Return the condition that counts a node with several labels only under the first."""
        earlier = [one for one, other in sorted(self.roles.shared) if other == entity.label]
        return "".join(f" AND NOT {variable}:{quoted(label)}" for label in earlier)

    def matched(self, variable: str, entity: NodeKey, label: str | None = None) -> str:
        return (
            f"MATCH ({variable}:{quoted(label or entity.label)})\n"
            f"WHERE {_property(variable, entity)} IN wanted{self.only(variable, entity)}"
        )

    def each(self, branch: Callable[[NodeKey], str]) -> str:
        return "\nUNION ALL\n".join(branch(entity) for entity in self.roles.entities)

    # -- files

    def neighbours(self) -> str:
        degree = f"COUNT {{ (n)-[:{self.types}]-() }}"

        def branch(entity: NodeKey) -> str:
            return f"""{self.wanted("$frontier", entity)}
{self.matched("n", entity)}
  AND ($max_degree IS NULL OR {degree} <= $max_degree)
CALL (n) {{
  MATCH (n)-[r:{self.types}]-(t)
  WHERE {self.is_entity("t")}
  WITH DISTINCT type(r) AS relation, startNode(r) = n AS forward, {self.any_id("t", "    ")} AS other
  ORDER BY relation, other, forward
  WITH relation, collect([other, forward])[..$cap] AS ends
  UNWIND ends AS end
  RETURN relation, end[0] AS other, end[1] AS forward
}}
RETURN {self.id_of("n", entity)} AS id, relation, other, forward"""

        about = [
            "The triples around the entities of a frontier, at most $cap per relation. To leave a relation out, remove",
            "its type here, and in counts and relation_counts.",
        ]
        return _file(
            about,
            "frontier, max_degree, cap",
            "id, relation, other, forward",
            self.each(branch),
        )

    def entities_by_id(self) -> str:
        def branch(entity: NodeKey) -> str:
            return f"""{self.wanted("$ids", entity)}
{self.matched("n", entity)}
RETURN {self.id_of("n", entity)} AS id, {_name("n", entity)} AS name,
  COUNT {{ (n)-[:{self.types}]-() }} AS degree"""

        return _file(
            ["Name and number of relationships of the entities with one of these ids."],
            "ids",
            "id, name, degree",
            self.each(branch),
        )

    def entities_by_name(self) -> str:
        def branch(entity: NodeKey) -> str:
            return f"""MATCH (n:{quoted(entity.label)})
WHERE {_folded("n", entity)} = $name_lower{self.only("n", entity)}
RETURN {self.id_of("n", entity)} AS id, {_name("n", entity)} AS name"""

        return _file(
            ["The entities with a name, compared without case; reads every name."],
            "name_lower",
            "id, name",
            self.each(branch),
        )

    def entity_names(self) -> str:
        def branch(entity: NodeKey) -> str:
            return f"""MATCH (n:{quoted(entity.label)})
WHERE {_folded("n", entity)} STARTS WITH $prefix{self.only("n", entity)}
RETURN {_name("n", entity)} AS name
LIMIT $limit"""

        return _file(
            ["Names that begin with these letters: candidates for an unknown name."],
            "prefix, limit",
            "name",
            self.each(branch),
        )

    def items(self) -> str:
        return _file(
            ["All items, each with the entity that it is."],
            "none",
            "item_id, entity_id, name",
            f"MATCH (i:{quoted(self.item.label)})\nRETURN {self._item_columns()}",
        )

    def items_by_id(self) -> str:
        value = "toInteger(id)" if self.item.kind == "integer" else "id"
        text = f"""WITH [id IN $ids | {value}] AS wanted
MATCH (i:{quoted(self.item.label)})
WHERE {_property("i", self.item)} IN wanted
RETURN {self._item_columns()}, true AS is_entity"""
        columns = "item_id, entity_id, name, is_entity"
        return _file(["The items with one of these item ids."], "ids", columns, text)

    def items_by_name(self) -> str:
        text = f"""MATCH (i:{quoted(self.item.label)})
WHERE {_folded("i", self.item)} = $name_lower
RETURN {self._item_columns()}"""
        about = ["The items with a name, compared without case; reads every name."]
        return _file(about, "name_lower", "item_id, entity_id, name", text)

    def items_of_entity(self) -> str:
        text = f"""{self.wanted("[$id]", self.item_entity)}
{self.matched("i", self.item_entity, self.item.label)}
RETURN {self._item_columns()}"""
        return _file(["The item that an entity is."], "id", "item_id, entity_id, name", text)

    def counts(self) -> str:
        text = f"""MATCH (n)
WHERE {self.is_entity("n")}
WITH count(n) AS entities
OPTIONAL MATCH (h)-[r:{self.types}]->(t)
WHERE ({self.is_entity("h")}) AND ({self.is_entity("t")})
WITH entities, count(r) AS relationships
OPTIONAL MATCH (i:{quoted(self.item.label)})
RETURN entities, relationships, count(i) AS items"""
        return _file(["Number of entities, relationships and items."], "none", "entities, relationships, items", text)

    def relation_counts(self) -> str:
        text = f"""MATCH (h)-[r:{self.types}]->(t)
WHERE ({self.is_entity("h")}) AND ({self.is_entity("t")})
RETURN type(r) AS relation, count(*) AS count
ORDER BY relation"""
        return _file(["All relations and how often each occurs."], "none", "relation, count", text)

    def interactions(self) -> str:
        events = self.roles.events
        assert events is not None
        through = events.through
        arrow = _arrow(f"x:{quoted(events.type)}", events.to_item)
        if through is not None:
            arrow = f"{_arrow(f':{quoted(events.type)}', events.to_item)}(x:{quoted(through.label)})"
            arrow += _arrow(f":{quoted(through.type)}", through.to_item)
        time = f"x.{quoted(events.time)}" if events.time else "null"
        there = f"WHERE {time} IS NOT NULL\n" if events.time else ""
        text = f"""MATCH (u:{quoted(events.user.label)}){arrow}(i:{quoted(self.item.label)})
{there}RETURN {_own_id("u", events.user)} AS user, {_own_id("i", self.item)} AS item, {time} AS time"""
        about = ["All interactions: user, item and time.", *(_RECIPE if through is None else ())]
        return _file(about, "none", "user, item, time", text)

    def no_interactions(self) -> str:
        about = [
            "All interactions: user, item and time. None were found; where there are some, write their path here:",
            "  MATCH (u:User)-[x:RATED]->(i:" + self.item.label + ")",
            "  RETURN u.id AS user, i.id AS item, x.timestamp AS time",
            *_RECIPE,
        ]
        return _file(about, "none", "user, item, time", "UNWIND [] AS x\nRETURN x AS user, x AS item, x AS time")

    def merge_users(self) -> str:
        text = f"""UNWIND $ids AS id
{_matched("u", self.user, "id")}
RETURN count(u) AS users"""
        return _file(["Finds the users of recommendations, and adds none."], "ids", "none", text)

    def delete_recommendations(self) -> str:
        text = f"""UNWIND $users AS id
{_matched("u", self.user, "id")}
MATCH (u)-[r:{RECOMMENDED}]->(i:{quoted(self.item.label)})
WHERE r.run = $run
DELETE r"""
        return _file(["Deletes the recommendations of a run for these users."], "run, users", "none", text)

    def create_recommendations(self) -> str:
        text = f"""UNWIND $rows AS row
{_matched("u", self.user, "row.user")}
{_matched("i", self.item, "row.item")}
CREATE (u)-[:{RECOMMENDED} {{run: $run, rank: row.rank, score: row.score, source: 'kptool'}}]->(i)"""
        about = [
            "Adds the recommendations of a run; slow for many users without an index for the ids of users and items."
        ]
        return _file(about, "run, rows", "none", text)

    def _item_columns(self) -> str:
        entity = self.id_of("i", self.item_entity)
        return f"{_own_id('i', self.item)} AS item_id, {entity} AS entity_id, {_name('i', self.item)} AS name"


def _file(about: list[str], parameters: str, columns: str, text: str) -> str:
    lines = "".join(f"// {line}\n" for line in about)
    return f"{lines}// parameters: {parameters}\n// columns: {columns}\n{text}\n"


def _arrow(inside: str, forward: bool) -> str:
    return f"-[{inside}]->" if forward else f"<-[{inside}]-"


def _prefixes(labels: Iterable[str]) -> dict[str, str]:
    """Return a prefix of ids for each label, so that equal ids of different labels differ; none starts with another."""
    found: dict[str, str] = {}
    for number, label in enumerate(labels):
        plain = _NOT_ALPHANUMERIC.sub("_", label)
        found[label] = f"{plain}:" if f"{plain}:" not in found.values() else f"{plain}{number}:"
    return found


def _matched(variable: str, known: NodeKey, given: str) -> str:
    """Return the lines that find the node with the id ``given``, a text."""
    value = f"toInteger({given})" if known.kind == "integer" else given
    return f"MATCH ({variable}:{quoted(known.label)})\nWHERE {_property(variable, known)} = {value}"


def _property(variable: str, known: NodeKey) -> str:
    return f"elementId({variable})" if known.key is None else f"{variable}.{quoted(known.key)}"


def _own_id(variable: str, known: NodeKey) -> str:
    """Return the expression of the id of a node as text, without the prefix of its label."""
    value = _property(variable, known)
    return f"toString({value})" if known.kind == "integer" else value


def _name(variable: str, known: NodeKey) -> str:
    if known.name is None:
        return _own_id(variable, known)
    value = f"{variable}.{quoted(known.name)}"
    if known.name_language is not None:
        return _name_of_list(f"([] + coalesce({value}, []))", known.name_language)
    return f"coalesce({value}, '')"


def _folded(variable: str, key: NodeKey) -> str:
    """Return the name of a node without case; Cypher has no case folding, so the letters that differ are replaced."""
    return f"replace(replace(toLower({_name(variable, key)}), 'ß', 'ss'), 'ς', 'σ')"


def _name_of_list(texts: str, language: str) -> str:
    """Return the expression of one of several names such as ``Heat@en``, without its language."""
    wanted = [f"t ENDS WITH '@{language}'", f"t CONTAINS '@{language}-'", "t ENDS WITH '@mul'", f"NOT t =~ '{_TAGGED}'"]
    firsts = ", ".join(f"head([t IN {texts} WHERE {condition}])" for condition in wanted)
    plain = f"CASE WHEN t =~ '{_TAGGED}' THEN substring(t, 0, size(t) - size(last(split(t, '@'))) - 1) ELSE t END"
    return f"head([t IN [coalesce({firsts}, head({texts}), '')] | {plain}])"
