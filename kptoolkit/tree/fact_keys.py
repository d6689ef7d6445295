"""Which rows of a neighbourhood state the same fact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.storage.ragged import Ints


class FactKeys:
    """Keys of facts: rows that state the same fact, in whichever direction it is stored, have equal keys.

    Args:
        neighbourhoods: The rows.
        mirrored: Pairs of relation ids that state the same fact with head and tail swapped.
        repeated: Pairs of relation ids that state the same fact with the same head and tail.

    Attributes:
        relation: ``(E,)`` relation number of each row.
        far: ``(E,)`` node number of its far end.
        forward: ``(E,)`` whether its near end is the head.
        nodes: Number of nodes.
    """

    def __init__(
        self,
        neighbourhoods: Neighbourhoods,
        mirrored: Sequence[tuple[str, str]],
        repeated: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.relation, self.far = np.asarray(neighbourhoods.relation), np.asarray(neighbourhoods.far)
        self.forward, self.nodes = np.asarray(neighbourhoods.forward), len(neighbourhoods.degrees)
        self._canonical, self._swapped, self._symmetric = _canonical(neighbourhoods.relations, mirrored, repeated)

    def keys(self, near: Ints, row: Ints) -> tuple[Ints, Ints]:
        """Return two ``(n,)`` arrays that together identify the fact of each row: its head; its relation and tail.

        Args:
            near: ``(n,)`` node number of each row's near end.
            row: ``(n,)`` rows of the neighbourhoods.
        """
        relation, far = self.relation[row], self.far[row].astype(np.int64)
        near_first = self.forward[row] ^ self._swapped[relation]
        near_first = np.where(self._symmetric[relation], near <= far, near_first)
        head, tail = np.where(near_first, near, far), np.where(near_first, far, near)
        return head, self._canonical[relation] * self.nodes + tail

    def of_owner(self, owner: Ints, near: Ints, row: Ints) -> Ints:
        """Return ``(2, n)`` keys as :meth:`keys` gives them, with the owner's number combined with the head."""
        head, relation_and_tail = self.keys(near, row)
        return np.stack((owner * self.nodes + head, relation_and_tail))


def _canonical(
    relations: Sequence[str], mirrored: Sequence[tuple[str, str]], repeated: Sequence[tuple[str, str]]
) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    """For each relation: the number of its group, whether its ends are swapped there, whether it is symmetric.

    Pairs that share a relation form one group. A group that mirrors a relation with itself is symmetric.
    """
    links: dict[str, list[tuple[str, bool]]] = {}
    for pairs, swaps in ((mirrored, True), (repeated, False)):
        for first, second in pairs:
            links.setdefault(first, []).append((second, swaps))
            links.setdefault(second, []).append((first, swaps))
    places: dict[str, tuple[int, bool]] = {}  # group, ends swapped
    symmetric: set[int] = set()
    for first in list(links):
        if first in places:
            continue
        group = len(relations) + len(places)
        places[first], queue = (group, False), [first]
        while queue:
            name = queue.pop()
            for other, swaps in links[name]:
                swapped = places[name][1] ^ swaps
                if other not in places:
                    places[other] = (group, swapped)
                    queue.append(other)
                elif places[other][1] != swapped:
                    symmetric.add(group)
    numbers = [places.get(name, (number, False)) for number, name in enumerate(relations)]
    groups = np.array([group for group, _ in numbers], dtype=np.int64)
    return (
        groups,
        np.array([swapped for _, swapped in numbers], dtype=np.bool_),
        np.isin(groups, np.array(sorted(symmetric), dtype=np.int64)),
    )
