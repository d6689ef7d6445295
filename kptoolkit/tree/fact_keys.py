"""Which rows of a neighbourhood state the same fact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.storage.ragged import Ints


class Facts:
    """Keys of facts: rows that state one fact, whichever way it is stored, have equal keys.

    Args:
        neighbourhoods: Where the rows are.
        mirrored: Pairs of relation ids that say the same with the ends swapped.

    Attributes:
        relation: ``(E,)`` relation number of each row.
        far: ``(E,)`` node number of its far end.
        forward: ``(E,)`` whether its near end is the head.
        nodes: Number of nodes.
    """

    def __init__(self, neighbourhoods: Neighbourhoods, mirrored: Sequence[tuple[str, str]]) -> None:
        self.relation, self.far = np.asarray(neighbourhoods.relation), np.asarray(neighbourhoods.far)
        self.forward, self.nodes = np.asarray(neighbourhoods.forward), len(neighbourhoods.degrees)
        self._canonical, self._swapped, self._symmetric = _canonical(neighbourhoods.relations, mirrored)

    def keys(self, near: Ints, row: Ints) -> tuple[Ints, Ints]:
        """Two numbers, each ``(n,)``, that together name the fact each row states: its head; relation and tail."""
        relation, far = self.relation[row], self.far[row].astype(np.int64)
        near_first = self.forward[row] ^ self._swapped[relation]
        near_first = np.where(self._symmetric[relation], near <= far, near_first)
        head, tail = np.where(near_first, near, far), np.where(near_first, far, near)
        return head, self._canonical[relation] * self.nodes + tail

    def of_owner(self, owner: Ints, near: Ints, row: Ints) -> Ints:
        """``(2, n)`` as :meth:`keys`, the owner's number joined to the head."""
        head, relation_and_tail = self.keys(near, row)
        return np.stack((owner * self.nodes + head, relation_and_tail))


def _canonical(
    relations: Sequence[str], mirrored: Sequence[tuple[str, str]]
) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
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
