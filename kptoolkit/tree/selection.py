"""Selects the triples that become an item's knowledge: vectorized over the whole catalogue, one pass per hop.

The rules, for each item (KP4SR, knowledge prompt construction):

1. A *fact* is a triple regardless of how it is stored: for a mirrored pair ``(r1, r2)``, ``(h, r2, t)`` is the fact
   ``(t, r1, h)``; a relation mirrored with itself is symmetric. For a repeated pair, ``(h, r2, t)`` is the fact
   ``(h, r1, t)``.
2. A node's rows are ranked once: self loops and rows with a nameless far end are left out; of rows that state the same
   fact one remains (one whose near end is the head, else the row with the smaller number); the ranking orders the rest.
3. Hop 1 expands the item's entity. Hop h expands, in the order of hop h - 1, the far ends of its triples that are not
   already on the path from the item and have at most ``max_degree`` relationships (an unknown degree counts as 0).
4. An expanded node contributes the first ``degree`` of its rows whose fact no earlier hop of the item contains. A fact
   that several nodes of one hop contribute is taken once, at the first place.
5. Triples are listed breadth first: hop 1 by rank, then hop 2 grouped by parent in the parents' order, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.storage.ragged import Ints, Ragged, group_numbers, indptr_of, offsets, run_positions
from kptoolkit.tree.fact_keys import FactKeys
from kptoolkit.tree.ranked_rows import RankedRows, Ranking, ranking_named

_CHUNK = 2048
"""Roots processed together; selecting needs several times the memory of its result."""


@dataclass(frozen=True, eq=False)
class Selection(Ragged):
    """The selected triples of K roots, a row per root, breadth first in each row.

    A triple's parent comes before it in its row, so :meth:`keep` keeps the parents of what it keeps.

    Attributes:
        row: ``(S,)`` row in the neighbourhoods.
        near: ``(S,)`` node number of the near end, the node that was expanded.
        parent: ``(S,)`` index in the root's list of the triple whose far end was expanded; -1 at hop 1.
        hop: ``(S,)`` hops from the root, from 1.
        dfs: ``(S,)`` rank in the root's depth-first order, a parent before its children.
        nameless: ``(K,)`` facts left out around the expanded nodes because their far end has no name.
    """

    row: NDArray[np.int64]
    near: NDArray[np.int32]
    parent: NDArray[np.int32]
    hop: NDArray[np.int8]
    dfs: NDArray[np.int32]
    nameless: NDArray[np.int64]
    columns = ("row", "near", "parent", "hop", "dfs")
    row_columns = ("nameless",)


def select(
    neighbourhoods: Neighbourhoods,
    *,
    mirrored: Sequence[tuple[str, str]] = (),
    repeated: Sequence[tuple[str, str]] = (),
    hops: int,
    degree: int,
    ranking: Ranking = "balanced",
    seed: int,
    max_degree: int,
    keep_nameless: bool = False,
) -> Selection:
    """Select the triples of every root of ``neighbourhoods`` by the rules in the module's docstring.

    Args:
        neighbourhoods: Rows around the roots; a root of -1 gets no triples.
        mirrored: Pairs of relation ids that state the same fact with head and tail swapped.
        repeated: Pairs of relation ids that state the same fact with the same head and tail.
        hops: Hops from the root, at least 1.
        degree: Triples per expanded node; 0 selects nothing.
        ranking: Which of a node's rows come first. ``balanced`` takes turns over the node's relations; within a
            relation by ascending degree of the far end, ends of degree 1 last.
        seed: Breaks ties, and gives the order of ``random``. Ties depend on the ids of a row's ends and relation, not
            on how nodes are numbered, so an item gets the same triples alone and among many.
        max_degree: Nodes with more relationships are not expanded, except the roots.
        keep_nameless: Keep rows whose far end has no name.

    Raises:
        ConfigError: ``ranking`` is no known name, or its function cannot be imported.
        ValueError: ``hops`` exceeds the hops that were fetched, or a ranking function does not return one key per row.
    """
    ranking = ranking if callable(ranking) else ranking_named(ranking)
    if hops > neighbourhoods.hops:
        raise ValueError(f"{hops} hops asked for, {neighbourhoods.hops} fetched")
    ranked = RankedRows(neighbourhoods, FactKeys(neighbourhoods, mirrored, repeated), ranking, seed, keep_nameless)
    expandable = np.maximum(neighbourhoods.degrees, 0) <= max_degree  # (N,)
    roots = np.asarray(neighbourhoods.roots).astype(np.int64)
    parts = [
        _select(ranked, roots[first : first + _CHUNK], expandable, hops, degree)
        for first in range(0, max(1, len(roots)), _CHUNK)
    ]
    return Selection.concat(parts)


def _select(ranked: RankedRows, roots: Ints, expandable: NDArray[np.bool_], hops: int, degree: int) -> Selection:
    """Select the triples of some roots."""
    owner = np.flatnonzero(roots >= 0)
    frontier = _Frontier(owner, roots[owner][:, None], np.full(len(owner), -1, dtype=np.int64))
    chosen = _Chosen(len(roots))
    nameless, counted, nodes = np.zeros(len(roots), dtype=np.int64), np.zeros(0, dtype=np.int64), len(expandable)
    for hop in range(1, hops + 1 if degree else 1):
        if not len(frontier.owner):
            break
        ranked.rank(frontier.node)
        hidden = ranked.nameless[frontier.node] > 0
        new = np.setdiff1d(frontier.owner[hidden] * nodes + frontier.node[hidden], counted)  # each node once per root
        nameless += np.bincount(new // nodes, ranked.nameless[new % nodes], len(roots)).astype(np.int64)
        counted = np.concatenate([counted, new])
        entry, row = _candidates(ranked, frontier, chosen, degree)
        local = chosen.add(hop, frontier.owner[entry], row, frontier.node[entry], frontier.local[entry], ranked)
        frontier = frontier.next(entry, ranked.facts.far[row].astype(np.int64), local, expandable)
    return chosen.selection(nameless)


@dataclass(frozen=True)
class _Frontier:
    """The nodes to expand at one hop.

    Attributes:
        owner: ``(n,)`` number of the root they belong to, ascending.
        path: ``(n, hop)`` nodes from the root to the node, both included.
        local: ``(n,)`` index in the root's list of the triple whose far end the node is; -1 for roots.
    """

    owner: Ints
    path: Ints
    local: Ints

    @property
    def node(self) -> Ints:
        """``(n,)`` nodes to expand."""
        return self.path[:, -1]

    def next(self, entry: Ints, far: Ints, local: Ints, expandable: NDArray[np.bool_]) -> _Frontier:
        """Return the next hop's frontier: far ends that are not on their path and may be expanded.

        Args:
            entry: ``(m,)`` index in this frontier of each new triple's near end.
            far: ``(m,)`` far end of each new triple.
            local: ``(m,)`` its index in its root's list.
            expandable: ``(N,)`` nodes that may be expanded.
        """
        path = self.path[entry]
        expands = expandable[far] & ~(path == far[:, None]).any(axis=1)
        path = np.concatenate([path, far[:, None]], axis=1)[expands]
        return _Frontier(self.owner[entry][expands], path, local[expands])


class _Chosen:
    """The triples chosen so far, ordered by hop, then root, then breadth first."""

    def __init__(self, roots: int) -> None:
        self.count = np.zeros(roots, dtype=np.int64)
        self.table = np.zeros((6, 0), dtype=np.int64)  # owner, row, near, parent, hop, local
        self.facts = np.zeros((2, 0), dtype=np.int64)  # owner and head, relation and tail
        self.ends = np.zeros(0, dtype=np.int64)  # owner and end, two per triple

    def add(self, hop: int, owner: Ints, row: Ints, near: Ints, parent: Ints, ranked: RankedRows) -> Ints:
        """Append the triples of one hop and return their indices in their roots' lists."""
        sizes = np.bincount(owner, minlength=len(self.count))
        local = self.count[owner] + offsets(sizes)
        self.count += sizes
        hops = np.full(len(row), hop)
        self.table = np.concatenate([self.table, (owner, row, near, parent, hops, local)], axis=1)
        self.facts = np.concatenate([self.facts, ranked.facts.of_owner(owner, near, row)], axis=1)
        far = ranked.facts.far[row]
        self.ends = np.sort(np.concatenate([self.ends, *(owner * ranked.facts.nodes + end for end in (near, far))]))
        return local

    def selection(self, nameless: Ints) -> Selection:
        """Return the chosen triples, root by root."""
        dfs = self._depth_first()
        order = np.argsort(self.table[0], kind="stable")
        _, row, near, parent, hop, _ = self.table[:, order]
        return Selection(
            indptr_of(self.count),
            row,
            near.astype(np.int32),
            parent.astype(np.int32),
            hop.astype(np.int8),
            dfs[order].astype(np.int32),
            nameless,
        )

    def _depth_first(self) -> Ints:
        """``(S,)`` rank of each triple of the table in its root's depth-first order."""
        owner, _, _, parent, hop, local = self.table
        first = indptr_of(self.count)[:-1]
        place = first[owner] + local  # a triple's place when listed root by root
        above = first[owner] + parent
        size = np.ones(len(owner), dtype=np.int64)  # by place: triples in the subtree
        levels = [np.flatnonzero(hop == h) for h in range(1, int(hop.max(initial=0)) + 1)]
        for level in reversed(levels[1:]):
            size += np.bincount(above[level], size[place[level]], len(size)).astype(np.int64)
        rank = np.zeros(len(owner), dtype=np.int64)
        for level in levels:
            sizes = size[place[level]]
            before = np.cumsum(sizes) - sizes
            siblings = run_positions(owner[level], parent[level])
            before -= before[np.arange(len(level)) - siblings]
            at_top = parent[level] < 0
            rank[place[level]] = before + np.where(at_top, 0, rank[np.where(at_top, 0, above[level])] + 1)
        by_row: Ints = rank[place]
        return by_row


def _candidates(ranked: RankedRows, frontier: _Frontier, chosen: _Chosen, degree: int) -> tuple[Ints, Ints]:
    """Frontier index and row of each new triple, in breadth-first order."""
    node, owner = frontier.node, frontier.owner
    key = owner * ranked.facts.nodes + node
    chosen_here = np.searchsorted(chosen.ends, key, "right") - np.searchsorted(chosen.ends, key)
    count = np.minimum(ranked.size[node], degree + chosen_here)
    entry, row = np.repeat(np.arange(len(node)), count), ranked.first(node, count)
    facts = ranked.facts.of_owner(owner[entry], node[entry], row)
    group = group_numbers(np.concatenate([chosen.facts, facts], axis=1))
    known = np.zeros(len(group), dtype=np.bool_)
    known[group[: chosen.facts.shape[1]]] = True
    group = group[chosen.facts.shape[1] :]
    new = np.flatnonzero(~known[group])
    new = new[run_positions(entry[new]) < degree]
    first = np.sort(np.unique(group[new], return_index=True)[1])
    return entry[new[first]], row[new[first]]
