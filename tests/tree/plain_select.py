"""The selection in plain Python, one item at a time; the vectorized one is compared with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kptoolkit.graph.neighbourhoods import Neighbourhoods

Triple = tuple[str, str, str]
Order = Callable[[int, list[int]], list[int]]
Pairs = list[tuple[str, str]]


@dataclass
class Chosen:
    """One triple of one item."""

    row: int
    near: int
    parent: int
    hop: int
    path: tuple[int, ...]


def fact(neighbourhoods: Neighbourhoods, row: int, mirrored: Pairs, repeated: Pairs) -> Triple:
    """The canonical form of a row's triple."""
    head, relation, tail = neighbourhoods.triple(row)
    relation = next((first for first, second in repeated if relation == second), relation)
    for first, second in mirrored:
        if relation == first == second:
            return (min(head, tail), relation, max(head, tail))
        if relation == second:
            return (tail, first, head)
    return (head, relation, tail)


def candidates(
    neighbourhoods: Neighbourhoods, node: int, mirrored: Pairs, repeated: Pairs, keep_nameless: bool
) -> tuple[list[int], int]:
    """The named rows of a node, one per fact, without self loops, and the number of nameless facts."""
    rows = range(neighbourhoods.indptr[node], neighbourhoods.indptr[node + 1])
    seen: dict[Triple, int] = {}
    for row in sorted(rows, key=lambda row: (not neighbourhoods.forward[row], row)):
        if neighbourhoods.far[row] != node:
            seen.setdefault(fact(neighbourhoods, row, mirrored, repeated), row)
    named = [row for row in seen.values() if keep_nameless or neighbourhoods.names[neighbourhoods.far[row]]]
    return named, len(seen) - len(named)


def balanced(neighbourhoods: Neighbourhoods, tie: dict[int, int]) -> Order:
    """The order of ``balanced``; ``tie`` breaks ties by row."""

    def quality(row: int) -> tuple[bool, int, int]:
        degree = max(int(neighbourhoods.degrees[neighbourhoods.far[row]]), 0)
        return degree == 1, degree, tie[row]

    def order(node: int, rows: list[int]) -> list[int]:
        turns: dict[int, int] = {}
        for relation in {int(neighbourhoods.relation[row]) for row in rows}:
            group = sorted((row for row in rows if neighbourhoods.relation[row] == relation), key=quality)
            turns |= {row: turn for turn, row in enumerate(group)}
        return sorted(rows, key=lambda row: (turns[row], quality(row)))

    return order


def rarest_first(neighbourhoods: Neighbourhoods, tie: dict[int, int]) -> Order:
    """The order of ``inverse-degree``; ``tie`` breaks ties by row."""
    degrees = [max(int(neighbourhoods.degrees[far]), 0) for far in neighbourhoods.far]
    return lambda node, rows: sorted(rows, key=lambda row: (degrees[row], tie[row]))


def choose(
    neighbourhoods: Neighbourhoods,
    root: int,
    order: Order,
    *,
    mirrored: Pairs,
    repeated: Pairs,
    hops: int,
    degree: int,
    max_degree: int,
    keep_nameless: bool,
) -> tuple[list[Chosen], int]:
    """The triples of one item, breadth first, and its count of nameless facts."""
    chosen: list[Chosen] = []
    nameless: dict[int, int] = {}
    frontier: list[tuple[int, int, tuple[int, ...]]] = [(root, -1, (root,))] if root >= 0 and degree else []
    for hop in range(1, hops + 1):
        earlier = {fact(neighbourhoods, entry.row, mirrored, repeated) for entry in chosen}
        now: set[Triple] = set()
        start = len(chosen)
        for node, parent, path in frontier:
            rows, hidden = candidates(neighbourhoods, node, mirrored, repeated, keep_nameless)
            nameless[node] = hidden
            fresh = [row for row in order(node, rows) if fact(neighbourhoods, row, mirrored, repeated) not in earlier]
            for row in fresh[:degree]:
                if fact(neighbourhoods, row, mirrored, repeated) not in now:
                    now.add(fact(neighbourhoods, row, mirrored, repeated))
                    chosen.append(Chosen(row, node, parent, hop, (*path, int(neighbourhoods.far[row]))))
        frontier = [
            (entry.path[-1], index, entry.path)
            for index, entry in enumerate(chosen)
            if index >= start
            and entry.path[-1] not in entry.path[:-1]
            and max(int(neighbourhoods.degrees[entry.path[-1]]), 0) <= max_degree
        ]
    return chosen, sum(nameless.values())


def depth_first(chosen: list[Chosen]) -> list[int]:
    """Indices of ``chosen`` in depth-first order."""

    def below(parent: int) -> list[int]:
        return [line for index, entry in enumerate(chosen) if entry.parent == parent for line in [index, *below(index)]]

    return below(-1)


def ranks(order: list[int]) -> list[int]:
    """The position of each index in ``order``."""
    return np.argsort(order).tolist() if order else []
