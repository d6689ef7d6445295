"""The order in which a node's rows are dealt; the rules are those of :mod:`kptoolkit.tree.selection`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.storage.ragged import Ints, inverse_permutation, offsets, run_positions, run_starts
from kptoolkit.tree.fact_keys import Facts

Ranking = str | Callable[[Neighbourhoods, NDArray[np.int64]], NDArray[Any]]
"""``balanced``, ``inverse-degree``, ``random``, or a function of the neighbourhoods and ``(n,)`` row numbers that
returns ``(n,)`` sort keys, least first; ties are broken by the seed."""
RANKINGS = ("balanced", "inverse-degree", "random")


class Deck:
    """The rows of nodes in the order in which they are dealt; a node is laid out when it is first expanded.

    Args:
        neighbourhoods: The rows.
        facts: Which rows state the same fact; one of a node's rows for a fact is dealt.
        ranking: The order.
        seed: Breaks ties, and draws the order of ``random``.
        keep_nameless: Deal rows whose far end has no name, too.

    Attributes:
        size: ``(N,)`` rows to deal of each node that is laid out.
        nameless: ``(N,)`` facts of each such node that are not dealt because their far end has no name.
    """

    def __init__(
        self, neighbourhoods: Neighbourhoods, facts: Facts, ranking: Ranking, seed: int, keep_nameless: bool
    ) -> None:
        self.neighbourhoods, self.facts, self.ranking = neighbourhoods, facts, ranking
        nodes = len(neighbourhoods.degrees)
        self.nameless = np.zeros(nodes, dtype=np.int64)
        self.size = np.zeros(nodes, dtype=np.int64)
        self._first = np.zeros(nodes, dtype=np.int64)
        self._known = np.zeros(nodes, dtype=np.bool_)
        self._rows = np.zeros(0, dtype=np.int64)
        self._left_out = np.zeros(nodes, dtype=np.bool_) if keep_nameless else np.asarray(neighbourhoods.names) == ""
        self._tie = _Tie(neighbourhoods, seed)

    def lay_out(self, nodes: Ints) -> None:
        """Rank the rows of those of ``nodes`` that are new."""
        fresh = np.zeros(len(self._known), dtype=np.bool_)
        fresh[nodes] = True
        new = np.flatnonzero(fresh & ~self._known)
        indptr = np.asarray(self.neighbourhoods.indptr)
        sizes = indptr[new + 1] - indptr[new]
        near, row = np.repeat(new, sizes), np.repeat(indptr[new], sizes) + offsets(sizes)
        distinct = self._distinct(near, row)
        near, row = near[distinct], row[distinct]
        hidden = self._left_out[self.facts.far[row]]
        count = len(self._known)
        self.nameless += np.bincount(near[hidden], minlength=count)
        near, row = near[~hidden], row[~hidden]
        order = self._order(near, row)
        sizes = np.bincount(near, minlength=count)[new]
        self._first[new] = len(self._rows) + np.cumsum(sizes) - sizes
        self.size[new] = sizes
        self._known[new] = True
        self._rows = np.concatenate([self._rows, row[order]])

    def deal(self, nodes: Ints, count: Ints) -> Ints:
        """The first ``count[i]`` rows of each node, concatenated; ``count`` exceeds no node's size."""
        rows: Ints = self._rows[np.repeat(self._first[nodes], count) + offsets(count)]
        return rows

    def _distinct(self, near: Ints, row: Ints) -> Ints:
        """Positions, ascending, of the row that stands for each fact of a node."""
        head, relation_and_tail = self.facts.keys(near, row)
        backward = ~self.facts.forward[row]
        order = np.lexsort((backward, relation_and_tail, head, near))
        return np.sort(order[run_starts(near[order], head[order], relation_and_tail[order])])

    def _order(self, near: Ints, row: Ints) -> Ints:
        """Positions of rows, node by node ascending, in the ranking's order."""
        order: Ints = np.lexsort((*reversed(self._keys(near, row)), near))
        return order

    def _keys(self, near: Ints, row: Ints) -> tuple[NDArray[Any], ...]:
        """What orders the rows of one node, the strongest key first; each ``(n,)``."""
        tie = self._tie.of(near, row)
        if callable(self.ranking):
            keys = np.asarray(self.ranking(self.neighbourhoods, row))
            if keys.shape != row.shape:
                raise ValueError(f"the ranking function returned keys of shape {keys.shape} for {row.shape} rows")
            return keys, tie
        if self.ranking == "random":
            return (tie,)
        degree = np.maximum(np.asarray(self.neighbourhoods.degrees)[self.facts.far[row]], 0)
        if self.ranking == "inverse-degree":
            return degree, tie
        last = np.iinfo(np.int64).max
        quality = inverse_permutation(np.lexsort((tie, np.where(degree == 1, last, degree))))
        relation = self.facts.relation[row]
        order = np.lexsort((quality, relation, near))
        turn = np.empty(len(row), dtype=np.int64)
        turn[order] = run_positions(near[order], relation[order])
        return turn, quality


class _Tie:
    """Seeded numbers that depend on the ids in a row, not on how they are numbered."""

    def __init__(self, neighbourhoods: Neighbourhoods, seed: int) -> None:
        self._nodes = _hash(neighbourhoods.ids)
        self._relations = _hash(np.array(neighbourhoods.relations, dtype=object))
        self._far, self._relation = np.asarray(neighbourhoods.far), np.asarray(neighbourhoods.relation)
        self._forward = np.asarray(neighbourhoods.forward)
        self._seed = np.array([seed % 2**64], dtype=np.uint64)

    def of(self, near: Ints, row: Ints) -> NDArray[np.uint64]:
        """``(n,)`` numbers, as good as drawn at random by the seed."""
        mixed = _mix(self._nodes[near] ^ _mix(self._seed))
        mixed = _mix(mixed + self._relations[self._relation[row]])
        return _mix((mixed ^ self._nodes[self._far[row]]) + self._forward[row].astype(np.uint64))


def _hash(values: NDArray[Any]) -> NDArray[np.uint64]:
    """``(n,)`` numbers that depend on each text alone, on every machine."""
    return np.asarray(pd.util.hash_array(np.asarray(values, dtype=object), categorize=False), dtype=np.uint64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: spreads close numbers over all of 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
