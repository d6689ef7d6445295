"""Finds tails that make triples wrong: those of other triples of their relation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kptoolkit.storage.ragged import indptr_of
from kptoolkit.studies.engine.stored_triples import Numbers, Triples

_EXCHANGES: Final = 4
"""Rounds in which tails are exchanged, so that each stays as frequent as it was."""
_DRAWS: Final = 4
"""Rounds in which tails are drawn by how frequent they are, and then rounds in which all are equally likely."""

Bools = NDArray[np.bool_]


def wrong_tails(triples: Triples, drawn: NDArray[np.int64], expanded: Bools, seed: int) -> tuple[Numbers, Bools]:
    """Give triples the tail of another triple of their relation, so that the result is not true and no self loop.

    All triples stay distinct. Tails are exchanged where that is possible, so that each stays as frequent as it was;
    others are drawn from those of the relation. A triple for which no tail is left stays true.

    Args:
        triples: The true triples, each once.
        drawn: Numbers of those to make wrong.
        expanded: ``(N,)`` whether each node has rows: one end of every triple has, also of a wrong one.
        seed: Seed of the tails.

    Returns:
        ``(T,)`` the tails, and ``(T,)`` which triples are wrong.
    """
    search = _Search.of(triples, expanded)
    generator = np.random.default_rng(seed)
    pending = search.possible(drawn)
    offers = triples.tail[pending]
    for pools in (*[None] * _EXCHANGES, *[search.tails] * _DRAWS, *[search.distinct] * _DRAWS):
        if not len(pending):
            break
        pool = search.pool[pending]
        offers = _exchanged(pool, offers, generator) if pools is None else pools.draw(pool, generator)
        accepted = search.accept(pending, offers)
        pending, offers = pending[~accepted], offers[~accepted]
        left = np.isin(pending, search.possible(pending))
        pending, offers = pending[left], offers[left]
    search.accept_last(pending, generator)
    return search.tail, search.wrong


def _exchanged(pool: Numbers, offers: Numbers, generator: np.random.Generator) -> Numbers:
    """Pass each tail on to the next triple of its pool, in random order."""
    order = np.lexsort((generator.random(len(pool)), pool))
    ordered = pool[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    before = np.arange(len(pool)) - 1
    before[first] = np.concatenate([first[1:], [len(pool)]]) - 1
    found = np.empty_like(offers)
    found[order] = offers[order[before]]
    return found


@dataclass(frozen=True)
class _Pools:
    """Tails to draw from, one pool per kind of triple.

    Attributes:
        indptr: ``(P + 1,)`` pool p has the tails ``[indptr[p], indptr[p + 1])``.
        tail: ``(S,)`` the tails.
    """

    indptr: NDArray[np.int64]
    tail: Numbers

    @classmethod
    def of(cls, pool: Numbers, tail: Numbers, count: int) -> _Pools:
        """Sort tails into their pools."""
        return cls(indptr_of(np.bincount(pool, minlength=count)), tail[np.lexsort((tail, pool))])

    def draw(self, pool: Numbers, generator: np.random.Generator) -> Numbers:
        """Draw a tail from each of some pools."""
        sizes = self.indptr[pool + 1] - self.indptr[pool]
        return self.tail[self.indptr[pool] + (generator.random(len(pool)) * sizes).astype(np.int64)]


@dataclass
class _Search:
    """What is known while wrong tails are searched.

    The pool of a triple has the tails that it may get: all of its relation, or the expanded ones if its head is not.

    Attributes:
        triples: The true triples.
        pool: ``(T,)`` number of the pool of each.
        tails: The pools, with a tail once per triple that has it.
        distinct: The pools, with each tail once.
        group: ``(T,)`` triples of one head and relation have one number.
        free: Per group, how many tails of its pool make a new wrong triple.
        true: The true triples as numbers, ascending.
        made: The wrong ones so far, as numbers, ascending.
        tail: ``(T,)`` the tails so far.
        wrong: ``(T,)`` which triples are wrong so far.
    """

    triples: Triples
    pool: Numbers
    tails: _Pools
    distinct: _Pools
    group: Numbers
    free: NDArray[np.int64]
    true: NDArray[np.int64]
    made: NDArray[np.int64]
    tail: Numbers
    wrong: Bools

    @classmethod
    def of(cls, triples: Triples, expanded: Bools) -> _Search:
        """Begin a search."""
        relation, nodes = triples.relation.astype(np.int64), len(expanded)
        count = 2 * int(relation.max(initial=-1) + 1)
        pool = 2 * relation + ~expanded[triples.head]
        near = expanded[triples.tail]
        offered = np.concatenate([2 * relation, 2 * relation[near] + 1])
        tail = np.concatenate([triples.tail, triples.tail[near]])
        pairs = np.unique(offered * nodes + tail)
        distinct = _Pools.of(pairs // max(1, nodes), pairs % max(1, nodes), count)
        both, first, group, sizes = np.unique(
            triples.head.astype(np.int64) * max(1, count) + pool,
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        free = np.diff(distinct.indptr)[both % max(1, count)] - sizes if len(both) else sizes
        search = cls(
            triples=triples,
            pool=pool,
            tails=_Pools.of(offered, tail, count),
            distinct=distinct,
            group=group,
            free=free,
            true=np.empty(0, np.int64),
            made=np.empty(0, np.int64),
            tail=triples.tail.copy(),
            wrong=np.zeros(len(triples), bool),
        )
        search.true = np.sort(search._codes(np.arange(len(triples)), triples.tail))
        own = triples.head[first]  # a self loop is none of the new triples
        search.free -= np.isin(pool[first] * nodes + own, pairs) & ~_contains(search.true, search._codes(first, own))
        return search

    def _codes(self, which: NDArray[np.int64], tail: Numbers) -> NDArray[np.int64]:
        """One number per triple: some triples with other tails."""
        nodes = int(max(self.triples.head.max(initial=0), self.triples.tail.max(initial=0))) + 1
        return self.group[which].astype(np.int64) * nodes + tail

    def _new(self, codes: NDArray[np.int64], head: Any, tail: Numbers) -> Bools:
        """Which triples are no self loops, not true and not made yet."""
        return np.asarray((tail != head) & ~_contains(self.true, codes) & ~_contains(self.made, codes))

    def possible(self, which: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some triples for which a tail is left."""
        return which[self.free[self.group[which]] > 0]

    def accept(self, which: NDArray[np.int64], tail: Numbers) -> Bools:
        """Take the tails that make new wrong triples; returns which."""
        codes = self._codes(which, tail)
        good = self._new(codes, self.triples.head[which], tail)
        once = np.zeros(len(codes), bool)
        once[np.unique(codes, return_index=True)[1]] = True
        good &= once
        self.tail[which[good]], self.wrong[which[good]] = tail[good], True
        self.made = np.sort(np.concatenate([self.made, codes[good]]), kind="stable")
        np.subtract.at(self.free, self.group[which[good]], 1)
        return good

    def accept_last(self, which: NDArray[np.int64], generator: np.random.Generator) -> None:
        """Go through all tails of the few triples for which chance has found none."""
        which = which[np.argsort(self.group[which], kind="stable")]
        for own in np.split(which, np.flatnonzero(np.diff(self.group[which])) + 1):
            if not len(own):
                continue
            pool = self.pool[own[0]]
            tails = self.distinct.tail[self.distinct.indptr[pool] : self.distinct.indptr[pool + 1]]
            codes = self._codes(np.full(len(tails), own[0]), tails)
            new = tails[self._new(codes, self.triples.head[own[0]], tails)]
            chosen = generator.permutation(new)[: len(own)]
            self.accept(own[: len(chosen)], chosen)


def _contains(ascending: NDArray[np.int64], values: NDArray[np.int64]) -> Bools:
    """``(V,)`` whether ascending numbers contain each value."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[place] == values)
