"""No sentence occurs twice in the tree of an item, however a graph stores a fact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import TemplatePack, equal_facts
from kptoolkit.tree.selection import select
from kptoolkit.tree.triplet_prompts import TripletRenderer

PACK = TemplatePack.load("generic")
RELATIONS = (
    "similar_to",
    "similar",
    "author",
    "P50",
    "written_by",
    "part_of",
    "has_part",
    "contains",
    "member_of",
    "shop.sells_to",
    "trade/sellsTo",
    "P1234",
    "P9999",
)
Triple = tuple[str, str, str]


def around(triples: list[Triple], roots: list[str]) -> Neighbourhoods:
    nodes = {end: (end.upper(), 3) for head, _, tail in triples for end in (head, tail)}
    rows = [(head, relation, tail, True) for head, relation, tail in triples]
    rows += [(tail, relation, head, False) for head, relation, tail in triples]
    return Neighbourhoods.of_rows(roots, nodes, rows, hops=2)


def sentences(triples: list[Triple], root: str, degree: int = 20, hops: int = 2) -> list[str]:
    found = around(triples, [root])
    equal = equal_facts(PACK, found.relations)
    chosen = select(
        found,
        mirrored=equal.mirrored,
        repeated=equal.repeated,
        hops=hops,
        degree=degree,
        seed=1,
        max_degree=1000,
    )
    renderer = TripletRenderer(found, PACK)
    return [renderer.render(int(row)).text for row in chosen.row]


@given(
    triples=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(RELATIONS), st.sampled_from("abcd")), min_size=1, max_size=14
    ).map(lambda rows: sorted({row for row in rows if row[0] != row[2]})),
)
def test_no_sentence_twice(triples: list[Triple]) -> None:
    for root in sorted({triple[0] for triple in triples}):
        texts = [text for text in sentences(triples, root) if "is related to" not in text]
        assert len(texts) == len(set(texts)), texts


@pytest.mark.parametrize(
    ("triples", "expected"),
    [
        ([("a", "similar_to", "b"), ("b", "similar_to", "a")], ["A is similar to B."]),
        ([("a", "P50", "b"), ("a", "author", "b")], ["A was written by B."]),
        ([("a", "shop.sells_to", "b"), ("a", "trade/sellsTo", "b")], ['The entry for A lists B under "sells to".']),
    ],
    ids=["stored both ways", "aliases of one relation", "ids with the same words"],
)
def test_a_fact_stored_twice_is_read_once(triples: list[Triple], expected: list[str]) -> None:
    assert sentences(triples, "a", hops=1) == expected


def test_facts_that_differ_stay() -> None:
    stated = sentences([("a", "P50", "b"), ("a", "P50", "c"), ("b", "P50", "a"), ("a", "genre", "b")], "a", hops=1)
    assert len(set(stated)) == len(stated) == 4
    inverse = "{{ tail }} is liked by {{ head }}."
    own = PACK.with_relation("likes", forward="{{ head }} likes {{ tail }}.", inverse=inverse)
    assert ("likes", "likes") not in equal_facts(own, ["likes"]).mirrored


def test_relations_of_which_only_the_id_is_known_stay_apart() -> None:
    triples = [("a", "P58", "b"), ("a", "P162", "b"), ("b", "P58", "a")]
    assert sentences(triples, "a", hops=1) == ["A is related to B."] * 3


def test_one_sentence_in_common_does_not_make_two_relations_one() -> None:
    pack = PACK.with_relation("author", forward=["{{ head }} is by {{ tail }}.", "{{ tail }} made {{ head }}."])
    pack = pack.with_relation("artist", forward=["{{ tail }} drew {{ head }}.", "{{ tail }} made {{ head }}."])
    same = pack.with_relation("artist", forward=["{{ head }} is by {{ tail }}.", "{{ tail }} drew {{ head }}."])
    relations = ["author", "artist"]
    for variants in ("first", "hash", "epoch"):
        assert not equal_facts(pack, relations, variants).repeated
        assert equal_facts(same, relations, variants).repeated == ((("author", "artist"),) * (variants == "first"))


@pytest.mark.parametrize(
    ("inverse", "equal"), [("{{tail|upper}} met {{ head }}.", True), ("{{ tail }} met {{ head }}.", False)]
)
def test_filters_count(inverse: str, equal: bool) -> None:
    pack = PACK.with_relation("met", forward="{{ head | upper }} met {{ tail }}.", inverse=inverse)
    assert (("met", "met") in equal_facts(pack, ["met"]).mirrored) == equal


@pytest.mark.parametrize("relation", ["director", "runtimeOf", "P1234", "similar_to"])
def test_two_namespaces_of_one_fact_give_one_sentence(relation: str) -> None:
    spaces = ("http://dbpedia.org/ontology/", "http://dbpedia.org/property/")
    assert len(sentences([("heat", space + relation, "mann") for space in spaces], "heat")) == 1


def test_pairs_of_the_pack_are_mirrored_in_every_namespace() -> None:
    wikidata = "http://www.wikidata.org/prop/direct/"
    assert len(sentences([("wheel", f"{wikidata}P361", "car"), ("car", f"{wikidata}P527", "wheel")], "wheel")) == 1
