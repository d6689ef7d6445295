from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_select import Order, balanced, choose, depth_first, fact, ranks, rarest_first

from kptoolkit.errors import ConfigError
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.tree.selection import Selection, select

MIRRORED = [("before", "after"), ("knows", "knows")]
REPEATED = [("by", "made by"), ("before", "precedes")]
RELATIONS = ("after", "before", "knows", "by", "made by", "precedes")
SETTINGS = {"mirrored": MIRRORED, "repeated": REPEATED, "hops": 3, "degree": 2, "seed": 7, "max_degree": 4}


def graph(
    triples: list[tuple[str, str, str]],
    roots: list[str],
    *,
    nameless: frozenset[str] = frozenset(),
    degrees: dict[str, int] | None = None,
    hops: int = 3,
) -> Neighbourhoods:
    """All rows of all nodes of a small graph."""
    nodes = sorted({end for head, _, tail in triples for end in (head, tail)})
    count = {node: sum(node in (head, tail) for head, _, tail in set(triples)) for node in nodes}
    rows = [(head, relation, tail, True) for head, relation, tail in triples]
    rows += [(tail, relation, head, False) for head, relation, tail in triples if head != tail]
    table = {node: ("" if node in nameless else f"name of {node}", (degrees or count)[node]) for node in nodes}
    return Neighbourhoods.of_rows(roots, table, rows, hops=hops)


@st.composite
def graphs(draw: st.DrawFn) -> Neighbourhoods:
    """Small dense graphs: mirrored pairs, self loops, hubs, cycles, nameless nodes, repeated and unknown roots."""
    nodes = [f"n{number}" for number in range(draw(st.integers(2, 7)))]
    node = st.sampled_from(nodes)
    triples = draw(st.lists(st.tuples(node, st.sampled_from(RELATIONS), node), min_size=1, max_size=24))
    named = sorted({end for head, _, tail in triples for end in (head, tail)})
    unknown = draw(st.booleans())
    return graph(
        triples,
        draw(st.lists(st.sampled_from([*nodes, "unknown"]), max_size=4)),
        nameless=draw(st.frozensets(node, max_size=2)),
        degrees=dict.fromkeys(named, -1) if unknown else None,
    )


def by_hash(neighbourhoods: Neighbourhoods, seed: int) -> dict[int, int]:
    """The seeded tie of each row, from a selection that is ordered by nothing else."""
    everything = replace(neighbourhoods, roots=np.arange(len(neighbourhoods), dtype=np.int32))
    settings = {"hops": 1, "degree": 10**6, "max_degree": 10**6, "keep_nameless": True}
    rows = select(everything, ranking="random", seed=seed, **settings).row  # type: ignore[arg-type]
    return {int(row): place for place, row in enumerate(rows)}


def in_tie_order(tie: dict[int, int]) -> Order:
    return lambda node, rows: sorted(rows, key=tie.__getitem__)


def check(selection: Selection, neighbourhoods: Neighbourhoods, order: Order, **settings: object) -> None:
    for item, root in enumerate(neighbourhoods.roots):
        expected, nameless = choose(neighbourhoods, int(root), order, **settings)  # type: ignore[arg-type]
        mine = slice(selection.indptr[item], selection.indptr[item + 1])
        assert selection.row[mine].tolist() == [entry.row for entry in expected]
        assert selection.near[mine].tolist() == [entry.near for entry in expected]
        assert selection.parent[mine].tolist() == [entry.parent for entry in expected]
        assert selection.hop[mine].tolist() == [entry.hop for entry in expected]
        assert selection.dfs[mine].tolist() == ranks(depth_first(expected))
        assert selection.nameless[item] == nameless
        for entry in expected:
            assert len(set(entry.path[:-1])) == len(entry.path) - 1, "an entity on the path was expanded again"


