"""Changes of triples and of templates that studies make."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.prompts import TemplatePack
from kptoolkit.studies.changes.packs import fallback_only, neutral_only, shuffled_words
from kptoolkit.studies.changes.triples import corrupted_triples, grown_neighbourhoods, of_frequent_relations
from kptoolkit.studies.engine.stored_triples import Triples

ENTITIES = [f"e{number:02d}" for number in range(12)]
TRIPLES = st.lists(
    st.tuples(st.sampled_from(ENTITIES), st.sampled_from(["author", "genre", "sequel"]), st.sampled_from(ENTITIES)),
    min_size=1,
    max_size=40,
    unique=True,
).map(lambda found: [triple for triple in found if triple[0] != triple[2]])


def around(triples: list[tuple[str, str, str]], near: Collection[str] = ENTITIES) -> Neighbourhoods:
    """One hop around some entities."""
    rows = [(head, relation, tail, True) for head, relation, tail in triples if head in near]
    rows += [(tail, relation, head, False) for head, relation, tail in triples if tail in near]
    nodes = {entity: (f"name of {entity}", 3) for entity in ENTITIES}
    return Neighbourhoods.of_rows(sorted(near), nodes, rows, hops=1)


def as_ids(found: Neighbourhoods, triples: Triples) -> list[tuple[str, str, str]]:
    """Triples as ids, in their order."""
    columns = zip(triples.head, triples.relation, triples.tail, strict=True)
    return [(str(found.ids[head]), found.relations[relation], str(found.ids[tail])) for head, relation, tail in columns]


def stored(found: Neighbourhoods) -> set[tuple[str, str, str]]:
    """The triples as ids."""
    return {found.triple(row) for row in range(len(found.relation))}


@given(TRIPLES)
def test_triples_and_back_is_the_same(triples: list[tuple[str, str, str]]) -> None:
    found = around(triples)
    again = Triples.of(found).rows_of(found)
    assert again.content_hash == found.content_hash
    assert stored(again) == set(triples)


@given(TRIPLES, st.floats(0, 1), st.integers(0, 5))
def test_a_part_of_the_triples_has_both_of_their_rows(
    triples: list[tuple[str, str, str]], share: float, seed: int
) -> None:
    found = around(triples)
    everything = Triples.of(found)
    kept = everything.drawn(share, seed)
    assert len(kept) == round(share * len(everything))
    part = everything.take(kept).rows_of(found)
    assert stored(part) <= set(triples)
    assert len(stored(part)) == len(kept)
    assert len(part.relation) == 2 * len(kept)


@given(TRIPLES, st.sets(st.sampled_from(ENTITIES), min_size=1), st.floats(0, 1), st.integers(0, 5))
def test_as_many_triples_become_wrong_as_their_relations_allow(
    triples: list[tuple[str, str, str]], near: set[str], share: float, seed: int
) -> None:
    found = around(triples, near)
    true = Triples.of(found)
    wrong, changed = corrupted_triples(true, share, seed, found.lengths > 0)
    np.testing.assert_array_equal(wrong.head, true.head)
    np.testing.assert_array_equal(wrong.relation, true.relation)
    assert (wrong.tail != true.tail).tolist() == changed.tolist()
    facts, result = as_ids(found, true), as_ids(found, wrong)
    assert stored(wrong.rows_of(found)) == set(result), "no triple is lost"
    assert len(set(result)) == len(facts), "none is there twice"
    for new, made in zip(result, changed, strict=True):
        assert (new in facts) is not made
        assert not made or new[0] != new[2]
    tails = {(relation, tail) for _, relation, tail in facts}
    assert {(relation, tail) for _, relation, tail in result} <= tails
    drawn = [facts[number] for number in true.drawn(share, seed)]
    made = Counter(new[:2] for new, each in zip(result, changed, strict=True) if each)
    for (head, relation), asked in Counter(fact[:2] for fact in drawn).items():
        seen = {t for r, t in tails if r == relation and t != head and (head in near or t in near)}
        assert made[head, relation] == min(asked, len({t for t in seen if (head, relation, t) not in facts}))
    again, _ = corrupted_triples(true, share, seed, found.lengths > 0)
    np.testing.assert_array_equal(again.tail, wrong.tail)


@pytest.mark.parametrize("tails", [2, 3, 40])
def test_all_triples_of_a_relation_become_wrong(tails: int) -> None:
    """Whatever the number of its tails, unless it is one; many stay as frequent as they were."""
    generator = np.random.default_rng(0)
    tail = 1000 + np.minimum(generator.geometric(0.2, 1000) - 1, tails - 1)
    true = Triples(np.arange(1000), np.zeros(1000, np.int64), tail)
    for share in (0.1, 0.7, 1.0):
        wrong, changed = corrupted_triples(true, share, 1, np.ones(1000 + tails, bool))
        assert changed.sum() == (wrong.tail != true.tail).sum() == round(share * 1000)
    if tails == 40:
        moved = np.abs(np.bincount(wrong.tail) - np.bincount(true.tail)).sum() / 2
        assert moved <= 0.05 * 1000
    one = Triples(true.head, true.relation, np.full(1000, 1000))
    assert not corrupted_triples(one, 1.0, 1, np.ones(1001, bool))[1].any()


@given(TRIPLES, st.sampled_from([1.0, 2.0, 5.0]))
def test_a_grown_graph_keeps_its_triples_and_adds_named_entities(
    triples: list[tuple[str, str, str]], factor: float
) -> None:
    found = around(triples)
    grown = grown_neighbourhoods(found, factor, 1)
    added = stored(grown) - stored(found)
    assert stored(found) <= stored(grown)
    # A pair of head and invented tail may be drawn twice, and counts once.
    assert len(added) <= round((factor - 1) * len(triples))
    assert bool(added) == (round((factor - 1) * len(triples)) > 0)
    assert list(grown.ids) == sorted(grown.ids)
    assert all(grown.names)
    assert {tail for _, _, tail in added}.isdisjoint(ENTITIES)
    assert {(head, relation) for head, relation, _ in added} <= {(head, relation) for head, relation, _ in triples}
    assert len(grown.degrees) == len(grown.ids) == len(grown.dropped) == len(grown.indptr) - 1


@pytest.mark.parametrize("name", ["books", "generic", "movies"])
def test_packs_without_words_of_their_own(name: str) -> None:
    pack = TemplatePack.load(name)
    relation = next(iter(pack.relations), "book.written_work.author")
    plain, neutral = fallback_only(pack), neutral_only(pack)
    assert not plain.has(relation)
    assert plain.sentence("A", relation, "B") == plain.sentence("A", relation, "B")
    assert neutral.sentence("A", "some.relation", "B") == neutral.sentence("A", "another", "B")
    assert plain.sentence("A", "some.relation", "B") != plain.sentence("A", "another", "B")


def test_shuffled_words_are_the_same_words() -> None:
    pack = TemplatePack.load("books")
    shuffled = shuffled_words(pack)
    moved = 0
    for relation in pack.relations:
        one, other = pack.sentence("AA", relation, "BB"), shuffled.sentence("AA", relation, "BB")
        assert Counter(re.findall(r"\w+", one)) == Counter(re.findall(r"\w+", other))
        moved += one != other
    assert moved > len(pack.relations) / 2


@given(TRIPLES, st.integers(0, 5))
def test_added_triples_are_those_that_were_not_there(triples: list[tuple[str, str, str]], seed: int) -> None:
    found = around(triples)
    true = Triples.of(found)
    wrong, _ = corrupted_triples(true, 0.5, seed, found.lengths > 0)
    changed = wrong.rows_of(found)
    added = Triples.of(changed).without(true)
    rows = added.among(changed)
    states = [changed.triple(row) for row in range(len(changed.relation))]
    assert {triple for triple, new in zip(states, rows, strict=True) if new} == stored(changed) - set(triples)
    assert {triple for triple, new in zip(states, rows, strict=True) if not new} == stored(changed) & set(triples)
    assert len(true.without(true)) == 0
    assert len(true.without(Triples.none())) == len(true)


@given(TRIPLES, st.integers(1, 3))
def test_the_most_frequent_relations_stay(triples: list[tuple[str, str, str]], count: int) -> None:
    kept = stored(of_frequent_relations(around(triples), count))
    sizes = Counter(relation for _, relation, _ in triples)
    left = {relation for _, relation, _ in kept}
    assert len(left) == min(count, len(sizes))
    assert kept == {triple for triple in triples if triple[1] in left}
    assert min((sizes[name] for name in left), default=0) >= max(
        (sizes[name] for name in sizes if name not in left), default=0
    )
