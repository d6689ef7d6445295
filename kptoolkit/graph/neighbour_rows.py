"""Rows of a neighbourhood as columns of numbers while they come in, chunk by chunk; no Python object a row is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.storage.ragged import inverse_permutation, run_positions, run_starts

#: Near id, relation id, far id, and whether the near end is the head of the stored triple.
Row = tuple[str, str, str, bool]


class Numbers:
    """Numbers of texts in the order in which they were first met.

    Attributes:
        values: The texts, by number.
    """

    def __init__(self) -> None:
        self.values: list[str] = []
        self._known: dict[str, int] = {}

    def of(self, texts: NDArray[Any], *columns: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        """Columns of places in ``texts`` as numbers; a text that no column names gets none."""
        numbers = np.full(len(texts), -1, np.int32)
        for place in np.unique(np.concatenate(columns)):
            text = texts[place]
            numbers[place] = self._known.setdefault(text, len(self.values))
            if numbers[place] == len(self.values):
                self.values.append(text)
        return [numbers[column] for column in columns]


class RowColumns:
    """Rows as numbers of entities and relations.

    Attributes:
        entities: Numbers of the entities at either end.
        relations: Numbers of the relations.
    """

    def __init__(self) -> None:
        self.entities, self.relations = Numbers(), Numbers()
        self._parts: list[tuple[NDArray[Any], ...]] = []

    def add(
        self, near: Sequence[str], relation: Sequence[str], far: Sequence[str], forward: Sequence[bool], *, cap: int
    ) -> tuple[NDArray[np.int32], dict[str, int]]:
        """Take in the rows of some nodes, all rows of a node at once.

        Of a node with more than ``cap`` distinct rows those stay that come first when they are dealt round-robin over
        its relations, inside a relation by far end and direction; see :func:`deal`.

        Args:
            near: Entity id of each row's near end.
            relation: Relation id.
            far: Entity id of the far end.
            forward: Whether the near end is the head of the stored triple.
            cap: Rows to keep of one node.

        Returns:
            Numbers of the far ends of the rows that stayed, each once, and by near id the rows that did not.
        """
        place, entities = _ordered([*near, *far])
        kinds, relations = _ordered(relation)
        near_rank, far_rank = place[: len(near)], place[len(near) :]
        direction = np.array(forward, np.int64)
        order = np.lexsort((direction, far_rank, kinds, near_rank))
        columns = [column[order] for column in (near_rank, kinds, far_rank, direction)]
        near_rank, kinds, far_rank, direction = (column[run_starts(*columns)] for column in columns)
        turn = run_positions(near_rank, kinds)
        dealt = np.lexsort((far_rank, kinds, turn, near_rank))
        turn[dealt] = run_positions(near_rank[dealt])
        kept = turn < cap
        left, count = np.unique(near_rank[~kept], return_counts=True)
        ends = self.entities.of(entities, near_rank[kept], far_rank[kept])
        (kind,) = self.relations.of(relations, kinds[kept])
        self._parts.append((ends[0], kind, ends[1], direction[kept].astype(np.bool_)))
        return np.unique(ends[1]), {str(entities[node]): int(n) for node, n in zip(left, count, strict=True)}

    def joined(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
        """Near end, relation, far end and direction of all rows, as numbers."""
        kinds = (np.int32, np.int32, np.int32, np.bool_)
        near, relation, far, forward = (
            np.concatenate([np.zeros(0, kind), *(part[column] for part in self._parts)])
            for column, kind in enumerate(kinds)
        )
        return near, relation, far, forward


def deal(rows: Sequence[Row], cap: int) -> list[Row]:
    """The first ``cap`` rows of one node when they are dealt round-robin over its relations.

    Args:
        rows: Rows of one node.
        cap: Rows to keep.
    """
    turns: dict[str, int] = {}
    dealt = []
    for row in sorted(set(rows), key=lambda row: row[1:]):
        turn = turns[row[1]] = turns.get(row[1], -1) + 1
        dealt.append((turn, row))
    dealt.sort(key=lambda pair: (pair[0], pair[1][1]))
    return [row for _, row in dealt[:cap]]


def _ordered(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """``(n,)`` rank of each text among the distinct ones, and these, ascending."""
    codes, distinct = pd.factorize(objects(texts))
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    return inverse_permutation(np.array(order, np.int64))[codes], distinct[order]


def objects(values: Sequence[str]) -> NDArray[Any]:
    """``(n,)`` texts as they are."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