@given(
    graphs(),
    st.integers(0, 3),
    st.integers(0, 4),
    st.sampled_from(["balanced", "random", "inverse-degree"]),
    st.integers(0, 5),
    st.integers(0, 8),
    st.booleans(),
)
def test_select_equals_the_plain_definition(
    neighbourhoods: Neighbourhoods,
    hops: int,
    degree: int,
    ranking: str,
    seed: int,
    max_degree: int,
    keep_nameless: bool,
) -> None:
    settings = {
        "mirrored": MIRRORED,
        "repeated": REPEATED,
        "hops": hops,
        "degree": degree,
        "max_degree": max_degree,
        "keep_nameless": keep_nameless,
    }
    tie = by_hash(neighbourhoods, seed)
    order = {"balanced": balanced, "inverse-degree": rarest_first}.get(ranking, lambda _, tie: in_tie_order(tie))
    selection = select(neighbourhoods, ranking=ranking, seed=seed, **settings)  # type: ignore[arg-type]
    check(selection, neighbourhoods, order(neighbourhoods, tie), **settings)


@given(graphs(), st.integers(1, 3))
def test_roots_selected_in_chunks_get_the_same_triples(neighbourhoods: Neighbourhoods, size: int) -> None:
    together = select(neighbourhoods, **SETTINGS)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kptoolkit.tree.selection._CHUNK", size)
        in_parts = select(neighbourhoods, **SETTINGS)  # type: ignore[arg-type]
    for name in ("indptr", "row", "near", "parent", "hop", "dfs", "nameless"):
        one, other = getattr(in_parts, name), getattr(together, name)
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


@given(graphs())
def test_a_fact_is_selected_once_per_item(neighbourhoods: Neighbourhoods) -> None:
    selection = select(neighbourhoods, **SETTINGS)  # type: ignore[arg-type]
    for item in range(len(selection)):
        rows = selection.row[selection.indptr[item] : selection.indptr[item + 1]]
        facts = [fact(neighbourhoods, int(row), MIRRORED, REPEATED) for row in rows]
        assert len(facts) == len(set(facts))


@given(graphs(), st.integers(0, 3), st.sampled_from(["balanced", "inverse-degree", "random"]))
def test_an_item_gets_the_same_triples_alone_and_among_many(
    neighbourhoods: Neighbourhoods, seed: int, ranking: str
) -> None:
    settings = {**SETTINGS, "seed": seed, "ranking": ranking}
    together = select(neighbourhoods, **settings)  # type: ignore[arg-type]
    for item, root in enumerate(neighbourhoods.roots):
        if root < 0:
            continue
        name = str(neighbourhoods.ids[root])
        rows = [
            (neighbourhoods.ids[near], neighbourhoods.relations[relation], neighbourhoods.ids[far], bool(forward))
            for near, relation, far, forward in zip(
                neighbourhoods.near,
                neighbourhoods.relation,
                neighbourhoods.far,
                neighbourhoods.forward,
                strict=True,
            )
        ]
        nodes = {
            str(entity): (str(label), int(count))
            for entity, label, count in zip(
                neighbourhoods.ids, neighbourhoods.names, neighbourhoods.degrees, strict=True
            )
        }
        other = Neighbourhoods.of_rows([name], {**nodes, "a new first node": ("x", 0)}, rows, hops=3)
        alone = select(other, **settings)  # type: ignore[arg-type]
        mine = slice(together.indptr[item], together.indptr[item + 1])
        assert [other.triple(row) for row in alone.row] == [neighbourhoods.triple(row) for row in together.row[mine]]
        assert alone.dfs.tolist() == together.dfs[mine].tolist()


