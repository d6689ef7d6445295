"""Which triples become an item's knowledge: vectorised over the whole catalogue, one pass a hop.

The rules, for each item (KP4SR, knowledge prompt construction):

1. A *fact* is a triple whichever way it is stored: of a mirrored pair ``(r1, r2)``, ``(h, r2, t)`` is the fact
   ``(t, r1, h)``; a relation mirrored with itself is symmetric.
2. A node's rows are ranked once: rows with a nameless far end are left out, of rows that state one fact the first
   stays (one whose near end is the head, else the lower row), and the ranking orders the rest.
3. Hop 1 expands the item's entity. Hop h expands, in the order of hop h - 1, the far ends of its triples that are not
   on the path from the item already and have at most ``max_degree`` relationships (an unknown degree counts as 0).
4. An expanded node offers the first ``degree`` of its rows whose fact no earlier hop of the item has told. A fact
   offered twice in one hop is told once, at the first place.
5. Triples are listed breadth first: hop 1 by rank, then hop 2 grouped by parent in the parents' order, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.errors import ConfigError, shorten
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.storage.ragged import Ints, group_numbers, indptr_of, offsets, run_positions
from kptoolkit.tree.fact_keys import Facts
from kptoolkit.tree.ranked_rows import RANKINGS, Deck, Ranking

_ROOTS_AT_ONCE = 2048
"""Roots whose triples are chosen together; choosing needs several times the memory of what is chosen."""


@dataclass(frozen=True)
class Selection:
    """The triples of every root, columnar, breadth first inside a root.

    Attributes:
        indptr: ``(K + 1,)``; the triples of root i are ``[indptr[i], indptr[i + 1])``.
        row: ``(S,)`` row in the neighbourhoods.
        near: ``(S,)`` node number of the near end, the one that was expanded.
        parent: ``(S,)`` index inside the root's own list of the triple whose far end was expanded; -1 at hop 1.
        hop: ``(S,)`` hops from the root, from 1.
        dfs: ``(S,)`` rank inside the root in depth-first order, a parent before its children.
        nameless: ``(K,)`` facts left out around the expanded nodes because their far end has no name.
    """

    indptr: NDArray[np.int64]
    row: NDArray[np.int64]
    near: NDArray[np.int32]
    parent: NDArray[np.int32]
    hop: NDArray[np.int8]
    dfs: NDArray[np.int32]
    nameless: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """``(K,)`` triples of each root."""
        return np.diff(self.indptr)

    @classmethod
    def joined(cls, parts: Sequence[Selection]) -> Selection:
        """The roots of several selections from the same neighbourhoods, one selection behind the other."""
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(cls)}
        sizes = np.concatenate([np.diff(indptr) for indptr in columns.pop("indptr")])
        return cls(indptr=indptr_of(sizes), **{name: np.concatenate(each) for name, each in columns.items()})

    def keep(self, counts: NDArray[np.integer[Any]]) -> Selection:
        """The first ``counts[i]`` triples of each root.

        A triple's parent comes before it, so a prefix holds the parents of all it holds. ``dfs`` keeps its values,
        whose order stays depth first.

        Args:
            counts: ``(K,)``, each at least 0; more than there are means all.
        """
        sizes = np.minimum(self.sizes, counts)
        rows = np.repeat(self.indptr[:-1], sizes) + offsets(sizes)
        columns = {name: getattr(self, name)[rows] for name in ("row", "near", "parent", "hop", "dfs")}
        return Selection(indptr=indptr_of(sizes), nameless=self.nameless, **columns)


def select(
    neighbourhoods: Neighbourhoods,
    *,
    mirrored: Sequence[tuple[str, str]] = (),
    hops: int,
    degree: int,
    ranking: Ranking = "balanced",
    seed: int,
    max_degree: int,
    keep_nameless: bool = False,
) -> Selection:
    """Choose the triples of every root of ``neighbourhoods`` by the rules in the module's docstring.

    Args:
        neighbourhoods: What the graph says around the roots; a root of -1 gets no triples.
        mirrored: Pairs of relation ids that say the same with the ends swapped.
        hops: How far from the root.
        degree: Triples kept of each expanded node; 0 selects nothing.
        ranking: Which of a node's rows come first. ``balanced`` deals them round-robin over the node's relations,
            inside a relation by ascending degree of the far end, ends of degree 1 last.
        seed: Breaks ties, and draws the order of ``random``. Ties depend on the ids of a row's ends and relation,
            not on how nodes are numbered, so that one item asked alone gets what it gets among many.
        max_degree: Nodes with more relationships are not expanded, but for the roots.
        keep_nameless: Keep rows whose far end has no name.

    Raises:
        ConfigError: ``ranking`` is no known name.
        ValueError: More hops are asked for than were fetched, or a ranking function returned not one key a row.
    """
    if not callable(ranking) and ranking not in RANKINGS:
        raise ConfigError(f"unknown ranking {shorten(repr(ranking))}: allowed: {', '.join(RANKINGS)}, or a function")
    if hops > neighbourhoods.hops:
        raise ValueError(f"{hops} hops asked for, {neighbourhoods.hops} fetched")
    deck = Deck(neighbourhoods, Facts(neighbourhoods, mirrored), ranking, seed, keep_nameless)
    expandable = np.maximum(neighbourhoods.degrees, 0) <= max_degree  # (N,)
    roots = np.asarray(neighbourhoods.roots).astype(np.int64)
    parts = [
        _select(deck, roots[first : first + _ROOTS_AT_ONCE], expandable, hops, degree)
        for first in range(0, max(1, len(roots)), _ROOTS_AT_ONCE)
    ]
    return Selection.joined(parts)


def _select(deck: Deck, roots: Ints, expandable: NDArray[np.bool_], hops: int, degree: int) -> Selection:
    """The triples of some roots."""
    owner = np.flatnonzero(roots >= 0)
    frontier = _Frontier(owner, roots[owner][:, None], np.full(len(owner), -1, dtype=np.int64))
    told = _Told(len(roots))
    nameless = np.zeros(len(roots), dtype=np.int64)
    for hop in range(1, hops + 1 if degree else 1):
        if not len(frontier.owner):
            break
        deck.lay_out(frontier.node)
        nameless += np.bincount(frontier.owner, deck.nameless[frontier.node], len(roots)).astype(np.int64)
        entry, row = _offers(deck, frontier, told, degree)
        local = told.add(hop, frontier.owner[entry], row, frontier.node[entry], frontier.local[entry], deck)
        frontier = frontier.beyond(entry, deck.facts.far[row].astype(np.int64), local, expandable)
    return told.selection(nameless)


@dataclass(frozen=True)
class _Frontier:
    """Nodes to expand at a hop.

    Attributes:
        owner: ``(n,)`` number of the root, ascending.
        path: ``(n, hop)`` nodes from the root to the node itself.
        local: ``(n,)`` index inside the root's list of the triple that led here.
    """

    owner: Ints
    path: Ints
    local: Ints

    @property
    def node(self) -> Ints:
        """``(n,)`` the node to expand."""
        return self.path[:, -1]

    def beyond(self, entry: Ints, far: Ints, local: Ints, expandable: NDArray[np.bool_]) -> _Frontier:
        """The next hop's frontier: far ends that are not on their path and may be expanded.

        Args:
            entry: ``(m,)`` number of the frontier node that each new triple hangs under.
            far: ``(m,)`` far end of each new triple.
            local: ``(m,)`` its index inside its root's list.
            expandable: ``(N,)`` nodes that may be expanded.
        """
        path = self.path[entry]
        goes_on = expandable[far] & ~(path == far[:, None]).any(axis=1)
        path = np.concatenate([path, far[:, None]], axis=1)[goes_on]
        return _Frontier(self.owner[entry][goes_on], path, local[goes_on])


class _Told:
    """The triples chosen so far, hop by hop; inside a hop by root, then in breadth-first order."""

    def __init__(self, roots: int) -> None:
        self.count = np.zeros(roots, dtype=np.int64)
        self.table = np.zeros((6, 0), dtype=np.int64)  # owner, row, near, parent, hop, local
        self.facts = np.zeros((2, 0), dtype=np.int64)  # owner and head, relation and tail
        self.ends = np.zeros(0, dtype=np.int64)  # owner and end, two a triple

    def add(self, hop: int, owner: Ints, row: Ints, near: Ints, parent: Ints, deck: Deck) -> Ints:
        """Append a hop's triples; returns their indices inside their roots' lists."""
        sizes = np.bincount(owner, minlength=len(self.count))
        local = self.count[owner] + offsets(sizes)
        self.count += sizes
        hops = np.full(len(row), hop)
        self.table = np.concatenate([self.table, (owner, row, near, parent, hops, local)], axis=1)
        self.facts = np.concatenate([self.facts, deck.facts.of_owner(owner, near, row)], axis=1)
        far = deck.facts.far[row]
        self.ends = np.sort(np.concatenate([self.ends, *(owner * deck.facts.nodes + end for end in (near, far))]))
        return local

    def selection(self, nameless: Ints) -> Selection:
        """What was chosen, root by root."""
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
        """``(S,)`` depth-first rank inside the root of each triple of the table."""
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


def _offers(deck: Deck, frontier: _Frontier, told: _Told, degree: int) -> tuple[Ints, Ints]:
    """What the frontier's nodes add: the frontier entry and the row of each new triple, in breadth-first order."""
    node, owner = frontier.node, frontier.owner
    key = owner * deck.facts.nodes + node
    told_here = np.searchsorted(told.ends, key, "right") - np.searchsorted(told.ends, key)
    count = np.minimum(deck.size[node], degree + told_here)
    entry, row = np.repeat(np.arange(len(node)), count), deck.deal(node, count)
    facts = deck.facts.of_owner(owner[entry], node[entry], row)
    group = group_numbers(np.concatenate([told.facts, facts], axis=1))
    known = np.zeros(len(group), dtype=np.bool_)
    known[group[: told.facts.shape[1]]] = True
    group = group[told.facts.shape[1] :]
    new = np.flatnonzero(~known[group])
    new = new[run_positions(entry[new]) < degree]
    first = np.sort(np.unique(group[new], return_index=True)[1])
    return entry[new[first]], row[new[first]]
