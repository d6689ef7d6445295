"""Neighbourhoods as arrays: order, caps, fewer hops, files; and fetching from a store in memory."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.config import GraphConfig
from kptoolkit.errors import DataError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.neighbour_rows import Row, RowColumns
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.graph.store import Dialect, GraphTransaction, Records, WriteCounters
from kptoolkit.testing.graph_store_suite import expected_rows, fingerprint_of_rows, rows_of

T = TypeVar("T")
Triple = tuple[str, str, str]
nodes = st.sampled_from("abcdefgh")
graphs = st.lists(st.tuples(nodes, st.sampled_from(["r", "s", "t"]), nodes), min_size=1, max_size=40)


QUERIES = QuerySet()


class TripleStore:
    """Answers the reading queries from a list of triples, in any order, and counts the queries."""

    dialect: Dialect = "neo4j"
    uri = "memory:"

    def __init__(self, triples: Sequence[Triple], seed: int = 0) -> None:
        self.triples, self.random, self.asked = sorted(set(triples)), random.Random(seed), 0
        self.revision = "1"
        self.named = {query.text: query.path.stem for query in QUERIES}

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        rows = getattr(self, self.named[query])(**parameters)
        return Records(QUERIES[self.named[query]].columns, rows)

    def meta(self) -> list[list[Any]]:
        return [[self.revision, "complete", "upsert", "x"]]

    def counts(self) -> list[list[Any]]:
        return [[len({e for h, _, t in self.triples for e in (h, t)}), len(self.triples), 0]]

    def relation_counts(self) -> list[list[Any]]:
        return [[relation, sum(r == relation for _, r, _ in self.triples)] for relation in ("r", "s", "t")]

    def entities_by_id(self, ids: Sequence[str]) -> list[list[Any]]:
        known = {e for h, _, t in self.triples for e in (h, t)}
        return [[i, i.upper(), self._degree(i)] for i in ids if i in known]

    def neighbours(self, frontier: Sequence[str], max_degree: int | None, cap: int) -> list[list[Any]]:
        self.asked += 1
        rows = []
        for node in frontier:
            if max_degree is not None and self._degree(node) > max_degree:
                continue
            around = expected_rows(MemorySource(self.triples), [node], 1, 10**9)
            for relation in ("r", "s", "t"):
                rows += sorted(list(row) for row in around if row[1] == relation)[:cap]
        self.random.shuffle(rows)
        return rows

    def _degree(self, node: str) -> int:
        return sum(node in (h, t) for h, _, t in self.triples)

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        raise NotImplementedError

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        raise NotImplementedError

    def close(self) -> None:
        pass


def graph_of(triples: Sequence[Triple], seed: int = 0, frontier: int = 3) -> tuple[Graph, TripleStore]:
    store = TripleStore(triples, seed)
    return Graph(store, QUERIES, GraphConfig(frontier=frontier)), store


@given(graphs, st.lists(nodes, min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 12))
def test_fetching_equals_a_plain_walk(triples: list[Triple], roots: list[str], hops: int, max_degree: int) -> None:
    graph, store = graph_of(triples)
    found = graph.neighbourhoods(roots, hops, max_degree=max_degree)
    assert rows_of(found) == expected_rows(MemorySource(triples), roots, hops, max_degree)
    assert len(rows_of(found)) == len(found.far)
    known = {e for h, _, t in triples for e in (h, t)}
    assert [None if n < 0 else found.ids[n] for n in found.roots] == [root if root in known else None for root in roots]
    assert store.asked <= hops * 3


@given(graphs, st.lists(nodes, min_size=1, max_size=4), st.integers(1, 5), st.integers(0, 99), st.integers(1, 9))
def test_the_result_does_not_depend_on_the_order_of_rows_or_the_chunks(
    triples: list[Triple], roots: list[str], cap: int, seed: int, frontier: int
) -> None:
    one = graph_of(triples)[0].neighbourhoods(roots, 3, cap=cap)
    other = graph_of(triples, seed, frontier)[0].neighbourhoods(roots, 3, cap=cap)
    assert fingerprint_of_rows(one) == fingerprint_of_rows(other)


@given(graphs, st.lists(nodes, min_size=1, max_size=4), st.integers(1, 5), st.integers(1, 8))
def test_fewer_hops_are_a_part_of_more(triples: list[Triple], roots: list[str], cap: int, max_degree: int) -> None:
    graph, _ = graph_of(triples)
    far = graph.neighbourhoods(roots, 4, cap=cap, max_degree=max_degree)
    for hops in range(1, 5):
        near = graph.neighbourhoods(roots, hops, cap=cap, max_degree=max_degree)
        limited = far.limited(hops)
        assert fingerprint_of_rows(limited) == fingerprint_of_rows(near)
        assert (limited.hops, limited.truncated) == (near.hops, near.truncated)


@given(graphs)
def test_rows_are_sorted_and_the_csr_holds_together(triples: list[Triple]) -> None:
    found = graph_of(triples)[0].neighbourhoods(["a", "b"], 3)
    assert found.indptr[0] == 0
    assert found.indptr[-1] == len(found.far) == len(found.near)
    keys = list(
        zip(found.near.tolist(), found.relation.tolist(), found.far.tolist(), found.forward.tolist(), strict=True)
    )
    assert keys == sorted(set(keys))
    for row in range(len(found.far)):
        assert found.ends(row) == (found.near[row], found.far[row])
        assert found.triple(row) in triples


def round_robin(rows: Sequence[Row], cap: int) -> list[Row]:
    """Return, in plain Python, the first ``cap`` distinct rows of one node, taking turns over its relations.

    Args:
        rows: Rows of one node.
        cap: Rows to keep.
    """
    turns: dict[str, int] = {}
    ordered = []
    for row in sorted(set(rows), key=lambda row: row[1:]):
        turn = turns[row[1]] = turns.get(row[1], -1) + 1
        ordered.append((turn, row))
    ordered.sort(key=lambda pair: (pair[0], pair[1][1]))
    return [row for _, row in ordered[:cap]]


def a_row(relation: str, other: str, forward: bool = True) -> Row:
    return ("n", relation, other, forward)


def test_a_cap_takes_turns_over_relations() -> None:
    rows = [a_row("a", str(n)) for n in range(5)] + [
        a_row("b", "x"),
        a_row("c", "y"),
        a_row("c", "z"),
        a_row("c", "y", False),
    ]
    assert round_robin(rows[::-1], 5) == [
        a_row("a", "0"),
        a_row("b", "x"),
        a_row("c", "y", False),
        a_row("a", "1"),
        a_row("c", "y"),
    ]
    assert len(round_robin(rows + rows, 100)) == len(rows)


ROWS = st.lists(
    st.tuples(st.sampled_from("abA"), st.sampled_from("rsR"), st.sampled_from(["x", "y", "Z", "é", "a"]), st.booleans())
)


@given(st.lists(ROWS, max_size=3), st.integers(1, 4))
def test_columns_keep_the_rows_that_plain_python_keeps(several: list[list[Row]], cap: int) -> None:
    columns, expected, dropped = RowColumns(), set[Row](), dict[str, int]()
    for number, rows in enumerate(several):  # a node's rows come in one part
        part = [(f"{row[0]}{number}", *row[1:]) for row in rows]
        ends, more = columns.add(*(list(column) for column in zip(*part, strict=True)) if part else [[]] * 4, cap=cap)
        for node in {row[0] for row in part}:
            of_node = [row for row in part if row[0] == node]
            kept = round_robin(of_node, cap)
            expected.update(kept)
            if len(set(of_node)) > len(kept):
                dropped[node] = len(set(of_node)) - len(kept)
        assert {list(columns.entities)[end] for end in ends} == {row[2] for row in expected if row[0] in part_of(part)}
        assert more == {node: count for node, count in dropped.items() if node in part_of(part)}
    entities, relations = list(columns.entities), list(columns.relations)
    near, relation, far, forward = (column.tolist() for column in columns.joined())
    found = list(zip(near, relation, far, forward, strict=True))
    assert len(found) == len(set(found)) == len(expected)
    assert {(entities[n], relations[r], entities[f], d) for n, r, f, d in found} == expected
    assert set(entities) == {end for row in expected for end in (row[0], row[2])}


def part_of(rows: list[Row]) -> set[str]:
    return {row[0] for row in rows}


def test_saving_and_loading(tmp_path: Path) -> None:
    found = graph_of([("a", "r", "b"), ("b", "s", "c")])[0].neighbourhoods(["a", "zz"], 2)
    found.save(tmp_path / "kept")
    again = Neighbourhoods.load(tmp_path / "kept")
    assert fingerprint_of_rows(again) == fingerprint_of_rows(found)
    assert (again.hops, again.fingerprint) == (2, found.fingerprint)
    assert isinstance(again.far, np.memmap)


@pytest.mark.parametrize("name", ["far.npy", "index.json"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_file_is_noticed(tmp_path: Path, name: str, how: str) -> None:
    graph_of([("a", "r", "b"), ("b", "s", "c")])[0].neighbourhoods(["a"], 2).save(tmp_path / "kept")
    path = tmp_path / "kept" / name
    path.write_bytes(path.read_bytes()[:-4]) if how == "cut" else path.unlink()
    with pytest.raises(DataError, match=name):
        Neighbourhoods.load(tmp_path / "kept")


def test_the_cache_answers_without_the_graph(tmp_path: Path) -> None:
    graph, store = graph_of([("a", "r", "b"), ("b", "s", "c"), ("c", "t", "d")])
    first = graph.neighbourhoods(["a"], 3, cache=tmp_path)
    asked = store.asked
    assert fingerprint_of_rows(graph.neighbourhoods(["a"], 3, cache=tmp_path)) == fingerprint_of_rows(first)
    assert len(graph.neighbourhoods(["a"], 1, cache=tmp_path).far) == 1
    assert store.asked == asked


def test_a_cached_result_is_reported_with_its_date_and_not_used_if_it_is_older_than_asked(tmp_path: Path) -> None:
    graph, store = graph_of([("a", "r", "b")])
    stages: list[str] = []
    options: dict[str, Any] = {
        "cache": tmp_path,
        "progress": lambda event: stages.append(f"{event.stage} {event.figures}"),
    }
    graph.neighbourhoods(["a"], 1, **options)
    os.utime(next(tmp_path.glob("*/index.json")), (3600, 3600))
    stages.clear()
    graph.neighbourhoods(["a"], 1, since=3600, **options)
    assert stages == ["neighbourhoods from the cache of 1970-01-01 01:00 UTC"]
    for since in (3601, float("inf")):
        asked = store.asked
        graph.neighbourhoods(["a"], 1, since=since, **options)
        assert store.asked > asked
        os.utime(next(tmp_path.glob("*/index.json")), (3600, 3600))


@pytest.mark.parametrize("change", ["revision", "cap", "max_degree", "roots", "hops", "damage"])
def test_the_cache_is_used_only_for_the_same_request(tmp_path: Path, change: str) -> None:
    graph, store = graph_of([("a", "r", "b"), ("b", "s", "c"), ("c", "t", "d")])
    graph.neighbourhoods(["a"], 2, cache=tmp_path, cap=5, max_degree=5)
    store.asked = 0
    asked: dict[str, Any] = {"hops": 2, "cap": 5, "max_degree": 5}
    roots = ["a"]
    if change == "revision":
        store.revision = "2"
    elif change == "roots":
        roots = ["a", "b"]
    elif change == "damage":
        next(tmp_path.glob("*/far.npy")).write_bytes(b"")
    else:
        asked[change] += 1
    graph.neighbourhoods(roots, cache=tmp_path, **asked)
    assert store.asked > 0