@given(graphs(), st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_a_prefix_contains_the_parents_of_its_triples(neighbourhoods: Neighbourhoods, counts: list[int]) -> None:
    selection = select(neighbourhoods, **SETTINGS)  # type: ignore[arg-type]
    kept = selection.keep(np.array(counts[: len(selection)], dtype=np.int64))
    assert kept.lengths.tolist() == [min(a, b) for a, b in zip(selection.lengths, counts, strict=False)]
    for item in range(len(kept)):
        mine = slice(kept.indptr[item], kept.indptr[item + 1])
        assert all(parent < index for index, parent in enumerate(kept.parent[mine]))
        assert kept.row[mine].tolist() == selection.row[selection.indptr[item] :][: kept.lengths[item]].tolist()


STAR = [("film", "genre", f"g{number}") for number in range(4)] + [("film", "by", "ann"), ("film", "by", "bob")]
STAR += [(f"other{number}", "genre", f"g{n}") for n in range(4) for number in range(n + 1)] + [("more", "by", "ann")]


def triples(neighbourhoods: Neighbourhoods, **settings: object) -> list[tuple[str, str, str]]:
    selection = select(neighbourhoods, **{**SETTINGS, **settings})  # type: ignore[arg-type]
    return [neighbourhoods.triple(int(row)) for row in selection.row]


def test_balanced_takes_turns_over_relations_and_puts_dead_ends_last() -> None:
    tails = [tail for _, _, tail in triples(graph(STAR, ["film"]), hops=1, degree=6)]
    assert tails == ["ann", "g0", "g1", "bob", "g2", "g3"]


def test_inverse_degree_takes_the_rarest_ends_first() -> None:
    tails = [tail for _, _, tail in triples(graph(STAR, ["film"]), hops=1, degree=6, ranking="inverse-degree")]
    assert tails[0] == "bob"
    assert tails[3:] == ["g1", "g2", "g3"]


def test_a_function_ranks_rows() -> None:
    def last_first(neighbourhoods: Neighbourhoods, rows: np.ndarray) -> np.ndarray:
        reverse: np.ndarray = -neighbourhoods.far[rows]
        return reverse

    tails = [tail for _, _, tail in triples(graph(STAR, ["film"]), hops=1, degree=2, ranking=last_first)]
    assert tails == ["g3", "g2"]


def test_a_ranking_function_of_the_wrong_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        triples(graph(STAR, ["film"]), ranking=lambda neighbourhoods, rows: np.zeros(1))


def test_an_unknown_ranking_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="balanced, inverse-degree, random"):
        triples(graph(STAR, ["film"]), ranking="best")


def test_more_hops_than_were_fetched_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 hops asked for, 1 fetched"):
        triples(graph(STAR, ["film"], hops=1), hops=3)


def test_seeds_draw_other_orders_and_equal_seeds_equal_ones() -> None:
    wide = graph([("film", "by", f"p{number}") for number in range(30)], ["film"])
    draws = [triples(wide, ranking="random", seed=seed, degree=30, hops=1) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert sorted(draws[0]) == sorted(draws[2])


def test_of_a_mirrored_pair_the_row_that_starts_at_the_node_is_selected() -> None:
    pair = graph([("one", "before", "two"), ("two", "after", "one")], ["one", "two"])
    selection = select(pair, **SETTINGS)  # type: ignore[arg-type]
    assert [pair.triple(int(row)) for row in selection.row] == [("one", "before", "two"), ("two", "after", "one")]
    assert pair.forward[selection.row].all()


def test_mirrored_pairs_that_share_a_relation_are_one_fact() -> None:
    names = graph([("a", "r1", "b"), ("b", "r2", "a"), ("a", "r3", "b")], ["a"])
    assert triples(names, mirrored=[("r1", "r2"), ("r2", "r3")]) == [("a", "r1", "b")]
    assert len(triples(names, mirrored=[("r1", "r2")])) == 2


def test_hubs_are_named_but_not_expanded() -> None:
    hub = graph([("film", "genre", "drama")] + [(f"f{n}", "genre", "drama") for n in range(9)], ["film", "drama"])
    selection = select(hub, **{**SETTINGS, "hops": 2})  # type: ignore[arg-type]
    assert selection.lengths.tolist() == [1, 2]


def test_nameless_ends_are_left_out_and_counted() -> None:
    odd = graph([("film", "by", "x"), ("film", "by", "ann")], ["film"], nameless=frozenset({"x"}))
    selection = select(odd, **SETTINGS)  # type: ignore[arg-type]
    assert [odd.triple(int(row))[2] for row in selection.row] == ["ann"]
    assert selection.nameless.tolist() == [1]
    assert len(triples(odd, keep_nameless=True)) == 2


def test_a_self_loop_is_left_out() -> None:
    assert triples(graph([("a", "by", "a"), ("a", "by", "b"), ("b", "in", "b")], ["a"])) == [("a", "by", "b")]
