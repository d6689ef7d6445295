"""Failures to write, in whatever words a format has for them, as one kind of error that names a path."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from kptoolkit.errors import shorten
from kptoolkit.storage.arrays import naming

_TORCH = ("inline_container", "PytorchStreamWriter")
"""Words in what torch raises where a file cannot be written; it does not say why."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Let what cannot be written below ``folder``, say because the disk is full, name a path.

    Raises:
        OSError: Instead of what the writer of a format raises.
    """
    try:
        with naming(folder):
            yield
    except SafetensorError as error:
        raise OSError(errno.EIO, shorten(str(error), 200), str(folder)) from error
    except RuntimeError as error:
        if any(word in str(error) for word in _TORCH):
            raise OSError(errno.EIO, "a file cannot be written; is the disk full?", str(folder)) from error
        raise
