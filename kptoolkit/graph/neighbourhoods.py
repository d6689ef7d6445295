"""What the graph says around the items: columns of numpy, CSR by node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kptoolkit.graph.neighbour_rows import Row, RowColumns, objects
from kptoolkit.storage.arrays import read_arrays, write_arrays
from kptoolkit.storage.ragged import Ragged, indptr_of, inverse_permutation, run_starts

_ARRAYS = ("degrees", "indptr", "relation", "far", "forward", "dropped", "roots")


@dataclass(frozen=True, eq=False)
class Neighbourhoods(Ragged):
    """The triples around a list of entities, fetched breadth first (KP4SR, section 3.2: the items' knowledge graph).

    Nodes are numbered by entity id in ascending order and relations by relation id, so that equal graphs give equal
    arrays whatever database holds them. The rows of a node are sorted by relation, far end, direction.

    Attributes:
        ids: ``(N,)`` object: entity id of every node that is mentioned, ascending.
        names: ``(N,)`` object: its name, ``""`` when it has none.
        degrees: ``(N,)`` int64: relationships it has in the graph, -1 when the graph does not say.
        relations: R relation ids, ascending.
        indptr: ``(N + 1,)`` int64: rows of node i are ``[indptr[i], indptr[i + 1])``; none when it was not fetched.
        relation: ``(E,)`` int32: relation number of a row.
        far: ``(E,)`` int32: node number of the far end.
        forward: ``(E,)`` bool: whether the near end is the head of the stored triple.
        dropped: ``(N,)`` int64: rows of a node beyond the cap.
        roots: ``(K,)`` int32: node number of each asked entity in the asked order, -1 when the graph has no such one.
        hops: Hops that were fetched.
        fingerprint: Of graph, query, cap and roots; equal fingerprints mean equal arrays.
    """

    columns = ("relation", "far", "forward")
    row_columns = ("ids", "names", "degrees", "dropped")

    ids: NDArray[Any]
    names: NDArray[Any]
    degrees: NDArray[np.int64]
    relations: tuple[str, ...]
    relation: NDArray[np.int32]
    far: NDArray[np.int32]
    forward: NDArray[np.bool_]
    dropped: NDArray[np.int64]
    roots: NDArray[np.int32]
    hops: int
    fingerprint: str = ""

    @classmethod
    def of_rows(
        cls,
        roots: Sequence[str],
        nodes: Mapping[str, tuple[str, int]],
        rows: Sequence[Row],
        *,
        hops: int,
        dropped: Mapping[str, int] | None = None,
        fingerprint: str = "",
    ) -> Neighbourhoods:
        """Number, sort and deduplicate rows.

        Args:
            roots: Asked entity ids.
            nodes: Name and degree by entity id, of the far ends and of the roots that exist.
            rows: Rows; every near and far id is in ``nodes``.
            hops: Hops that were fetched.
            dropped: Rows of a node, by its id, that a cap left out.
            fingerprint: Of what was asked.
        """
        columns = RowColumns()
        near, relation, far, forward = zip(*rows, strict=True) if rows else ((), (), (), ())
        columns.add(near, relation, far, forward, cap=len(rows))
        return cls.of_columns(roots, nodes, columns, hops=hops, dropped=dropped, fingerprint=fingerprint)

    @classmethod
    def of_columns(
        cls,
        roots: Sequence[str],
        nodes: Mapping[str, tuple[str, int]],
        columns: RowColumns,
        *,
        hops: int,
        dropped: Mapping[str, int] | None = None,
        fingerprint: str = "",
    ) -> Neighbourhoods:
        """As :meth:`of_rows`, for rows that were collected as columns."""
        ids = sorted(nodes)
        number = {entity: index for index, entity in enumerate(ids)}
        node_number = np.array([number[entity] for entity in columns.entities.values], np.int32)
        relations = sorted(columns.relations.values)
        relation_number = inverse_permutation(np.argsort(objects(columns.relations.values))).astype(np.int32)
        near, relation, far, forward = columns.joined()
        near, relation, far, forward = _sorted_distinct(
            node_number[near], relation_number[relation], node_number[far], forward
        )
        return cls(
            ids=objects(ids),
            names=objects([nodes[entity][0] for entity in ids]),
            degrees=np.array([nodes[entity][1] for entity in ids], np.int64),
            relations=tuple(relations),
            indptr=indptr_of(np.bincount(near, minlength=len(ids))),
            relation=relation,
            far=far,
            forward=forward,
            dropped=np.array([(dropped or {}).get(entity, 0) for entity in ids], np.int64),
            roots=np.array([number.get(entity, -1) for entity in roots], np.int32),
            hops=hops,
            fingerprint=fingerprint,
        )

    @property
    def truncated(self) -> int:
        """Rows beyond the cap, over all fetched nodes."""
        return int(self.dropped.sum())

    @cached_property
    def near(self) -> NDArray[np.int32]:
        """``(E,)`` node number of the near end of each row."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all that stands here, whatever it was fetched for."""
        texts = [self.ids.tolist(), self.names.tolist(), self.relations, self.hops]
        digest = hashlib.sha256(json.dumps(texts).encode())
        for name in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.view(np.uint8).data)
        return digest.hexdigest()

    def ends(self, row: int) -> tuple[int, int]:
        """Node numbers of the near and the far end of a row."""
        return int(np.searchsorted(self.indptr, row, side="right")) - 1, int(self.far[row])

    def triple(self, row: int) -> tuple[str, str, str]:
        """Head id, relation id and tail id of the stored triple behind a row."""
        near, far = self.ends(row)
        head, tail = (near, far) if self.forward[row] else (far, near)
        return str(self.ids[head]), self.relations[self.relation[row]], str(self.ids[tail])

    def limited(self, hops: int) -> Neighbourhoods:
        """What a fetch of fewer ``hops`` would have given.

        Raises:
            ValueError: More hops are asked for than were fetched.
        """
        if hops > self.hops:
            raise ValueError(f"{hops} hops asked for, {self.hops} fetched")
        known = self.roots[self.roots >= 0]
        fetched = np.zeros(len(self.ids), np.bool_)
        frontier = np.unique(known)
        for _ in range(hops):
            fetched[frontier] = True
            ends = np.unique(self.far[np.isin(self.near, frontier)])
            frontier = ends[~fetched[ends]]
        rows = fetched[self.near]
        mentioned = np.zeros(len(self.ids), np.bool_)
        mentioned[known] = True
        mentioned[self.far[rows]] = True
        return replace(self._only(mentioned, rows), dropped=np.where(fetched, self.dropped, 0)[mentioned], hops=hops)

    def _only(self, nodes: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Neighbourhoods:
        """Return the selected nodes and rows, with nodes and relations renumbered."""
        number = np.cumsum(nodes, dtype=np.int32) - 1
        some = self.where(rows).take(np.flatnonzero(nodes))
        used, relation = np.unique(some.relation, return_inverse=True)
        return replace(
            some,
            relations=tuple(self.relations[index] for index in used),
            relation=relation.astype(np.int32),
            far=number[some.far],
            roots=np.append(number, np.int32(-1))[self.roots],
        )

    def save(self, folder: Path) -> None:
        """Write to ``folder``, checksummed, beside and then renamed."""
        extra = {"ids": self.ids.tolist(), "names": self.names.tolist(), "relations": list(self.relations)}
        extra |= {"hops": self.hops, "fingerprint": self.fingerprint}
        write_arrays(folder, {name: getattr(self, name) for name in _ARRAYS}, extra)

    @classmethod
    def load(cls, folder: Path) -> Neighbourhoods:
        """Read what :meth:`save` wrote; arrays of numbers are memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        return cls(
            ids=objects(extra["ids"]),
            names=objects(extra["names"]),
            relations=tuple(extra["relations"]),
            hops=extra["hops"],
            fingerprint=extra["fingerprint"],
            **{name: arrays[name] for name in _ARRAYS},
        )


def _sorted_distinct(
    near: NDArray[np.int32], relation: NDArray[np.int32], far: NDArray[np.int32], forward: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    order = np.lexsort((forward, far, relation, near))
    near, relation, far, forward = near[order], relation[order], far[order], forward[order]
    fresh = run_starts(near, relation, far, forward)
    return near[fresh], relation[fresh], far[fresh], forward[fresh]
