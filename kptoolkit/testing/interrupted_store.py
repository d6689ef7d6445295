"""A store that is lost after a number of writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kptoolkit.graph.store import GraphStore, GraphTransaction, Records, WriteCounters

T = TypeVar("T")


class Interrupted(Exception):
    """Stands for Ctrl-C or a lost connection in the middle of a load."""


class InterruptedStore:
    """A store that fails once a number of writes have gone through.

    Args:
        store: The store behind.
        writes: Writing statements to let through.
    """

    def __init__(self, store: GraphStore, writes: int) -> None:
        self._store, self._left = store, writes
        self.dialect, self.uri = store.dialect, store.uri

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        """As the store behind."""
        return self._store.read(query, parameters)

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        """As the store behind, until it fails."""
        self._count()
        return self._store.write(query, parameters)

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        """As the store behind, until it fails."""
        self._count()
        return self._store.transact(work)

    def close(self) -> None:
        """As the store behind."""
        self._store.close()

    def _count(self) -> None:
        if self._left == 0:
            raise Interrupted
        self._left -= 1
