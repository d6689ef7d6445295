"""The largest amount of memory that this process has used, where Linux says it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PROCESS: Final = Path("/proc/self")
_RESET: Final = "5"
"""Written to ``clear_refs``: the peak is the present amount again."""


def reset_peak_memory() -> None:
    """Forget the peak so far; nothing happens where the system cannot do that."""
    try:
        (_PROCESS / "clear_refs").write_text(_RESET)
    except OSError:
        return


def peak_memory() -> float | None:
    """Return the peak of the resident memory in MiB since the last reset; ``None`` where the system does not say."""
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    peaks = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peaks[0]) / 1024 if peaks else None
