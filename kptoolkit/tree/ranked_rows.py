"""Ranks the rows of nodes; the rules are those of :mod:`kptoolkit.tree.selection`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.errors import ConfigError, shorten
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.names import RANKED_BY, RANKINGS
from kptoolkit.resources import installed_object
from kptoolkit.storage.ragged import Ints, inverse_permutation, offsets, run_positions, run_starts
from kptoolkit.tree.fact_keys import FactKeys

Ranking = str | Callable[[Neighbourhoods, NDArray[np.int64]], NDArray[Any]]
"""``balanced``, ``inverse-degree``, ``random``, the name of a function as in ``tree.ranking``, or a function of the
neighbourhoods and ``(n,)`` row numbers that returns ``(n,)`` sort keys, lowest first; ties are broken by the seed."""


def ranking_named(name: str) -> Ranking:
    """Return what a value of ``tree.ranking`` stands for: a shipped order by its name, else a function.

    Args:
        name: A name of :data:`kptoolkit.names.RANKINGS`, of an entry point, or ``module:function``.

    Raises:
        ConfigError: There is no such ranking, or it cannot be imported or called.
    """
    if name in RANKINGS:
        return name
    found = installed_object("ranking", name, RANKED_BY)
    if found is None:
        raise ConfigError(f"unknown ranking {shorten(repr(name))}: allowed: {', '.join(RANKINGS)}, or a function")
    if not callable(found):
        raise ConfigError(f"ranking {shorten(repr(name))} is no function; see kptoolkit.tree.ranked_rows.Ranking")
    ranking: Ranking = found
    return ranking


class RankedRows:
    """The rows of nodes in ranked order; a node's rows are ranked when the node is first expanded.

    Args:
        neighbourhoods: The rows.
        facts: Which rows state the same fact; of a node's rows for one fact, one is used.
        ranking: The order.
        seed: Breaks ties, and gives the order of ``random``.
        keep_nameless: Keep rows whose far end has no name.

    Attributes:
        size: ``(N,)`` number of ranked rows per node; 0 for nodes that are not ranked yet.
        nameless: ``(N,)`` number of facts per ranked node that are left out because their far end has no name.
    """

    def __init__(
        self, neighbourhoods: Neighbourhoods, facts: FactKeys, ranking: Ranking, seed: int, keep_nameless: bool
    ) -> None:
        self.neighbourhoods, self.facts, self.ranking = neighbourhoods, facts, ranking
        nodes = len(neighbourhoods.degrees)
        self.nameless = np.zeros(nodes, dtype=np.int64)
        self.size = np.zeros(nodes, dtype=np.int64)
        self._start = np.zeros(nodes, dtype=np.int64)
        self._ranked = np.zeros(nodes, dtype=np.bool_)
        self._rows = np.zeros(0, dtype=np.int64)
        self._left_out = np.zeros(nodes, dtype=np.bool_) if keep_nameless else np.asarray(neighbourhoods.names) == ""
        self._ties = _TieBreaker(neighbourhoods, seed)

    def rank(self, nodes: Ints) -> None:
        """Rank the rows of those ``nodes`` that are not ranked yet."""
        asked = np.zeros(len(self._ranked), dtype=np.bool_)
        asked[nodes] = True
        new = np.flatnonzero(asked & ~self._ranked)
        indptr = np.asarray(self.neighbourhoods.indptr)
        sizes = indptr[new + 1] - indptr[new]
        near, row = np.repeat(new, sizes), np.repeat(indptr[new], sizes) + offsets(sizes)
        distinct = self._distinct(near, row)
        near, row = near[distinct], row[distinct]
        proper = near != self.facts.far[row]
        near, row = near[proper], row[proper]
        hidden = self._left_out[self.facts.far[row]]
        count = len(self._ranked)
        self.nameless += np.bincount(near[hidden], minlength=count)
        near, row = near[~hidden], row[~hidden]
        order = self._order(near, row)
        sizes = np.bincount(near, minlength=count)[new]
        self._start[new] = len(self._rows) + np.cumsum(sizes) - sizes
        self.size[new] = sizes
        self._ranked[new] = True
        self._rows = np.concatenate([self._rows, row[order]])

    def first(self, nodes: Ints, count: Ints) -> Ints:
        """Return the first ``count[i]`` rows of each node, concatenated; ``count`` is at most the node's size."""
        rows: Ints = self._rows[np.repeat(self._start[nodes], count) + offsets(count)]
        return rows

    def _distinct(self, near: Ints, row: Ints) -> Ints:
        """Positions, ascending, of one row for each fact of a node."""
        head, relation_and_tail = self.facts.keys(near, row)
        backward = ~self.facts.forward[row]
        order = np.lexsort((backward, relation_and_tail, head, near))
        return np.sort(order[run_starts(near[order], head[order], relation_and_tail[order])])

    def _order(self, near: Ints, row: Ints) -> Ints:
        """Positions of rows by ascending node, then in the ranking's order."""
        order: Ints = np.lexsort((*reversed(self._keys(near, row)), near))
        return order

    def _keys(self, near: Ints, row: Ints) -> tuple[NDArray[Any], ...]:
        """Sort keys for the rows of one node, the most significant first; each ``(n,)``."""
        tie = self._ties.numbers(near, row)
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


class _TieBreaker:
    """Seeded pseudo-random numbers that depend on the ids in a row, not on how nodes are numbered."""

    def __init__(self, neighbourhoods: Neighbourhoods, seed: int) -> None:
        self._nodes = _hash(neighbourhoods.ids)
        self._relations = _hash(np.array(neighbourhoods.relations, dtype=object))
        self._far, self._relation = np.asarray(neighbourhoods.far), np.asarray(neighbourhoods.relation)
        self._forward = np.asarray(neighbourhoods.forward)
        self._seed = np.array([seed % 2**64], dtype=np.uint64)

    def numbers(self, near: Ints, row: Ints) -> NDArray[np.uint64]:
        """Return ``(n,)`` pseudo-random numbers, one per row."""
        mixed = _mix(self._nodes[near] ^ _mix(self._seed))
        mixed = _mix(mixed + self._relations[self._relation[row]])
        return _mix((mixed ^ self._nodes[self._far[row]]) + self._forward[row].astype(np.uint64))


def _hash(values: NDArray[Any]) -> NDArray[np.uint64]:
    """``(n,)`` hashes of texts, the same on every machine."""
    return np.asarray(pd.util.hash_array(np.asarray(values, dtype=object), categorize=False), dtype=np.uint64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64: spreads similar numbers over all of 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
