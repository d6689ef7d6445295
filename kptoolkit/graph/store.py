"""The protocol of a graph database: run Cypher, read rows, count changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlsplit

from kptoolkit.errors import ConfigError, GraphError, holds_secret, shorten

T = TypeVar("T")
Dialect = Literal["neo4j", "embedded"]
EMBEDDED = "embedded:"
_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")


class StatementError(GraphError):
    """The database refused a Cypher statement: syntax, a missing parameter, a constraint."""


@dataclass(frozen=True)
class Records:
    """The rows of a query.

    Attributes:
        columns: Names of the columns.
        rows: Values of each row, in the order of ``columns``.
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """Return the values of one column; an empty list when there are no rows (ArcadeDB then names no columns)."""
        if not self.rows:
            return []
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def spread(self, names: Collection[str]) -> Records:
        """Expand each row whose cells in the columns ``names`` are lists into one row per element; repeat other cells.

        Raises:
            ValueError: The lists of a row differ in length.
        """
        cells = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        long = [name in names for name in self.columns]
        rows = zip(*itertools.compress(cells, long), strict=True)
        lengths = [{len(cell) for cell in row if isinstance(cell, list)} for row in rows]
        if any(len(found) > 1 for found in lengths):
            raise ValueError("the lists of a row differ in length")
        sizes = [next(iter(found), 1) for found in lengths]
        columns = (
            itertools.chain.from_iterable(
                cell if spread and isinstance(cell, list) else itertools.repeat(cell, size)
                for cell, size in zip(column, sizes, strict=True)
            )
            for column, spread in zip(cells, long, strict=True)
        )
        return Records(self.columns, list(map(list, zip(*columns, strict=True))))

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class WriteCounters:
    """Counts of what a statement changed."""

    nodes_created: int = 0
    nodes_deleted: int = 0
    relationships_created: int = 0
    relationships_deleted: int = 0
    properties_set: int = 0
    labels_added: int = 0

    def __add__(self, other: WriteCounters) -> WriteCounters:
        return WriteCounters(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


class GraphTransaction(Protocol):
    """Statements that take effect together or not at all."""

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        """Run a reading statement."""
        ...

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        """Run a writing statement."""
        ...


@runtime_checkable
class GraphStore(Protocol):
    """A graph database. :mod:`kptoolkit.testing.graph_store_suite` checks an implementation.

    Attributes:
        dialect: ``"embedded"`` uses the Cypher files of ``cypher/embedded/`` before those of ``cypher/``.
        uri: URI without a password, for messages.
    """

    @property
    def dialect(self) -> Dialect:
        """``"neo4j"`` or ``"embedded"``."""
        ...

    @property
    def uri(self) -> str:
        """URI of the database, without a password."""
        ...

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        """Run one reading statement in a transaction of its own; several threads may call it at once.

        Raises:
            GraphError: The database refused the statement or cannot be reached.
        """
        ...

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        """Run one writing statement in a transaction of its own.

        Raises:
            GraphError: The database refused the statement or cannot be reached; nothing was changed.
        """
        ...

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        """Run ``work`` in one transaction; it is called again if the database asks for a retry.

        Raises:
            GraphError: The database refused a statement or cannot be reached; nothing was changed.
        """
        ...

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        ...


def checked_uri(uri: str) -> str:
    """Return ``uri`` if it is the URI of a graph without user and password.

    Raises:
        ConfigError: Another scheme, no host, a bad port, or user and password inside the URI.
    """
    if uri.startswith(EMBEDDED):
        return uri
    allowed = "embedded:PATH, neo4j://HOST:PORT or bolt://HOST:PORT (+s, +ssc)"
    try:
        parts = urlsplit(uri)
        known = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if holds_secret(uri):
        raise ConfigError(
            "setting graph.uri: give user and password as NEO4J_USERNAME and NEO4J_PASSWORD, not inside the URI"
        )
    if not known:
        raise ConfigError(f"setting graph.uri: '{shorten(uri)}' is not a graph; write {allowed}")
    return uri
