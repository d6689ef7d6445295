"""Ray Data as what does the parts of some work; only this module imports it.

Without an address in ``RAY_ADDRESS`` a cluster of this machine's processes is started, which answers those who know a
token drawn for it, and ended again. Nothing is reported to anybody.
"""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from kptoolkit import errors
from kptoolkit.errors import KptoolError, MissingExtraError, shorten
from kptoolkit.knowledge.engines.jobs import Answer, Job

_PATIENCE = 10.0
"""Seconds in which the machine of a cluster must answer; Ray itself waits for more than a minute."""
_CLIENT_PORT = 10_001
_SETTINGS = b"\x04"
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00" + _SETTINGS + bytes(5)
"""What a client of HTTP/2, which Ray speaks, says first (RFC 9113, 3.4); the answer is a frame of settings too."""


def check_ray() -> None:
    """See to it that Ray Data can be used.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        found = importlib.util.find_spec("ray")
    except ValueError:  # it was taken away
        found = None
    if found is None:
        raise MissingExtraError(
            "prompts.engine = 'ray' needs Ray Data: pip install 'kptoolkit[ray]', or leave the engine at 'local'"
        )


def do(
    job: Callable[..., Job], given: tuple[Any, ...], parts: Sequence[NDArray[np.int64]], workers: int
) -> list[Answer]:
    """The answers for all parts, in their order.

    Args:
        job: Makes what answers; a class that can be imported on every node.
        given: Its arguments; files that they name are read by every node.
        parts: What to ask for.
        workers: Processes of a cluster that is started for this.

    Raises:
        MissingExtraError: Ray is not installed.
        KptoolError: What a job raised, or Ray itself; nothing answers at ``RAY_ADDRESS``.
    """
    check_ray()
    import ray.data

    rows = [{"number": number, "part": _bytes(part)} for number, part in enumerate(parts)]
    try:
        with _cluster(workers):
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = context.print_on_execution_start = False
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            asked: Any = ray.data.from_items(rows, override_num_blocks=len(rows))
            fixed = {"job": job, "given": given}
            told = asked.map_batches(_answered, batch_size=1, batch_format="numpy", fn_kwargs=fixed)
            found = sorted(told.take_all(), key=lambda row: int(row["number"]))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1:]
        raise KptoolError(f"Ray could not do it: {shorten(' '.join(reason), 300)}") from error
    return [_answer(row["answer"], row["failed"]) for row in found]


@contextmanager
def _cluster(workers: int) -> Iterator[None]:
    """A connection to the cluster that the caller or ``RAY_ADDRESS`` names, or to one that lives for this."""
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        check_address(address)
    place = Path(tempfile.mkdtemp(prefix="kp", dir=_short()))
    if not address:
        options |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
        options |= {"_temp_dir": str(place)}
    with _environment({"RAY_AUTH_TOKEN": _token(), "RAY_USAGE_STATS_ENABLED": "0"}):
        try:
            _start(options)
            yield
        finally:
            ray.shutdown()
            shutil.rmtree(place, ignore_errors=True)


def check_address(address: str) -> None:
    """See to it that something like Ray answers where a cluster is said to be.

    Args:
        address: As in ``RAY_ADDRESS``: ``host:port`` or ``ray://host:port``; words such as ``auto`` are left to Ray.

    Raises:
        KptoolError: Nothing does, within ten seconds.
    """
    mend = "start the cluster, correct RAY_ADDRESS, or unset it for one of this machine"
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port or (_CLIENT_PORT if parts.scheme else None)
    except ValueError as error:
        raise KptoolError(f"RAY_ADDRESS '{shorten(address)}' is no HOST:PORT; {mend}") from error
    if host is None or port is None:
        return
    try:
        with socket.create_connection((host, port), _PATIENCE) as reached:
            if "RAY_USE_TLS" not in os.environ:
                reached.sendall(_GREETING)
                if reached.recv(4)[3:] != _SETTINGS:
                    raise OSError("what is there is no Ray")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KptoolError(f"no Ray cluster answers at {host}:{port} (RAY_ADDRESS): {reason}; {mend}") from error


def _start(options: dict[str, Any]) -> None:
    import ray

    try:
        ray.init(**options)
    except ConnectionError as error:
        raise KptoolError(f"Ray could not be reached: {shorten(str(error), 300)}") from error


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Variables that are set for some time where they are not set already; Ray sets more of its own."""
    before = set(os.environ)
    os.environ.update({name: value for name, value in changes.items() if name not in before})
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


@lru_cache(maxsize=1)
def _token() -> str:
    """What the processes of a cluster tell each other; Ray reads it once a process."""
    return secrets.token_hex(32)


def _short() -> str:
    """The folder for temporary files with the shortest name: a socket's path has 107 characters at most."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > len("/tmp") and os.access("/tmp", os.W_OK) else usual  # noqa: S108


def _answered(batch: dict[str, Any], job: Callable[..., Job], given: tuple[Any, ...]) -> dict[str, Any]:
    """What a node does with a batch of one part."""
    told, failed = io.BytesIO(), ""
    try:
        arrays, texts = _made(job, given)(np.load(io.BytesIO(batch["part"][0]), allow_pickle=False))
        np.savez(told, *arrays, texts=np.frombuffer(json.dumps(texts).encode(), np.uint8))
    except KptoolError as error:  # Ray would bury it
        failed = json.dumps([type(error).__name__, str(error)])
    return {"number": batch["number"], "answer": np.array([told.getvalue()], dtype=object), "failed": [failed]}


@lru_cache(maxsize=1)
def _made(job: Callable[..., Job], given: tuple[Any, ...]) -> Job:
    return job(*given)


def _answer(told: bytes, failed: str) -> Answer:
    if failed:
        name, message = json.loads(failed)
        kind: type[KptoolError] = getattr(errors, name, KptoolError)
        raise kind.__new__(kind, message)
    with np.load(io.BytesIO(told), allow_pickle=False) as found:
        arrays = tuple(found[f"arr_{number}"] for number in range(len(found.files) - 1))
        return arrays, tuple(json.loads(found["texts"].tobytes()))


def _bytes(array: NDArray[Any]) -> bytes:
    told = io.BytesIO()
    np.save(told, array, allow_pickle=False)
    return told.getvalue()
