"""A graph database behind Bolt: the only module that imports the ``neo4j`` driver."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import neo4j
from neo4j import exceptions

from kptoolkit.errors import GraphError, GraphUnavailableError, shorten
from kptoolkit.graph.clauses import reaching_clause, writing_clause
from kptoolkit.graph.store import Dialect, GraphTransaction, Records, StatementError, WriteCounters, checked_uri

# Failures are raised; without a handler the driver would also print them.
logging.getLogger("neo4j").addHandler(logging.NullHandler())

T = TypeVar("T")
_OLDEST = (5, 26)
_CONNECT_SECONDS = 4.0
_ACQUIRE_SECONDS = 8.0
_READ_RETRY_SECONDS = 2.5  # with the driver's growing pauses a lost server is reported within 10 seconds
_READ_ONLY = "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase"
_START = "start a server (`docker compose up -d`), or use the embedded graph: --graph embedded:./kg"


class BoltStore:
    """A Neo4j server, or an ArcadeDB that speaks Bolt.

    Args:
        uri: ``neo4j://`` or ``bolt://``, optionally ``+s`` or ``+ssc``; without user and password.
        username: User; ``neo4j`` when only a password is given.
        password: Password; ``None`` connects without one.
        database: Database; ``None`` is the user's home database.
        retry_seconds: How long a writing transaction is retried when the server is lost or asks for it; reading
            transactions are given up sooner.

    Raises:
        ConfigError: The URI has an unknown scheme or contains a password.
        GraphUnavailableError: No server, wrong password, unknown database, too old a server; within 10 seconds.
    """

    def __init__(
        self,
        uri: str,
        username: str | None = None,
        password: str | None = None,
        database: str | None = None,
        *,
        retry_seconds: float = 30.0,
    ) -> None:
        self.uri = checked_uri(uri)
        self._retry_seconds = retry_seconds
        self._user = username or ("neo4j" if password is not None else None)
        auth = None if self._user is None else (self._user, password or "")
        with self._opening(database):
            self._driver = neo4j.GraphDatabase.driver(
                self.uri,
                auth=auth,
                connection_timeout=_CONNECT_SECONDS,
                connection_acquisition_timeout=_ACQUIRE_SECONDS,
                notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
            )
        try:
            with self._opening(database):
                self.dialect, self.database = self._greet(database)
        except BaseException:
            self._driver.close()
            raise

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        """Run one reading statement in a transaction of its own, opened for reading."""
        if self.dialect == "embedded" and (clause := writing_clause(query, procedures=False)) is not None:
            raise StatementError(f"{self.uri}: {clause} may write, and this statement is to read")
        if (clause := reaching_clause(query)) is not None:
            raise StatementError(f"{self.uri}: {clause} may read files or the network, and this statement is to read")
        retry = min(_READ_RETRY_SECONDS, self._retry_seconds)
        with self._running(), self._session(retry) as session:
            return session.execute_read(lambda tx: _Transaction(tx).read(query, parameters))

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        """Run one writing statement in a transaction of its own."""
        return self.transact(lambda transaction: transaction.write(query, parameters))

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        """Run ``work`` in one writing transaction."""
        with self._running(), self._session(self._retry_seconds) as session:
            return session.execute_write(lambda tx: work(_Transaction(tx)))

    def close(self) -> None:
        """Close all connections."""
        self._driver.close()

    def _session(self, retry_seconds: float) -> neo4j.Session:
        return self._driver.session(database=self.database, max_transaction_retry_time=retry_seconds)

    def _greet(self, database: str | None) -> tuple[Dialect, str | None]:
        self._driver.verify_connectivity()  # fails at once, while execute_query keeps trying
        summary = self._driver.execute_query(
            "RETURN 1 AS one", database_=database, routing_=neo4j.RoutingControl.READ
        ).summary
        agent = summary.server.agent
        dialect: Dialect = "embedded" if "ArcadeDB" in agent else "neo4j"
        version = re.search(r"/(\d+)\.(\d+)", agent)
        if version and (int(version[1]), int(version[2])) < _OLDEST:
            raise GraphUnavailableError(f"{self.uri} is {shorten(agent)}; kptool needs Neo4j 5.26 or newer")
        return dialect, summary.database or database

    @contextmanager
    def _opening(self, database: str | None) -> Iterator[None]:
        """Turn failures of the first contact into kptoolkit errors."""
        who = f"{self.uri} (user {shorten(self._user)})" if self._user else f"{self.uri} (no user given)"
        try:
            yield
        except exceptions.AuthError as error:
            raise GraphUnavailableError(
                f"{who} refused the user or the password; set NEO4J_USERNAME and NEO4J_PASSWORD"
            ) from error
        except (exceptions.ServiceUnavailable, exceptions.SessionExpired, OSError) as error:
            raise GraphUnavailableError(f"no graph database answers at {who}; {_START}") from error
        except exceptions.ClientError as error:
            if "Database" in (error.code or ""):
                name = shorten(database or "the home database")
                raise GraphUnavailableError(
                    f"{who} has no database '{name}'; create it or set graph.database (NEO4J_DATABASE)"
                ) from error
            raise GraphUnavailableError(f"{who}: {_message(error)}") from error
        except (exceptions.ConfigurationError, ValueError) as error:
            raise GraphUnavailableError(f"{who} cannot be used: {shorten(str(error), 300)}") from error
        except (exceptions.Neo4jError, exceptions.DriverError) as error:
            raise GraphUnavailableError(f"{who}: {_message(error)}; {_START}") from error

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Turn failures of a statement into kptoolkit errors."""
        try:
            yield
        except (exceptions.ServiceUnavailable, exceptions.SessionExpired) as error:
            raise GraphUnavailableError(
                f"{self.uri} went away: {_message(error)}; run the same command again when it answers: what was "
                "written is kept"
            ) from error
        except (exceptions.ClientError, exceptions.DatabaseError) as error:
            if isinstance(error, exceptions.Forbidden) or error.code == _READ_ONLY:
                why = _message(error).rstrip(".")
                raise GraphError(
                    f"{self.uri} does not allow this: {why}; load-kg and recommend --write-back need the right to write"
                ) from error
            raise StatementError(f"{self.uri}: {_message(error)}") from error
        except (exceptions.Neo4jError, exceptions.DriverError) as error:
            raise GraphError(f"{self.uri}: {_message(error)}") from error


class _Transaction:
    def __init__(self, transaction: neo4j.ManagedTransaction) -> None:
        self._transaction = transaction

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        result = self._transaction.run(query, dict(parameters))
        return Records(tuple(result.keys()), result.values())

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        counters = self._transaction.run(query, dict(parameters)).consume().counters
        return WriteCounters(
            nodes_created=counters.nodes_created,
            nodes_deleted=counters.nodes_deleted,
            relationships_created=counters.relationships_created,
            relationships_deleted=counters.relationships_deleted,
            properties_set=counters.properties_set,
            labels_added=counters.labels_added,
        )


def _message(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error)
    return shorten(str(text), 500)
