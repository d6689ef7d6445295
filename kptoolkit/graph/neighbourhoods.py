"""The triples around the items: numpy columns, CSR by node."""

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

from kptoolkit.arguments import checked
from kptoolkit.graph.neighbour_rows import Row, RowColumns, objects
from kptoolkit.storage.arrays import fitting, read_arrays, write_arrays
from kptoolkit.storage.ragged import Ragged, indptr_of, inverse_permutation, run_starts

_ARRAYS = ("degrees", "indptr", "relation", "far", "forward", "dropped", "roots")


@dataclass(frozen=True, eq=False)
class Neighbourhoods(Ragged):
    """The triples around a list of entities, fetched breadth first (KP4SR, section 3.2: the items' knowledge graph).

    Each triple is a row of its near end, the node it was fetched for; the other end is the far end. Nodes are numbered
    by ascending entity id and relations by ascending relation id, so that equal graphs give equal arrays from any
    database. The rows of a node are sorted by relation, far end and direction.

    Attributes:
        ids: ``(N,)`` object: entity id of every node that occurs, ascending.
        names: ``(N,)`` object: name of each node, ``""`` when it has none.
        degrees: ``(N,)`` int64: relationships of each node in the graph, -1 when the graph does not say.
        relations: R relation ids, ascending.
        indptr: ``(N + 1,)`` int64: rows of node i are ``[indptr[i], indptr[i + 1])``; none if it was not expanded.
        relation: ``(E,)`` int32: relation number of each row.
        far: ``(E,)`` int32: node number of the far end of each row.
        forward: ``(E,)`` bool: whether the near end is the head of the stored triple.
        dropped: ``(N,)`` int64: rows of each node beyond the cap, which are left out.
        roots: ``(K,)`` int32: node number of each requested entity, in that order; -1 when it is not in the graph.
        hops: Hops that were fetched.
        fingerprint: Hash of the graph's own fingerprint, query, cap and roots; the key of the cache.
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
        cap: int | None = None,
        fingerprint: str = "",
    ) -> Neighbourhoods:
        """Build neighbourhoods from rows in any order, which may repeat.

        Args:
            roots: Requested entity ids.
            nodes: Name and degree by entity id, of the far ends and of the roots that exist.
            rows: Rows; every near and far id is in ``nodes``.
            hops: Hops that were fetched.
            cap: Maximum number of rows to keep per node, see :meth:`RowColumns.add`; ``None`` keeps all.
            fingerprint: See the class.
        """
        columns = RowColumns()
        near, relation, far, forward = zip(*rows, strict=True) if rows else ((), (), (), ())
        _, dropped = columns.add(near, relation, far, forward, cap=len(rows) if cap is None else cap)
        return cls.of_columns(roots, nodes, columns, hops=hops, dropped=dropped, fingerprint=fingerprint)

    @classmethod
    def of_columns(
        cls,
        roots: Sequence[str],
        nodes: Mapping[str, tuple[str, int]],
        columns: RowColumns,
        *,
        hops: int,
        dropped: Mapping[str, int],
        fingerprint: str = "",
    ) -> Neighbourhoods:
        """Build neighbourhoods from collected columns.

        Args:
            roots: As for :meth:`of_rows`, and so are ``nodes``, ``hops`` and ``fingerprint``.
            nodes: See above.
            columns: The rows.
            hops: See above.
            dropped: Rows beyond the cap, by near id.
            fingerprint: See above.
        """
        ids = sorted(nodes)
        number = {entity: index for index, entity in enumerate(ids)}
        node_number = np.array([number[entity] for entity in columns.entities], np.int32)
        relations = sorted(columns.relations)
        relation_number = inverse_permutation(np.argsort(objects(list(columns.relations)))).astype(np.int32)
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
            dropped=np.array([dropped.get(entity, 0) for entity in ids], np.int64),
            roots=np.array([number.get(entity, -1) for entity in roots], np.int32),
            hops=hops,
            fingerprint=fingerprint,
        )

    def names_by_id(self) -> dict[str, str]:
        """Return the name of every node by its entity id."""
        return dict(zip(self.ids.tolist(), self.names.tolist(), strict=True))

    @property
    def truncated(self) -> int:
        """Number of rows beyond the cap, over all nodes."""
        return int(self.dropped.sum())

    @cached_property
    def near(self) -> NDArray[np.int32]:
        """``(E,)`` node number of the near end of each row."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @property
    def head(self) -> NDArray[np.int32]:
        """``(E,)`` node number of the head of each row's triple."""
        return np.where(self.forward, self.near, self.far)

    @property
    def tail(self) -> NDArray[np.int32]:
        """``(E,)`` node number of the tail of each row's triple."""
        return np.where(self.forward, self.far, self.near)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the contents, without the fingerprint."""
        texts = [self.ids.tolist(), self.names.tolist(), self.relations, self.hops]
        digest = hashlib.sha256(json.dumps(texts).encode())
        for name in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.view(np.uint8).data)
        return digest.hexdigest()

    def ends(self, row: int) -> tuple[int, int]:
        """Return the node numbers of the near and the far end of a row."""
        return int(np.searchsorted(self.indptr, row, side="right")) - 1, int(self.far[row])

    def triple(self, row: int) -> tuple[str, str, str]:
        """Return head id, relation id and tail id of the stored triple of a row."""
        near, far = self.ends(row)
        head, tail = (near, far) if self.forward[row] else (far, near)
        return str(self.ids[head]), self.relations[self.relation[row]], str(self.ids[tail])

    def limited(self, hops: int) -> Neighbourhoods:
        """Return the result of a fetch with fewer ``hops``.

        Raises:
            ValueError: More hops are requested than were fetched.
        """
        if hops > self.hops:
            raise ValueError(f"{hops} hops requested, {self.hops} fetched")
        known = self.roots[self.roots >= 0]
        fetched = np.zeros(len(self.ids), np.bool_)
        frontier = np.unique(known)
        for _ in range(hops):
            fetched[frontier] = True
            ends = np.unique(self.far[np.isin(self.near, frontier)])
            frontier = ends[~fetched[ends]]
        rows = fetched[self.near]
        occurs = np.zeros(len(self.ids), np.bool_)
        occurs[known] = True
        occurs[self.far[rows]] = True
        return replace(self._only(occurs, rows), dropped=np.where(fetched, self.dropped, 0)[occurs], hops=hops)

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

    @checked
    def save(self, folder: Path) -> None:
        """Write to ``folder``, atomically and with checksums."""
        extra = {"ids": self.ids.tolist(), "names": self.names.tolist(), "relations": list(self.relations)}
        extra |= {"hops": self.hops, "fingerprint": self.fingerprint}
        write_arrays(folder, {name: getattr(self, name) for name in _ARRAYS}, extra)

    @classmethod
    @checked
    def load(cls, folder: Path) -> Neighbourhoods:
        """Read a folder that :meth:`save` wrote; number arrays are memory-mapped.

        Raises:
            DataError: A file is missing or damaged.
        """
        arrays, extra = read_arrays(folder)
        with fitting(folder):
            return cls._of_stored(arrays, extra)

    @classmethod
    def _of_stored(cls, arrays: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]) -> Neighbourhoods:
        found = cls(
            ids=objects(extra["ids"]),
            names=objects(extra["names"]),
            relations=tuple(extra["relations"]),
            hops=extra["hops"],
            fingerprint=extra["fingerprint"],
            **{name: arrays[name] for name in _ARRAYS},
        )
        nodes, relations = ("nodes", len(found.ids)), ("relations", len(found.relations))
        return found.check(far=nodes, roots=nodes, relation=relations)


def _sorted_distinct(
    near: NDArray[np.int32], relation: NDArray[np.int32], far: NDArray[np.int32], forward: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    order = np.lexsort((forward, far, relation, near))
    near, relation, far, forward = near[order], relation[order], far[order], forward[order]
    distinct = run_starts(near, relation, far, forward)
    return near[distinct], relation[distinct], far[distinct], forward[distinct]
