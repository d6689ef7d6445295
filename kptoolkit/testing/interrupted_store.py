"""A store that fails after a number of writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kptoolkit.graph.store import GraphStore, GraphTransaction, Records, WriteCounters

T = TypeVar("T")


class Interrupted(Exception):
    """Simulates Ctrl-C or a lost connection during a load."""


class InterruptedStore:
    """A store that fails after a number of writes.

    Args:
        store: The store that is used until then.
        writes: Number of writes that succeed.
    """

    def __init__(self, store: GraphStore, writes: int) -> None:
        self._store, self._left = store, writes
        self.dialect, self.uri = store.dialect, store.uri

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        """Call the store."""
        return self._store.read(query, parameters)

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        """Call the store, or fail."""
        self._count()
        return self._store.write(query, parameters)

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        """Call the store, or fail."""
        self._count()
        return self._store.transact(work)

    def close(self) -> None:
        """Call the store."""
        self._store.close()

    def _count(self) -> None:
        if self._left == 0:
            raise Interrupted
        self._left -= 1
