"""Settings of the process that make training on a CPU faster."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # parameters of mallopt
_KEPT: Final = {_MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**26}


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Round denormal numbers to 0, because they are many times slower on CPU; at the end the state is what it was."""
    before = not torch.tensor(2.0**-1060, dtype=torch.float64).mul(1.0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, instead of giving it back to the system and taking it again.

    A training step takes and frees the same arrays again and again; the system clears every page that it hands out,
    which took a fifth of the time. Tensors of more than 32 MiB are still given back. The settings last for the process.

    Returns:
        Whether it was done; only the allocator of glibc has such settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return all(bool(library.mallopt(parameter, value)) for parameter, value in _KEPT.items())
