"""Runs the parts of a job with Ray Data; only this module imports Ray.

If ``RAY_ADDRESS`` is unset, a local cluster is started and stopped again. It accepts only clients that know its random
token. Usage statistics are turned off.
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
from kptoolkit.knowledge.engines.jobs import Job, Part, PartResult

_TIMEOUT = 10.0
"""Seconds to wait for an answer of a cluster; Ray itself waits for more than a minute."""
_CLIENT_PORT = 10_001
_SETTINGS = b"\x04"
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00" + _SETTINGS + bytes(5)
"""First bytes of an HTTP/2 client (RFC 9113, 3.4); a Ray server answers with a SETTINGS frame."""


def check_ray() -> None:
    """Check that Ray Data is installed.

    Raises:
        MissingExtraError: It is not.
    """
    try:
        found = importlib.util.find_spec("ray")
    except ValueError:  # the module is blocked
        found = None
    if found is None:
        raise MissingExtraError(
            "prompts.engine = 'ray' needs Ray Data: pip install 'kptoolkit[ray]', or leave the engine at 'local'"
        )


def run_parts(
    job: Callable[..., Job], arguments: tuple[Any, ...], parts: Sequence[Part], workers: int
) -> list[PartResult]:
    """Run all parts and return their results in order.

    Args:
        job: Creates the job on a node; a class that every node can import.
        arguments: Arguments of ``job``; every node must be able to read the files that they name.
        parts: One call of the job for each.
        workers: Number of processes of a local cluster.

    Raises:
        MissingExtraError: Ray is not installed.
        KptoolError: The job or Ray failed, or no cluster answers at ``RAY_ADDRESS``.
    """
    check_ray()
    import ray.data

    rows = [{"number": number, "part": _encoded(part)} for number, part in enumerate(parts)]
    try:
        with _cluster(workers):
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = context.print_on_execution_start = False
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            dataset: Any = ray.data.from_items(rows, override_num_blocks=len(rows))
            fixed = {"job": job, "arguments": arguments}
            mapped = dataset.map_batches(_run_on_node, batch_size=1, batch_format="numpy", fn_kwargs=fixed)
            results = sorted(mapped.take_all(), key=lambda row: int(row["number"]))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1:]
        raise KptoolError(f"Ray could not do it: {shorten(' '.join(reason), 300)}") from error
    return [_decoded(row["result"], row["failed"]) for row in results]


@contextmanager
def _cluster(workers: int) -> Iterator[None]:
    """Connect to the cluster of the caller or of ``RAY_ADDRESS``, or start a local one and stop it at the end."""
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        check_address(address)
    place = Path(tempfile.mkdtemp(prefix="kp", dir=_short_temp_dir()))
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
    """Check that a Ray server answers at an address.

    Args:
        address: As in ``RAY_ADDRESS``: ``host:port`` or ``ray://host:port``; words such as ``auto`` are left to Ray.

    Raises:
        KptoolError: Nothing answers within ten seconds.
    """
    remedy = "start the cluster, correct RAY_ADDRESS, or unset it for one of this machine"
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port or (_CLIENT_PORT if parts.scheme else None)
    except ValueError as error:
        raise KptoolError(f"RAY_ADDRESS '{shorten(address)}' is no HOST:PORT; {remedy}") from error
    if host is None or port is None:
        return
    try:
        with socket.create_connection((host, port), _TIMEOUT) as reached:
            if "RAY_USE_TLS" not in os.environ:
                reached.sendall(_GREETING)
                if reached.recv(4)[3:] != _SETTINGS:
                    raise OSError("the server there is not Ray")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KptoolError(f"no Ray cluster answers at {host}:{port} (RAY_ADDRESS): {reason}; {remedy}") from error


def _start(options: dict[str, Any]) -> None:
    import ray

    try:
        ray.init(**options)
    except ConnectionError as error:
        raise KptoolError(f"Ray could not be reached: {shorten(str(error), 300)}") from error


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set environment variables that are unset, and remove them at the end, with those that Ray adds."""
    before = set(os.environ)
    os.environ.update({name: value for name, value in changes.items() if name not in before})
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


@lru_cache(maxsize=1)
def _token() -> str:
    """Random token of the local cluster; Ray reads it once per process."""
    return secrets.token_hex(32)


def _short_temp_dir() -> str:
    """Folder for temporary files with the shortest path: the path of a socket has 107 characters at most."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > len("/tmp") and os.access("/tmp", os.W_OK) else usual  # noqa: S108


def _run_on_node(batch: dict[str, Any], job: Callable[..., Job], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Run one part on a node; the batch contains one row."""
    buffer, failed = io.BytesIO(), ""
    try:
        arrays, texts = _job_of(job, arguments)(np.load(io.BytesIO(batch["part"][0]), allow_pickle=False))
        np.savez(buffer, *arrays, texts=np.frombuffer(json.dumps(texts).encode(), np.uint8))
    except KptoolError as error:  # Ray would hide its type
        failed = json.dumps([type(error).__name__, str(error)])
    return {"number": batch["number"], "result": np.array([buffer.getvalue()], dtype=object), "failed": [failed]}


@lru_cache(maxsize=1)
def _job_of(job: Callable[..., Job], arguments: tuple[Any, ...]) -> Job:
    return job(*arguments)


def _decoded(result: bytes, failed: str) -> PartResult:
    if failed:
        name, message = json.loads(failed)
        kind: type[KptoolError] = getattr(errors, name, KptoolError)
        raise kind.__new__(kind, message)
    with np.load(io.BytesIO(result), allow_pickle=False) as found:
        arrays = tuple(found[f"arr_{number}"] for number in range(len(found.files) - 1))
        return arrays, tuple(json.loads(found["texts"].tobytes()))


def _encoded(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
