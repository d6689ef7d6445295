"""The child process that serves an embedded graph: ``python -m kptoolkit.graph.embedded_server PATH``.

It reads one line of JSON from standard input (``password``, ``holder``, ``port``, ``heap``), answers with one line of
JSON (``port``, or ``error``: ``locked``, ``port`` if another process took a port, or ``failed``), and ends when
standard input is closed or it receives SIGTERM.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

DATABASE = "kg"
USERNAME = "root"
LOCK, HOLDER = "kptool.lock", "holder.json"
_BOLT = "Bolt:com.arcadedb.bolt.BoltProtocolPlugin"
_WAIT_FOR_LIVING, _WAIT_FOR_DEAD = 2.0, 20.0


class _Stop(Exception):
    """Raised on SIGTERM."""


def main(path: Path) -> None:
    """Serve the graph in ``path`` until standard input is closed."""
    reply = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    job = json.loads(sys.stdin.readline())
    code = 0
    try:
        with _locked(path, int(job["holder"])), _server(path, job) as port:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, _stop)
            _answer(reply, {"port": port})
            while sys.stdin.readline():
                pass
    except _Stop:
        pass
    except Timeout:
        _answer(reply, {"error": "locked", "holder": holder_of(path)})
        code = 1
    except Exception as error:
        kind = "port" if _port_is_taken(error) else "failed"
        _answer(reply, {"error": kind, "message": f"{type(error).__name__}: {error}"})
        code = 1
    sys.stderr.flush()
    os._exit(code)  # threads of the JVM would keep the process alive


def holder_of(path: Path) -> int | None:
    """Return the id of the process that opened the graph in ``path``, ``None`` when unknown."""
    try:
        return int(json.loads((path / HOLDER).read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stop


def _answer(reply: Any, message: dict[str, Any]) -> None:
    try:
        reply.write(json.dumps(message) + "\n")
        reply.flush()
    except BrokenPipeError:
        pass


@contextmanager
def _locked(path: Path, holder: int) -> Iterator[None]:
    before = holder_of(path)
    lock = FileLock(path / LOCK)
    with lock.acquire(timeout=_WAIT_FOR_LIVING if before is not None and _alive(before) else _WAIT_FOR_DEAD):
        (path / HOLDER).write_text(json.dumps({"pid": holder, "since": time.time()}), encoding="utf-8")
        try:
            yield
        finally:
            (path / HOLDER).unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _server(path: Path, job: dict[str, Any]) -> Iterator[int]:
    os.chdir(path)  # the server's own log goes to ./log
    import arcadedb_embedded

    # Otherwise the password of the first start stays valid.
    (path / "config" / "server-users.jsonl").unlink(missing_ok=True)
    port = int(job.get("port") or _free_port())
    settings = {"http_port": _free_port(), "bolt_port": port, "server_plugins": _BOLT}
    server = arcadedb_embedded.ArcadeDBServer(
        str(path), root_password=job["password"], config=settings, jvm_kwargs={"heap_size": job["heap"]}
    )
    server.start()
    try:
        server.create_database(DATABASE)
        yield port
    finally:
        server.stop()
        shutil.rmtree(path / "backups", ignore_errors=True)


def _port_is_taken(error: Exception) -> bool:
    """Whether a server could not start because a port is in use: a free one may be taken before the server has it."""
    return any(words in str(error) for words in ("Unable to listen", "Address already in use", "BindException"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
