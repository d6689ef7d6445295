"""Loads a source in a process of its own, so that its peak memory is that of a client.

    python -m benchmarks.load_client embedded:./kg triples.kg
    python -m benchmarks.load_client read triples.nt         # reads the file, and loads nothing

Prints JSON: seconds to read and to load, and peak memory in MiB of this process and of the embedded server. User,
password and database of a server come from ``NEO4J_*``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from kptoolkit.config import load_config
from kptoolkit.graph import Graph, open_source
from kptoolkit.graph.embedded import EmbeddedStore
from kptoolkit.graph.loading.survey import survey


def measured(uri: str, paths: list[str], batch_size: int | None = None) -> dict[str, Any]:
    """Load ``paths`` into an empty graph; with ``"read"`` for the URI, only read them."""
    begun, cpu = time.perf_counter(), time.process_time()
    source = open_source(paths)
    found = survey(source)
    read, read_cpu = time.perf_counter() - begun, time.process_time() - cpu
    if uri == "read":
        return {"triples": len(found), "read": read, "read_cpu": read_cpu, "client_mib": peak_of(os.getpid())}
    with Graph.open(uri, config=load_config(overrides={"graph.uri": uri}).graph) as graph:
        begun, cpu = time.perf_counter(), time.process_time()
        report = graph.load(source, surveyed=found, batch_size=batch_size)
        load, load_cpu = time.perf_counter() - begun, time.process_time() - cpu
        server = peak_of(graph.store.process_id) if isinstance(graph.store, EmbeddedStore) else None
    return {
        "triples": report.relationships,
        "entities": report.entities,
        "read": read,
        "read_cpu": read_cpu,
        "load": load,
        "load_cpu": load_cpu,
        "client_mib": peak_of(os.getpid()),
        "server_mib": server,
    }


def peak_of(process: int) -> float | None:
    """Return the peak memory of a process in MiB, or ``None`` if the system does not report it.

    ``getrusage`` is not usable: a child process starts with the peak of the process that forked it.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], sys.argv[2:])))
