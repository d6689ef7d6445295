"""Collects the rows of a neighbourhood chunk by chunk, as columns of numbers rather than Python objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.storage.ragged import inverse_permutation, run_positions, run_starts
from kptoolkit.storage.vocabulary import Vocabulary

#: Near id, relation id, far id, and whether the near end is the head of the stored triple.
Row = tuple[str, str, str, bool]


class RowColumns:
    """Rows as numbers of entities and relations.

    Attributes:
        entities: Ids of the entities at either end.
        relations: Ids of the relations.
    """

    def __init__(self) -> None:
        self.entities, self.relations = Vocabulary(), Vocabulary()
        self._parts: list[tuple[NDArray[Any], ...]] = []

    def add(
        self, near: Sequence[str], relation: Sequence[str], far: Sequence[str], forward: Sequence[bool], *, cap: int
    ) -> tuple[NDArray[np.int32], dict[str, int]]:
        """Add the rows of some nodes, all rows of a node in one call.

        Of a node with more than ``cap`` distinct rows the first ``cap`` are kept, in a round-robin order over its
        relations: the first row of each relation, then the second of each, and so on. Relations are in ascending
        order, and the rows of a relation are sorted by far end and direction.

        Args:
            near: Entity id of each row's near end.
            relation: Relation id.
            far: Entity id of the far end.
            forward: Whether the near end is the head of the stored triple.
            cap: Maximum number of rows to keep per node.

        Returns:
            Distinct numbers of the far ends of the kept rows, and the number of dropped rows by near id.
        """
        place, entities = _ordered([*near, *far])
        kinds, relations = _ordered(relation)
        near_rank, far_rank = place[: len(near)], place[len(near) :]
        direction = np.array(forward, np.int64)
        order = np.lexsort((direction, far_rank, kinds, near_rank))
        columns = [column[order] for column in (near_rank, kinds, far_rank, direction)]
        near_rank, kinds, far_rank, direction = (column[run_starts(*columns)] for column in columns)
        place_in_node = run_positions(near_rank, kinds)  # place in the relation first, which is the turn
        in_turns = np.lexsort((far_rank, kinds, place_in_node, near_rank))
        place_in_node[in_turns] = run_positions(near_rank[in_turns])
        kept = place_in_node < cap
        left, count = np.unique(near_rank[~kept], return_counts=True)
        near_number, far_number = _numbered(self.entities, entities, near_rank[kept], far_rank[kept])
        (kind,) = _numbered(self.relations, relations, kinds[kept])
        self._parts.append((near_number, kind, far_number, direction[kept].astype(np.bool_)))
        return np.unique(far_number), {str(entities[node]): int(n) for node, n in zip(left, count, strict=True)}

    def joined(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """Return near end, relation, far end and direction of all rows, as numbers."""
        kinds = (np.int32, np.int32, np.int32, np.bool_)
        near, relation, far, forward = (
            np.concatenate([np.zeros(0, kind), *(part[column] for part in self._parts)])
            for column, kind in enumerate(kinds)
        )
        return near, relation, far, forward


def _numbered(
    vocabulary: Vocabulary, texts: NDArray[Any], *columns: NDArray[np.int64]
) -> tuple[NDArray[np.int32], ...]:
    """Return columns of positions in ``texts`` as numbers of a vocabulary; other texts are not added to it."""
    used = np.unique(np.concatenate(columns))
    numbers = np.full(len(texts), -1, np.int32)
    numbers[used] = vocabulary.add(texts[used])
    return tuple(numbers[column] for column in columns)


def _ordered(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the ``(n,)`` rank of each text among the distinct ones, and these in ascending order."""
    codes, distinct = pd.factorize(objects(texts))
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    return inverse_permutation(np.array(order, np.int64))[codes], distinct[order]


def objects(values: Sequence[str]) -> NDArray[Any]:
    """Return texts as an ``(n,)`` object array."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
