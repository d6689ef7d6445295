"""The embedded graph: ArcadeDB in a child process, reached by Bolt on the loopback interface."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kptoolkit.errors import GraphError, GraphLockedError, GraphUnavailableError, MissingExtraError, shorten
from kptoolkit.graph.bolt import BoltStore
from kptoolkit.graph.embedded_server import DATABASE, HOLDER, LOCK, USERNAME
from kptoolkit.graph.store import EMBEDDED, Dialect, GraphTransaction, Records, WriteCounters

T = TypeVar("T")
HEAP = "1g"
LOG = Path("log") / "kptool.log"
_START_SECONDS, _STOP_SECONDS = 120.0, 30.0
_RETRY_SECONDS = 1.0  # a child process that ended does not come back
_END_SECONDS = 5.0  # from the last word of a child process to its end
_LEAST_ROOM = 1 << 16  # bytes; the log cannot say that the disk is full if it is
_STARTS = 3  # with other ports each time
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class EmbeddedServer:
    """The child process that serves the graph of a folder.

    Args:
        path: Folder of the graph.
        create: Whether to create the graph if there is none.
        password: Password of the only user; ``None`` for a random one.
        port: Bolt port; ``None`` for a free one.

    Raises:
        GraphLockedError: Another process uses the folder; the message has its process id.
        GraphUnavailableError: There is no graph and ``create`` is false, the folder contains something else, or the
            child process did not start.
        MissingExtraError: ArcadeDB has no wheel for this platform.
    """

    def __init__(
        self, path: str | Path, *, create: bool = True, password: str | None = None, port: int | None = None
    ) -> None:
        self.path = Path(path).expanduser().resolve()
        _check_folder(self.path, create)
        self.password = password or secrets.token_urlsafe(24)
        self.username, self.database = USERNAME, DATABASE
        job = {"password": self.password, "holder": os.getpid(), "port": port, "heap": HEAP}
        for _ in range(_STARTS):
            self._child = self._start()
            answer = self._ask(job)
            if answer.get("error") != "port":
                break
        if "error" in answer:
            self._fail(answer)
        self.uri = f"bolt://127.0.0.1:{answer['port']}"

    @property
    def process_id(self) -> int:
        """Process id of the child process."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the child process is running."""
        return self._child.poll() is None

    def ends_within(self, seconds: float) -> bool:
        """Whether the child process has ended, or does so within ``seconds``."""
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def disk_is_full(self) -> bool:
        """Whether the child process has found no room for a file since it started; what it answers does not say so."""
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self.path).free < _LEAST_ROOM:
                return True
            with (self.path / LOG).open("rb") as file:
                file.seek(self._log_begins)
                return os.strerror(errno.ENOSPC).encode() in file.read()
        return False

    def close(self) -> None:
        """End the child process and wait for it."""
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def _start(self) -> subprocess.Popen[bytes]:
        log = self.path / LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        known = os.environ.get("PYTHONPATH")
        paths = os.pathsep.join([str(_PACKAGE_ROOT), *([known] if known else [])])
        secret = ("NEO4J_PASSWORD", "KPTOOL_GRAPH__PASSWORD")
        with log.open("ab") as file:
            self._log_begins = file.tell()
            return subprocess.Popen(  # noqa: S603 our own interpreter and module
                [sys.executable, "-P", "-m", "kptoolkit.graph.embedded_server", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if k not in secret} | {"PYTHONPATH": paths},
            )

    def _ask(self, job: Mapping[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        late = threading.Timer(_START_SECONDS, self._child.kill)
        late.start()
        try:
            self._child.stdin.write(json.dumps(job).encode() + b"\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = b""
        except BaseException:
            self.close()
            raise
        finally:
            late.cancel()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "failed", "message": "it ended at once"}
        if "error" in answer:
            self.close()
        return answer

    def _fail(self, answer: Mapping[str, Any]) -> None:
        if answer["error"] == "locked":
            holder = answer.get("holder")
            who = f"process {holder}" if holder else "another process"
            raise GraphLockedError(
                f"{who} holds the embedded graph {self.path}; wait for it or end it, or share the graph among several "
                f"with `kptool graph serve {self.path}`"
            )
        raise GraphUnavailableError(
            f"the embedded graph {self.path} did not start: {shorten(str(answer['message']), 300)}; "
            f"see {self.path / LOG}"
        )


class EmbeddedStore:
    """The graph of a folder, for this process only.

    Args:
        path: Folder of the graph.
        create: Whether to create the graph if there is none.

    Raises:
        KptoolError: As for :class:`EmbeddedServer`.
    """

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        self._server = EmbeddedServer(path, create=create)
        self.uri = f"{EMBEDDED}{self._server.path}"
        self.dialect: Dialect = "embedded"
        try:
            self._bolt = BoltStore(
                self._server.uri,
                self._server.username,
                self._server.password,
                self._server.database,
                retry_seconds=_RETRY_SECONDS,
            )
        except BaseException:
            self._server.close()
            raise

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        """Run one reading statement in a transaction of its own."""
        with self._watching():
            return self._bolt.read(query, parameters)

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        """Run one writing statement in a transaction of its own."""
        with self._watching():
            return self._bolt.write(query, parameters)

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        """Run ``work`` in one writing transaction."""
        with self._watching():
            return self._bolt.transact(work)

    def close(self) -> None:
        """Close the connections, then end the child process."""
        self._bolt.close()
        self._server.close()

    @property
    def process_id(self) -> int:
        """Process id of the child process."""
        return self._server.process_id

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except GraphError as error:
            if self._server.disk_is_full:
                reason = os.strerror(errno.ENOSPC)
                raise GraphError(
                    f"{self._server.path}: {reason}; free some space and run the same command again: a load resumes"
                ) from error
            # A connection breaks before its process is gone.
            if not isinstance(error, GraphUnavailableError) or not self._server.ends_within(_END_SECONDS):
                raise
            raise GraphUnavailableError(
                f"the process of {self.uri} ended by itself; see {self._server.path / LOG}, then run the same command "
                "again: what was written is kept"
            ) from error


def _check_folder(path: Path, create: bool) -> None:
    if importlib.util.find_spec("arcadedb_embedded") is None:
        raise MissingExtraError(
            "the embedded graph has no package for this platform; use a Neo4j server: start one with "
            "`docker compose up -d` and give --graph neo4j://localhost:7687"
        )
    exists = (path / "databases" / DATABASE).is_dir()
    if not create and not exists:
        raise GraphUnavailableError(
            f"there is no graph in {path}; load one first: kptool load-kg SOURCE --graph {EMBEDDED}{path}"
        )
    if path.exists() and not path.is_dir():
        raise GraphUnavailableError(f"{path} is a file; an embedded graph is a folder: --graph {EMBEDDED}./kg")
    ours = {LOCK, HOLDER, "password", "log", "config", "databases", "backups"}
    if path.is_dir() and not exists and any(entry.name not in ours for entry in path.iterdir()):
        raise GraphUnavailableError(f"{path} holds other files; name a new folder for the graph: {EMBEDDED}./kg")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GraphUnavailableError(f"cannot make {path}: {error.strerror}; name another folder") from error
