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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.errors import ConfigError, shorten
from kptoolkit.graph.neighbourhoods import Neighbourhoods

Ranking = str | Callable[[Neighbourhoods, NDArray[np.int64]], NDArray[Any]]
"""``balanced``, ``inverse-degree``, ``random``, or a function of the neighbourhoods and ``(n,)`` row numbers that
returns ``(n,)`` sort keys, least first; ties are broken by the seed."""
RANKINGS = ("balanced", "inverse-degree", "random")

_Ints = NDArray[np.int64]


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

    def keep(self, counts: NDArray[np.integer[Any]]) -> Selection:
        """The first ``counts[i]`` triples of each root.

        A triple's parent comes before it, so a prefix holds the parents of all it holds. ``dfs`` keeps its values,
        whose order stays depth first.

        Args:
            counts: ``(K,)``, each at least 0; more than there are means all.
        """
        sizes = np.minimum(self.sizes, counts)
        rows = np.repeat(self.indptr[:-1], sizes) + within(sizes)
        columns = {name: getattr(self, name)[rows] for name in ("row", "near", "parent", "hop", "dfs")}
        return Selection(indptr=pointers(sizes), nameless=self.nameless, **columns)


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
    deck = _Deck(neighbourhoods, _Facts(neighbourhoods, mirrored), ranking, seed, keep_nameless)
    expandable = np.maximum(neighbourhoods.degrees, 0) <= max_degree  # (N,)
    roots = np.asarray(neighbourhoods.roots)
    owner = np.flatnonzero(roots >= 0)
    frontier = _Frontier(owner, roots[owner].astype(np.int64)[:, None], np.full(len(owner), -1, dtype=np.int64))
    told = _Told(len(roots))
    nameless = np.zeros(len(roots), dtype=np.int64)
    for hop in range(1, hops + 1 if degree else 1):
        if not len(frontier.owner):
            break
        deck.lay_out(frontier.node)
        nameless += np.bincount(frontier.owner, deck.nameless[frontier.node], len(roots)).astype(np.int64)
        entry, row = _offers(deck, frontier, told, degree)
        local = told.add(hop, frontier.owner[entry], row, frontier.node[entry], frontier.local[entry], deck)
        frontier = frontier.beyond(entry, np.asarray(neighbourhoods.far)[row].astype(np.int64), local, expandable)
    return told.selection(nameless)


class _Facts:
    """Keys of facts: rows that state one fact, whichever way it is stored, have equal keys.

    Args:
        neighbourhoods: Where the rows are.
        mirrored: Pairs of relation ids that say the same with the ends swapped.
    """

    def __init__(self, neighbourhoods: Neighbourhoods, mirrored: Sequence[tuple[str, str]]) -> None:
        self.relation, self.far = np.asarray(neighbourhoods.relation), np.asarray(neighbourhoods.far)
        self.forward, self.nodes = np.asarray(neighbourhoods.forward), len(neighbourhoods.degrees)
        self.canonical, self.swapped, self.symmetric = _canonical(neighbourhoods.relations, mirrored)

    def keys(self, near: _Ints, row: _Ints) -> tuple[_Ints, _Ints]:
        """Two numbers, each ``(n,)``, that together name the fact each row states: its head; relation and tail."""
        relation, far = self.relation[row], self.far[row].astype(np.int64)
        near_first = self.forward[row] ^ self.swapped[relation]
        near_first = np.where(self.symmetric[relation], near <= far, near_first)
        head, tail = np.where(near_first, near, far), np.where(near_first, far, near)
        return head, self.canonical[relation] * self.nodes + tail

    def of_owner(self, owner: _Ints, near: _Ints, row: _Ints) -> _Ints:
        """``(2, n)`` as :meth:`keys`, the owner's number joined to the head."""
        head, relation_and_tail = self.keys(near, row)
        return np.stack((owner * self.nodes + head, relation_and_tail))


