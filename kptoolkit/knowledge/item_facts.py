"""The catalogue's knowledge as numbers: which facts stand around an item, and which items they make alike.

The cheap end of reading knowledge: a fact is its relation and its far end, without words. Made from the same item trees
that the triplet prompts are made of, so that a control changes both alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.knowledge.prompt_pool import PromptPool
from kptoolkit.storage.arrays import read_arrays, write_arrays

MOST_SHARING = 256
"""A far end that more items share makes no two of them alike; the pairs grow by the square."""


@dataclass(frozen=True)
class PromptFacts:
    """What each distinct triplet prompt states, as numbers.

    Attributes:
        relation: ``(P,)`` number in ``relations``, -1 for one that is not among them.
        far: ``(P,)`` far end: a catalogue row, or ``n_items`` and more for ``entities``; -1 for one that is neither.
        n_items: Catalogue size.
        relations: Relation ids; ``"<id"`` where a relation is read from tail to head.
        entities: Entity ids of the far ends that are no item.
    """

    relation: NDArray[np.int32]
    far: NDArray[np.int32]
    n_items: int
    relations: tuple[str, ...]
    entities: tuple[str, ...]

    @classmethod
    def of(
        cls,
        prompts: PromptPool,
        items: Mapping[str, int],
        n_items: int,
        known: PromptFacts | None = None,
        more: Sequence[str] = (),
    ) -> PromptFacts:
        """Number relations and far ends.

        Args:
            prompts: The distinct prompts.
            items: Catalogue row of each entity that is one item.
            n_items: Catalogue size.
            known: Facts of a trained model: its relations and entities keep their numbers and there are no others.
            more: Entities to number beside those of ``prompts``, because later prompts may name them.
        """
        relations = {name: number for number, name in enumerate(known.relations if known else ())}
        entities = {name: number for number, name in enumerate(known.entities if known else ())}
        labels, ends = prompts.labels, prompts.far_ids
        if known is None:
            for label in dict.fromkeys(labels):
                relations[label] = len(relations)
            for end in dict.fromkeys((*ends, *more)):
                if end not in items:
                    entities[end] = len(entities)
        relation = np.array([relations.get(label, -1) for label in labels], dtype=np.int32)
        far = [n_items + entities[end] if end in entities else items.get(end, -1) for end in ends]
        return cls(relation, np.array(far, dtype=np.int32), n_items, tuple(relations), tuple(entities))

    def around(self, trees: ItemTrees) -> ItemFacts:
        """The facts of every item whose relation and far end are known."""
        kept = (self.relation[trees.prompt] >= 0) & (self.far[trees.prompt] >= 0)
        before = np.concatenate([[0], np.cumsum(kept)])
        prompt = trees.prompt[kept]
        indptr = before[trees.indptr].astype(np.int64)
        hop = np.asarray(trees.hop)[kept]
        return ItemFacts(indptr, self.relation[prompt], hop, self.far[prompt], len(self.relations), len(self.entities))

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed, beside and then renamed."""
        names = {"relations": list(self.relations), "entities": list(self.entities), "n_items": self.n_items}
        write_arrays(folder, {"relation": self.relation, "far": self.far}, names)

    @classmethod
    def load(cls, folder: Path) -> PromptFacts:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        names = (tuple(extra[name]) for name in ("relations", "entities"))
        return cls(arrays["relation"], arrays["far"], extra["n_items"], *names)


@dataclass(frozen=True)
class ItemFacts:
    """Facts around every item, CSR by catalogue row.

    Attributes:
        indptr: ``(n_items + 1,)``; the facts of item i are rows ``[indptr[i], indptr[i + 1])``.
        relation: ``(S,)`` number of the relation and its direction.
        hop: ``(S,)`` hops from the item, from 1.
        far: ``(S,)`` number of the far end: a catalogue row, or ``n_items`` and more for other entities.
        n_relations: Number of relations, directions apart.
        n_entities: Number of entities that are no item.
    """

    indptr: NDArray[np.int64]
    relation: NDArray[np.int32]
    hop: NDArray[np.int8]
    far: NDArray[np.int32]
    n_relations: int
    n_entities: int

    @property
    def n_items(self) -> int:
        """Catalogue size."""
        return len(self.indptr) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """``(S,)`` item of each fact."""
        return np.repeat(np.arange(self.n_items), np.diff(self.indptr))


