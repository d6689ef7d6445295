"""The graph used in tests of stores."""

from __future__ import annotations

from kptoolkit.graph.sources.memory_source import MemorySource

#: Relation ids that are difficult as names of types, labels or parts of a query.
ODD_RELATIONS = (
    "film.film.directed_by",
    "has space",
    "back`tick``s",
    "comma, semicolon; colon: star* tilde~",
    "Entity",
    "REL",
    "relation",
    "unicode: größer 关系 علاقة 🎬",
    "quote ' and \" and \\ backslash",
    "`]->() DETACH DELETE n //",
    "$parameter {{ jinja }} {brace}",
    "http://example.org/ontology#partOf",
    "x" * 300,
)
HUB_SIZE = 40


def small_world() -> MemorySource:
    """Create films, people, genres and a hub, with all cases that some stores treat differently."""
    triples: list[tuple[object, object, object]] = [
        ("film:1", relation, f"person:{number}") for number, relation in enumerate(ODD_RELATIONS)
    ]
    triples += [("film:2", relation, "film:1") for relation in ODD_RELATIONS[:3]]
    triples += [(f"film:{number}", "genre", "genre:drama") for number in range(HUB_SIZE)]
    triples += [("film:1", "same as", "film:1"), ("film:1", "genre", "genre:drama"), (7, "next", "8")]
    triples += [("ﬀ ligature", "next", "😀 astral"), ("film:1", "next", "ﬀ ligature"), ("film:1", "next", "😀 astral")]
    names = {f"film:{number}": f"Film {number}" for number in range(HUB_SIZE)} | {"genre:drama": "Drama"}
    names |= {"person:0": "Same Name", "person:1": "Same Name", "person:2": "O'Brien \"`{{ x }}` \\ 名前"}
    links = [
        ("1", "film:1"),
        ("1b", "film:1"),
        ("2", "film:2"),
        ("p0", "person:0"),
        ("p1", "person:1"),
        ("9", "lonely"),
    ]
    items = [("1", "Film One"), ("1b", "Film One, again"), ("2", ""), ("u", "Unlinked"), ("9", "Lonely")]
    return MemorySource(triples, names, links, items, label="small world")
