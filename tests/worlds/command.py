"""``kptool`` as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from worlds import forked
from worlds.ring import SMALL

Done = subprocess.CompletedProcess[str]


def line(*words: object) -> list[str]:
    """The words that start kptool in this interpreter."""
    return [sys.executable, "-m", "kptoolkit", *map(str, words)]


def python(
    *words: str, count: int = 1, timeout: float = 300, environment: Mapping[str, str] | None = None, **variables: str
) -> Done:
    """Run Python to its end, in ``count`` processes of torchrun when more than one; ``worlds`` can be imported.

    ``environment`` and ``variables`` are added to this process's environment.
    """
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", str(count)] if count > 1 else []
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    whole = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **(environment or {}), **variables}
    command = [sys.executable, *launcher, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, env=whole)


def kptool(
    *words: object, timeout: float = 120, environment: Mapping[str, str] | None = None, **variables: str
) -> Done:
    """Run kptool to its end, in a process that is forked with its libraries loaded.

    ``environment`` and ``variables`` are added to this process's environment.
    Variables that Python itself reads as it starts come too late: ``python("-m", "kptoolkit", ...)`` is for them.
    """
    return forked.kptoolkit([*map(str, words)], {**os.environ, **(environment or {}), **variables}, timeout)


def sets(**changes: Any) -> list[str]:
    """``--set`` options for a short training, with changes such as ``tree__hops=1``."""
    given = SMALL | {key.replace("__", "."): value for key, value in changes.items()}
    return [word for key, value in given.items() for word in ("--set", f"{key}={value}")]


def refused(done: Done, *says: str, code: int = 2) -> str:
    """Check that a command ended with one line of error that holds these words, and give that line."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    errors = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    for words in says:
        assert words in errors[0]
    return errors[0]


def interrupt(
    words: list[str],
    ready: Callable[[], bool],
    folder: Path,
    seconds: float = 120,
    by: signal.Signals = signal.SIGINT,
) -> tuple[int, str]:
    """Start kptool, press Ctrl-C once it is ready; its exit code and what it said on standard error."""
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(line(*words), stdout=subprocess.DEVNULL, stderr=said)
        try:
            limit = time.monotonic() + seconds
            while not ready():
                assert process.poll() is None, "ended before it could be interrupted: " + (folder / "said").read_text()
                assert time.monotonic() < limit, "never became ready"
                time.sleep(0.02)
            process.send_signal(by)
            code = process.wait(60)
        finally:
            process.kill()
            process.wait()
        return code, (folder / "said").read_text()