@dataclass(frozen=True)
class Alikeness:
    """How alike facts make two items, one value a pair and kind; CSR by catalogue row.

    Kinds are the relations twice: items that share a far end by a relation (kind r), and items that a relation joins
    directly (kind ``R + r``, whose far end is the other item).

    Attributes:
        indptr: ``(n_items + 1,)``; the pairs of item i are ``[indptr[i], indptr[i + 1])``.
        other: ``(P,)`` the other item.
        kind: ``(P,)`` kind.
        value: ``(P,)`` 1 for a direct edge; for shared far ends the sum of their squared, scaled inverse frequencies.
    """

    indptr: NDArray[np.int64]
    other: NDArray[np.int32]
    kind: NDArray[np.int32]
    value: NDArray[np.float32]

    @classmethod
    def of(cls, facts: ItemFacts) -> Alikeness:
        """From the facts at hop 1; far ends that more than ``MOST_SHARING`` items share are left out."""
        n, width = facts.n_items, facts.n_items + facts.n_entities
        near = np.flatnonzero(facts.hop == 1)
        rows, far, relation = facts.rows[near], facts.far[near], facts.relation[near]
        found = [(0, sp.coo_matrix((n, n), dtype=np.float32))]
        for number in range(facts.n_relations):
            of_it = relation == number
            told = sp.csr_matrix((np.ones(of_it.sum(), np.float32), (rows[of_it], far[of_it])), shape=(n, width))
            told.data[:] = 1.0
            found.append((number, _sharing(told)))
            found.append((facts.n_relations + number, told[:, :n].tocoo()))
        row, other, value = (np.concatenate([getattr(m, c) for _, m in found]) for c in ("row", "col", "data"))
        kind = np.concatenate([np.full(m.nnz, number, np.int32) for number, m in found])
        apart = row != other
        row, other, kind, value = row[apart], other[apart], kind[apart], value[apart]
        order = np.lexsort((kind, other, row))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int64)
        return cls(indptr, other[order].astype(np.int32), kind[order], value[order].astype(np.float32))


@dataclass(frozen=True)
class Holders:
    """Which items hold each fact of hop 1: by it, what alikeness loses with a fact is known without computing it anew.

    Attributes:
        n_items: Catalogue size.
        n_relations: Number of relations, directions apart.
        key: ``(K,)`` the distinct facts, ascending; see :meth:`keys`.
        indptr: ``(K + 1,)``; the holders of fact k are ``[indptr[k], indptr[k + 1])``.
        item: ``(P,)`` their catalogue rows.
    """

    n_items: int
    n_relations: int
    key: NDArray[np.int64]
    indptr: NDArray[np.int64]
    item: NDArray[np.int64]

    @classmethod
    def of(cls, facts: ItemFacts) -> Holders:
        """From the facts of the whole catalogue."""
        held = np.unique(np.stack([cls.keys(facts, slice(None)), facts.rows[facts.hop == 1]]), axis=1)
        key, first = np.unique(held[0], return_index=True)
        return cls(facts.n_items, facts.n_relations, key, np.append(first, held.shape[1]), held[1])

    @staticmethod
    def keys(facts: ItemFacts, rows: slice) -> NDArray[np.int64]:
        """One number a fact of hop 1 among ``rows`` of ``facts``: its far end and relation; repeated facts repeat."""
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
        """What a history's alikeness to every item gains, as a rule less than 0, when items lose facts.

        Args:
            lost: Item and fact, each pair once.
            read: ``(n,)`` weight of each item in the history, 0 for those not read.
            kinds: ``(2 R,)`` weight of each kind of pair.

        Returns:
            ``(n,)``; :class:`Alikeness` of the facts that are left differs from that of all by this.
        """
        gain = np.zeros(self.n_items)
        losers: dict[int, list[int]] = {}
        for item, key in lost:
            losers.setdefault(key, []).append(item)
        for key, items in losers.items():
            far, relation = divmod(key, max(1, self.n_relations))
            place = int(np.searchsorted(self.key, key))
            holders = self.item[self.indptr[place] : self.indptr[place + 1]]
            left = holders[~np.isin(holders, items)]
            for group, sign in ((holders, -1), (left, 1)):
                weight = sign * kinds[relation] * _weight(np.array(len(group)), self.n_items) ** 2
                gain[group] += weight * (read[group].sum() - read[group])
            if far < self.n_items:
                gain[far] -= kinds[self.n_relations + relation] * sum(read[item] for item in items if item != far)
        return gain


def _weight(frequency: NDArray[np.int64] | NDArray[np.float32], items: int) -> NDArray[np.float64]:
    """Scaled inverse frequency of a far end; 0 for one that a single item holds, or more than ``MOST_SHARING``."""
    shared = (frequency > 1) & (frequency <= MOST_SHARING)
    weight: NDArray[np.float64] = np.where(shared, np.log(items / np.maximum(frequency, 1)) / np.log(max(items, 2)), 0)
    return weight


def _sharing(told: sp.csr_matrix) -> sp.coo_matrix:
    """Pairs of items that share far ends: the sum over these of their squared inverse frequency, at most 1 each."""
    items, frequency = told.shape[0], np.asarray(told.sum(axis=0)).ravel()
    weighted = (told @ sp.diags(_weight(frequency, items).astype(np.float32))).tocsr()
    weighted.eliminate_zeros()
    return (weighted @ weighted.T).tocoo()
