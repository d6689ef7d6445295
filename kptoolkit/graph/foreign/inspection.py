"""Checks whether a graph, read through the Cypher files in use, gives what kptool needs, with advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kptoolkit.errors import KptoolError, shorten
from kptoolkit.graph.database import Graph, GraphItems
from kptoolkit.names import quantity
from kptoolkit.resources import cypher_dir
from kptoolkit.storage.values.clean_name import name_from

_SAMPLE = 50
_NAMELESS = 0.1


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        what: What was checked.
        ok: Whether it is as needed.
        seen: What was found.
        advice: What to do, ``""`` for nothing.
    """

    what: str
    ok: bool
    seen: str
    advice: str = ""


def inspect(graph: Graph) -> list[Check]:
    """Check sizes, ids, neighbourhoods, names and interactions; stop where further checks are pointless."""
    try:
        return list(_checks(graph))
    except KptoolError as error:
        return [Check("graph", False, str(error), "fix the file that the message names, then run this again")]


def _checks(graph: Graph) -> Iterator[Check]:
    counts = graph.counts()
    seen = ", ".join(f"{value:,} {name}" for name, value in counts.items())
    if not counts["entities"]:
        yield check_empty(graph, seen)
        return
    yield Check("graph", True, seen)
    items = graph.items()
    yield _check_items(graph, items)
    linked = [entity for entity in items.entity_id if entity is not None]
    roots = linked[:: max(len(linked) // _SAMPLE, 1)][:_SAMPLE]
    if roots:
        yield from _check_sample(graph, roots)
    yield _check_events(graph, items)


def query_file(graph: Graph, name: str) -> str:
    """Return the path of a query's file; in place of a shipped one, which nobody edits, the user's that replaces it."""
    path = graph.queries[name].path
    if not path.is_relative_to(cypher_dir()):
        return str(path)
    folder = graph.config.cypher
    return f"{name}.cypher in the folder of graph.cypher" if folder is None else str(folder / f"{name}.cypher")


def check_empty(graph: Graph, seen: str) -> Check:
    """Check a graph without entities: it is empty, or the files in use do not read it.

    Args:
        graph: The graph.
        seen: Its sizes, for the message.
    """
    foreign = graph.queries["foreign_nodes"].read(graph.store)
    if not len(foreign):
        return Check("graph", True, seen, "the database is empty: kptool load-kg SOURCE fills it")
    labels = ", ".join(shorten(label) for label in foreign.column("labels")[0])
    advice = (
        f"the database holds nodes that kptool did not load (e.g. {labels or 'without a label'}): kptool init DIR "
        "--from-graph drafts the Cypher files that read them; set graph.cypher to their folder"
    )
    if graph.config.cypher is not None:
        advice = f"the database holds nodes (e.g. {labels or 'without a label'}) that the files in "
        advice += f"{graph.config.cypher} do not find; correct them, first counts.cypher and items.cypher"
    return Check("graph", False, seen, advice)


def _is_no_name(value: Any) -> bool:
    """Return whether a name is empty or an address, which no sentence should contain."""
    name = name_from(value)
    return not name or ("://" in name and " " not in name)


def _check_items(graph: Graph, items: GraphItems) -> Check:
    file = query_file(graph, "items")
    if not len(items):
        return Check("items", False, "none", f"{file} must return what can be recommended")
    twice = [item for item, count in Counter(items.item_id).items() if count > 1]
    linked = sum(entity is not None for entity in items.entity_id)
    nameless = sum(_is_no_name(name) for name in items.name)
    seen = f"{len(items):,}, {linked:,} linked to an entity, e.g. {shorten(items.item_id[0])}: {shorten(items.name[0])}"
    if twice:
        return Check(
            "items",
            False,
            f"{quantity(len(twice), 'ids')} twice, e.g. {shorten(twice[0])}",
            f"{file}: one row per item",
        )
    if not linked:
        return Check("items", False, seen, f"{file}: return entity_id, the id that neighbours.cypher knows")
    if nameless > _NAMELESS * len(items):
        return Check("items", False, f"{nameless:,} of {len(items):,} have no name", f"{file}: return a name")
    return Check("items", True, seen)


def _check_sample(graph: Graph, roots: Sequence[str]) -> Iterator[Check]:
    """Check some items: whether they are entities with triples, whose far ends are entities with names."""
    found = graph.neighbourhoods(roots, 1)
    of_ids, of_rows = query_file(graph, "entities_by_id"), query_file(graph, "neighbours")
    ids = graph.queries["entities_by_id"].read(graph.store, ids=list(dict.fromkeys(roots))).column("id")
    unknown = [root for root in roots if root not in set(ids)]
    what = f"triples of {quantity(len(roots), 'items')}"
    if unknown:
        advice = f"{of_ids} must find the entity_id of items.cypher"
        yield Check("entities", False, f"{len(unknown)} of {len(roots)} unknown, e.g. {shorten(unknown[0])}", advice)
        return
    if not len(found.far):
        yield Check(what, False, "none", f"{of_rows} must find the ids that items.cypher returns as entity_id")
        return
    yield Check(what, True, f"{len(found.far):,} of {quantity(len(found.relations), 'relations')}")
    far = sorted({str(found.ids[number]) for number in found.far})
    rows = graph.queries["entities_by_id"].read(graph.store, ids=far).dicts()
    nameless = sorted(row["id"] for row in rows if _is_no_name(row["name"]))
    few = len(nameless) <= _NAMELESS * len(far)
    seen = f"{len(far) - len(nameless):,} of {len(far):,} have a name"
    advice = "" if few else f"{of_ids}: return a name for e.g. {shorten(nameless[0])}; nameless ends are left out"
    yield Check("far ends", few, seen, advice)
    counted = graph.relation_counts()
    strange = sorted(set(found.relations) - counted.keys())
    file = query_file(graph, "relation_counts")
    advice = f"{file} must count every relation of neighbours.cypher, else packs are chosen and checked without it"
    yield Check(
        "relations",
        not strange,
        f"{len(counted)} counted" + (f"; not counted: {', '.join(map(shorten, strange[:3]))}" if strange else ""),
        advice if strange else "",
    )


def _check_events(graph: Graph, items: GraphItems) -> Check:
    file = query_file(graph, "interactions")
    found = graph.queries["interactions"].read(graph.store)
    if not len(found):
        advice = f"for --data graph: {file} must return them; or keep them in files: --data DIR"
        return Check("interactions in the graph", True, "none", advice)
    events = found.column("item")
    strange = sorted(set(events) - set(items.item_id))
    users, distinct = found.column("user"), len(set(zip(found.column("user"), events, strict=True)))
    seen = f"{distinct:,} of {quantity(len(set(users)), 'users')} on {quantity(len(set(events)), 'items')}"
    if distinct < len(found):
        seen += f"; {len(found) - distinct:,} more repeat one of the same user and item"
    if strange:
        advice = f"{file} and items.cypher must return the same item ids"
        seen += f"; {len(strange):,} are not among the items, e.g. {shorten(strange[0])}"
        return Check("interactions in the graph", False, seen, advice)
    if any(time is None for time in found.column("time")):
        return Check("interactions in the graph", False, f"{seen}; some without a time", f"{file}: return a time")
    return Check("interactions in the graph", True, seen)
