"""Runs a server until standard input is closed, so that it ends with the test session even if that is killed.

Usage: ``python watch.py LOG JSON`` where JSON is ``{"command": [...], "cleanup": [...] | null}``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

STOP_SECONDS = 30


def main() -> int:
    """Start the command, and stop it by its process id when standard input is closed."""
    log_file, job = sys.argv[1], json.loads(sys.argv[2])
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    with open(log_file, "ab") as log:
        server = subprocess.Popen(job["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        Path(log_file).with_suffix(".pid").write_text(str(server.pid))
        threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        code = server.wait()
        if job["cleanup"]:
            subprocess.run(job["cleanup"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    return code


def _stop_at_end_of_input(server: subprocess.Popen[bytes]) -> None:
    sys.stdin.buffer.read()
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    sys.exit(main())
