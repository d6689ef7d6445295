"""Errors of the libraries that write files, as ``OSError`` with a path."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from kptoolkit.errors import shorten
from kptoolkit.storage.atomic import path_in_errors

_TORCH = ("inline_container", "PytorchStreamWriter")
"""Parts of the ``RuntimeError`` that torch raises when a file cannot be written."""


@contextmanager
def write_errors(folder: Path) -> Iterator[None]:
    """Turn every failure to write below ``folder``, such as a full disk, into an ``OSError`` that names a path.

    Raises:
        OSError: In place of the error of safetensors or torch; or as raised, with a path added if it had none.
    """
    try:
        with path_in_errors(folder):
            yield
    except SafetensorError as error:
        raise OSError(errno.EIO, shorten(str(error), 200), str(folder)) from error
    except RuntimeError as error:
        if any(word in str(error) for word in _TORCH):
            raise OSError(errno.EIO, "a file cannot be written; is the disk full?", str(folder)) from error
        raise