def _canonical(
    relations: Sequence[str], mirrored: Sequence[tuple[str, str]]
) -> tuple[_Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    """For each relation: the number of the one that stands for it, whether its ends swap, whether it is symmetric.

    Pairs that share a relation form one group; a group that mirrors a relation with itself is symmetric.
    """
    links: dict[str, list[str]] = {}
    for first, second in mirrored:
        links.setdefault(first, []).append(second)
        links.setdefault(second, []).append(first)
    stands: dict[str, tuple[int, bool]] = {}
    symmetric: set[int] = set()
    for first, _ in mirrored:
        if first in stands:
            continue
        group = len(relations) + len(stands)
        stands[first], queue = (group, False), [first]
        while queue:
            name = queue.pop()
            swapped = not stands[name][1]
            for other in links[name]:
                if other not in stands:
                    stands[other] = (group, swapped)
                    queue.append(other)
                elif stands[other][1] != swapped:
                    symmetric.add(group)
    numbers = [stands.get(name, (number, False)) for number, name in enumerate(relations)]
    groups = np.array([group for group, _ in numbers], dtype=np.int64)
    return (
        groups,
        np.array([swapped for _, swapped in numbers], dtype=np.bool_),
        np.isin(groups, np.array(sorted(symmetric), dtype=np.int64)),
    )


class _Deck:
    """The rows of nodes in the order in which they are dealt; a node is laid out when it is first expanded."""

    def __init__(
        self, neighbourhoods: Neighbourhoods, facts: _Facts, ranking: Ranking, seed: int, keep_nameless: bool
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

    def lay_out(self, nodes: _Ints) -> None:
        """Rank the rows of those of ``nodes`` that are new."""
        fresh = np.zeros(len(self._known), dtype=np.bool_)
        fresh[nodes] = True
        new = np.flatnonzero(fresh & ~self._known)
        indptr = np.asarray(self.neighbourhoods.indptr)
        sizes = indptr[new + 1] - indptr[new]
        near, row = np.repeat(new, sizes), np.repeat(indptr[new], sizes) + within(sizes)
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

    def deal(self, nodes: _Ints, count: _Ints) -> _Ints:
        """The first ``count[i]`` rows of each node, concatenated; ``count`` exceeds no node's size."""
        rows: _Ints = self._rows[np.repeat(self._first[nodes], count) + within(count)]
        return rows

    def _distinct(self, near: _Ints, row: _Ints) -> _Ints:
        """Positions, ascending, of the row that stands for each fact of a node."""
        head, relation_and_tail = self.facts.keys(near, row)
        backward = ~self.facts.forward[row]
        order = np.lexsort((backward, relation_and_tail, head, near))
        return np.sort(order[_changes(near[order], head[order], relation_and_tail[order])])

    def _order(self, near: _Ints, row: _Ints) -> _Ints:
        """Positions of rows, node by node ascending, in the ranking's order."""
        order: _Ints = np.lexsort((*reversed(self._keys(near, row)), near))
        return order

    def _keys(self, near: _Ints, row: _Ints) -> tuple[NDArray[Any], ...]:
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
        quality = _rank(np.lexsort((tie, np.where(degree == 1, last, degree))))
        relation = self.facts.relation[row]
        order = np.lexsort((quality, relation, near))
        turn = np.empty(len(row), dtype=np.int64)
        turn[order] = _since_change(near[order], relation[order])
        return turn, quality


class _Tie:
    """Seeded numbers that depend on the ids in a row, not on how they are numbered."""

    def __init__(self, neighbourhoods: Neighbourhoods, seed: int) -> None:
        self._nodes = _hash(neighbourhoods.ids)
        self._relations = _hash(np.array(neighbourhoods.relations, dtype=object))
        self._far, self._relation = np.asarray(neighbourhoods.far), np.asarray(neighbourhoods.relation)
        self._forward = np.asarray(neighbourhoods.forward)
        self._seed = np.array([seed % 2**64], dtype=np.uint64)

    def of(self, near: _Ints, row: _Ints) -> NDArray[np.uint64]:
        """``(n,)`` numbers, as good as drawn at random by the seed."""
        mixed = _mix(self._nodes[near] ^ _mix(self._seed))
        mixed = _mix(mixed + self._relations[self._relation[row]])
        return _mix((mixed ^ self._nodes[self._far[row]]) + self._forward[row].astype(np.uint64))


@dataclass(frozen=True)
class _Frontier:
    """Nodes to expand at a hop.

    Attributes:
        owner: ``(n,)`` number of the root, ascending.
        path: ``(n, hop)`` nodes from the root to the node itself.
        local: ``(n,)`` index inside the root's list of the triple that led here.
    """

    owner: _Ints
    path: _Ints
    local: _Ints

    @property
    def node(self) -> _Ints:
        """``(n,)`` the node to expand."""
        return self.path[:, -1]

    def beyond(self, entry: _Ints, far: _Ints, local: _Ints, expandable: NDArray[np.bool_]) -> _Frontier:
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

    def add(self, hop: int, owner: _Ints, row: _Ints, near: _Ints, parent: _Ints, deck: _Deck) -> _Ints:
        """Append a hop's triples; returns their indices inside their roots' lists."""
        sizes = np.bincount(owner, minlength=len(self.count))
        local = self.count[owner] + within(sizes)
        self.count += sizes
        hops = np.full(len(row), hop)
        self.table = np.concatenate([self.table, (owner, row, near, parent, hops, local)], axis=1)
        self.facts = np.concatenate([self.facts, deck.facts.of_owner(owner, near, row)], axis=1)
        far = deck.facts.far[row]
        self.ends = np.sort(np.concatenate([self.ends, *(owner * deck.facts.nodes + end for end in (near, far))]))
        return local

    def selection(self, nameless: _Ints) -> Selection:
        """What was chosen, root by root."""
        dfs = self._depth_first()
        order = np.argsort(self.table[0], kind="stable")
        _, row, near, parent, hop, _ = self.table[:, order]
        return Selection(
            pointers(self.count),
            row,
            near.astype(np.int32),
            parent.astype(np.int32),
            hop.astype(np.int8),
            dfs[order].astype(np.int32),
            nameless,
        )

    def _depth_first(self) -> _Ints:
        """``(S,)`` depth-first rank inside the root of each triple of the table."""
        owner, _, _, parent, hop, local = self.table
        first = pointers(self.count)[:-1]
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
            siblings = _since_change(owner[level], parent[level])
            before -= before[np.arange(len(level)) - siblings]
            at_top = parent[level] < 0
            rank[place[level]] = before + np.where(at_top, 0, rank[np.where(at_top, 0, above[level])] + 1)
        by_row: _Ints = rank[place]
        return by_row


def _offers(deck: _Deck, frontier: _Frontier, told: _Told, degree: int) -> tuple[_Ints, _Ints]:
    """What the frontier's nodes add: the frontier entry and the row of each new triple, in breadth-first order."""
    node, owner = frontier.node, frontier.owner
    key = owner * deck.facts.nodes + node
    told_here = np.searchsorted(told.ends, key, "right") - np.searchsorted(told.ends, key)
    count = np.minimum(deck.size[node], degree + told_here)
    entry, row = np.repeat(np.arange(len(node)), count), deck.deal(node, count)
    facts = deck.facts.of_owner(owner[entry], node[entry], row)
    group = _groups(np.concatenate([told.facts, facts], axis=1))
    known = np.zeros(len(group), dtype=np.bool_)
    known[group[: told.facts.shape[1]]] = True
    group = group[told.facts.shape[1] :]
    new = np.flatnonzero(~known[group])
    new = new[_since_change(entry[new]) < degree]
    first = np.sort(np.unique(group[new], return_index=True)[1])
    return entry[new[first]], row[new[first]]


def pointers(sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """``(n + 1,)`` starts of groups of the given sizes, and the end."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def within(sizes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """``0 .. size - 1`` for each group, concatenated."""
    starts = np.cumsum(sizes) - sizes
    result: NDArray[np.int64] = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
    return result


def _changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """``(n,)`` whether a row differs from the one before it in any column; the first one does."""
    changed = np.ones(len(columns[0]), dtype=np.bool_)
    changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changed


def _since_change(*columns: NDArray[Any]) -> _Ints:
    """``(n,)`` how many rows before this one are equal to it without a break."""
    return within(np.diff(np.append(np.flatnonzero(_changes(*columns)), len(columns[0]))))


def _groups(columns: NDArray[np.int64]) -> _Ints:
    """``(n,)`` numbers, equal where all of ``(c, n)`` columns are."""
    order = np.lexsort(columns)
    group = np.empty(columns.shape[1], dtype=np.int64)
    group[order] = np.cumsum(_changes(*columns[:, order])) - 1
    return group


def _rank(order: _Ints) -> _Ints:
    """The inverse of a permutation."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _hash(values: NDArray[Any]) -> NDArray[np.uint64]:
    """``(n,)`` numbers that depend on each text alone, on every machine."""
    return np.asarray(pd.util.hash_array(np.asarray(values, dtype=object), categorize=False), dtype=np.uint64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: spreads close numbers over all of 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
