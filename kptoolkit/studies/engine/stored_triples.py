"""The stored triples of neighbourhoods as columns, to change them and to say which are new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.storage.ragged import indptr_of, run_starts

Numbers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Triples:
    """The stored triples of neighbourhoods, each once.

    Attributes:
        head: ``(T,)`` node number of each head.
        relation: ``(T,)`` relation number.
        tail: ``(T,)`` node number of each tail.
    """

    head: Numbers
    relation: Numbers
    tail: Numbers

    def __len__(self) -> int:
        return len(self.head)

    @classmethod
    def none(cls) -> Triples:
        """No triples."""
        return cls(*(np.zeros(0, np.int64) for _ in range(3)))

    @classmethod
    def of(cls, found: Neighbourhoods) -> Triples:
        """Collect the triples of all rows."""
        distinct = np.unique(np.stack([found.head, found.relation, found.tail], axis=1), axis=0)
        return cls(distinct[:, 0], distinct[:, 1], distinct[:, 2])

    def take(self, which: NDArray[Any]) -> Triples:
        """Select some triples."""
        return Triples(self.head[which], self.relation[which], self.tail[which])

    def drawn(self, share: float, seed: int) -> NDArray[np.int64]:
        """Draw the numbers of a share of the triples, in random order."""
        return np.random.default_rng(seed).permutation(len(self))[: round(share * len(self))]

    def without(self, others: Triples) -> Triples:
        """Return the triples that are not among others of the same nodes and relations."""
        sizes = [max((int(column.max(initial=-1)) for column in pair), default=-1) + 1 for pair in self._pairs(others)]
        return self.take(~np.isin(_codes(*self._columns, sizes), _codes(*others._columns, sizes)))

    def among(self, found: Neighbourhoods) -> NDArray[np.bool_]:
        """``(E,)`` whether each row of neighbourhoods states one of these triples."""
        sizes = [len(found.ids), len(found.relations), len(found.ids)]
        return np.isin(_codes(found.head, found.relation, found.tail, sizes), _codes(*self._columns, sizes))

    @property
    def arrays(self) -> dict[str, Numbers]:
        """The attributes by name."""
        return {"head": self.head, "relation": self.relation, "tail": self.tail}

    @property
    def _columns(self) -> tuple[Numbers, Numbers, Numbers]:
        return self.head, self.relation, self.tail

    def _pairs(self, others: Triples) -> Iterator[tuple[Numbers, Numbers]]:
        return zip(self._columns, others._columns, strict=True)

    def rows_of(self, found: Neighbourhoods) -> Neighbourhoods:
        """Return neighbourhoods with these triples in place of their own, around the nodes that had rows."""
        near, far = np.concatenate([self.head, self.tail]), np.concatenate([self.tail, self.head])
        relation = np.tile(self.relation, 2)
        forward = np.arange(len(near)) < len(self.head)
        kept = (found.lengths > 0)[near] & (near != far)
        order = np.lexsort((forward[kept], far[kept], relation[kept], near[kept]))
        near, relation, far, forward = (array[kept][order] for array in (near, relation, far, forward))
        distinct = run_starts(near, relation, far, forward)
        return replace(
            found,
            indptr=indptr_of(np.bincount(near[distinct], minlength=len(found.ids))),
            relation=relation[distinct].astype(np.int32),
            far=far[distinct].astype(np.int32),
            forward=forward[distinct],
        )


def _codes(head: Numbers, relation: Numbers, tail: Numbers, sizes: Sequence[int]) -> NDArray[np.int64]:
    """One number per triple, for numbers below ``sizes``."""
    return (head.astype(np.int64) * max(1, sizes[1]) + relation) * max(1, sizes[2]) + tail
