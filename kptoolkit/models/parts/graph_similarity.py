"""Graph similarity: items gain by what they share with the history in the graph.

Two items are similar by a relation if they share a far end of it, or if the relation joins them directly. The values of
all pairs come from the facts around the items alone; how much each relation counts is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.knowledge.item_facts import ItemFacts
from kptoolkit.storage.ragged import Ragged, indptr_of

MAX_SHARING = 256
"""A far end that more items share makes no two of them similar; the number of pairs grows with its square."""


@dataclass(frozen=True, eq=False)
class GraphSimilarity(Ragged):
    """Pairs of similar items, one row per catalogue item, one value per pair and kind.

    There are two kinds per relation: kind r for items that share a far end of relation r, and kind ``R + r`` for items
    that relation r joins directly.

    Attributes:
        other: ``(P,)`` the other item.
        kind: ``(P,)`` kind.
        value: ``(P,)`` 1 for a direct edge; for shared far ends the sum of their squared, scaled inverse frequencies.
    """

    columns: ClassVar[tuple[str, ...]] = ("other", "kind", "value")

    other: NDArray[np.int32]
    kind: NDArray[np.int32]
    value: NDArray[np.float32]

    @classmethod
    def of(cls, facts: ItemFacts) -> GraphSimilarity:
        """Compute all pairs from the facts at hop 1.

        Far ends that more than :data:`MAX_SHARING` items share are left out.
        """
        n, width = len(facts), len(facts) + facts.n_entities
        near = np.flatnonzero(facts.hop == 1)
        rows, far, relation = facts.rows[near], facts.far[near], facts.relation[near]
        found = [(0, sp.coo_matrix((n, n), dtype=np.float32))]
        for number in range(facts.n_relations):
            of_it = relation == number
            stated = sp.csr_matrix((np.ones(of_it.sum(), np.float32), (rows[of_it], far[of_it])), shape=(n, width))
            stated.data[:] = 1.0
            found.append((number, sharing(stated)))
            found.append((facts.n_relations + number, stated[:, :n].tocoo()))
        row = np.concatenate([pairs.row for _, pairs in found])
        other = np.concatenate([pairs.col for _, pairs in found])
        value = np.concatenate([pairs.data for _, pairs in found])
        kind = np.concatenate([np.full(pairs.nnz, number, np.int32) for number, pairs in found])
        distinct = row != other
        row, other, kind, value = row[distinct], other[distinct], kind[distinct], value[distinct]
        order = np.lexsort((kind, other, row))
        indptr = indptr_of(np.bincount(row, minlength=n))
        return cls(indptr, other[order].astype(np.int32), kind[order], value[order].astype(np.float32))


@dataclass(frozen=True, eq=False)
class FactHolders(Ragged):
    """The items that have each fact of hop 1, one row per distinct fact.

    Computes the similarity lost with a fact without recomputing all pairs.

    Attributes:
        key: ``(K,)`` the distinct facts, ascending; see :meth:`keys`.
        item: ``(P,)`` catalogue rows of the items that have them.
        n_items: Catalogue size.
        n_relations: Number of relations, each direction counted as one.
    """

    columns: ClassVar[tuple[str, ...]] = ("item",)
    row_columns: ClassVar[tuple[str, ...]] = ("key",)

    key: NDArray[np.int64]
    item: NDArray[np.int64]
    n_items: int
    n_relations: int

    @classmethod
    def of(cls, facts: ItemFacts) -> FactHolders:
        """Group the facts of the whole catalogue by fact."""
        pairs = np.unique(np.stack([cls.keys(facts, slice(None)), facts.rows[facts.hop == 1]]), axis=1)
        key, first = np.unique(pairs[0], return_index=True)
        return cls(np.append(first, pairs.shape[1]), key, pairs[1], len(facts), facts.n_relations)

    @staticmethod
    def keys(facts: ItemFacts, rows: slice) -> NDArray[np.int64]:
        """One number for each fact of hop 1 among ``rows``: far end and relation in one; repeated facts repeat."""
        near = facts.hop[rows] == 1
        far, relation = facts.far[rows][near].astype(np.int64), facts.relation[rows][near]
        keys: NDArray[np.int64] = far * max(1, facts.n_relations) + relation
        return keys

    def change(
        self,
        lost: Sequence[tuple[int, int]],
        read: NDArray[np.float64],
        kinds: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Change of a history's similarity to every item, as a rule negative, when items lose facts.

        Args:
            lost: Item and fact, each pair once.
            read: ``(n,)`` weight of each item in the history, 0 for the others.
            kinds: ``(2 R,)`` weight of each kind of pair.

        Returns:
            ``(n,)``: similarity by the facts that are left, minus similarity by all facts.
        """
        gain = np.zeros(self.n_items)
        losers: dict[int, list[int]] = {}
        for item, key in lost:
            losers.setdefault(key, []).append(item)
        for key, items in losers.items():
            far, relation = divmod(key, max(1, self.n_relations))
            holders = self.item[self.span(int(np.searchsorted(self.key, key)))]
            left = holders[~np.isin(holders, items)]
            for group, sign in ((holders, -1), (left, 1)):
                weight = sign * kinds[relation] * _weight(np.array(len(group)), self.n_items) ** 2
                gain[group] += weight * (read[group].sum() - read[group])
            if far < self.n_items:
                gain[far] -= kinds[self.n_relations + relation] * sum(read[item] for item in items if item != far)
        return gain


def _weight(frequency: NDArray[np.int64] | NDArray[np.float32], items: int) -> NDArray[np.float64]:
    """Scaled inverse frequency of a far end; 0 for one that a single item has, or more than :data:`MAX_SHARING`."""
    shared = (frequency > 1) & (frequency <= MAX_SHARING)
    weight: NDArray[np.float64] = np.where(shared, np.log(items / np.maximum(frequency, 1)) / np.log(max(items, 2)), 0)
    return weight


def sharing(stated: sp.csr_matrix) -> sp.coo_matrix:
    """Sum over the far ends that two items share of their squared inverse frequency, each at most 1.

    Args:
        stated: ``(n, n + entities)`` 1 where an item has a fact with this far end.
    """
    items, frequency = stated.shape[0], np.asarray(stated.sum(axis=0)).ravel()
    weighted = (stated @ sp.diags(_weight(frequency, items).astype(np.float32))).tocsr()
    weighted.eliminate_zeros()
    return (weighted @ weighted.T).tocoo()
