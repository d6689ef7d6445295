"""Opens files, gzip or not, with limits on their lines and on their expansion; failures to read name the file."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kptoolkit.errors import DataError
from kptoolkit.limits import current

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
"""Errors of damaged gzip data."""
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
FREE = 100_000_000
"""Bytes that a file may be decompressed to, whatever its own size."""


@contextmanager
def file_failures(path: Path, line: Callable[[], int | None]) -> Iterator[None]:
    """Turn failures to read a file into :class:`DataError`.

    Args:
        path: The file.
        line: Returns the current line.

    Raises:
        DataError: The file cannot be read, is damaged, or is not CSV; with file and line.
    """
    try:
        yield
    except DAMAGED as error:
        text = "the gzip data ends early or is damaged; fetch or pack the file again"
        raise DataError(text, path, line()) from error
    except csv.Error as error:
        longest = "field limit" in str(error) or "field larger" in str(error)
        reason = too_long("cell", current().line_bytes) if longest else f"is not CSV: {error}"
        raise DataError(reason, path, line()) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path) from error


def too_long(what: str, longest: int) -> str:
    """Describe a line or a cell that is longer than the limit."""
    return f"a {what} of more than {longest:,} bytes; divide it, or raise limits.line_bytes"


class LimitedFile(io.BufferedIOBase):
    """Bytes of a file, decompressed if it is gzip, whose lines and whose expansion have limits.

    Args:
        path: The file.
        packed: Whether it is gzip.
    """

    def __init__(self, path: Path, packed: bool) -> None:
        self.path = path
        self._file = path.open("rb")
        self._read: io.BufferedIOBase = gzip.GzipFile(fileobj=self._file) if packed else self._file
        self._packed, self._most = packed, 0
        if packed:
            self._most = FREE + path.stat().st_size * current().expansion

    def readable(self) -> bool:
        """Whether bytes can be read."""
        return True

    def seekable(self) -> bool:
        """Whether the position can be set."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position."""
        return self._read.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._read.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            DataError: The content is too large for the file.
        """
        return self._checked(self._read.read(-1 if size is None else size))

    def read1(self, size: int = -1) -> bytes:
        """Read what is there at once; errors as in :meth:`read`."""
        return self._checked(self._read.read1(io.DEFAULT_BUFFER_SIZE if size < 0 else size))

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line.

        Raises:
            DataError: It is too long, or the content is too large for the file.
        """
        longest = current().line_bytes
        line = self._checked(self._read.readline(longest + 1 if size is None or size < 0 else size))
        if len(line) > longest:
            raise DataError(too_long("line", longest), self.path)
        return line

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines of the rest; errors as in :meth:`readline`, with the line."""
        longest, rest, number = current().line_bytes, b"", 0
        while block := self.read(_BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                number += 1
                if len(line) > longest:
                    raise DataError(too_long("line", longest), self.path, number)
                yield line + b"\n"
            if len(rest) > longest:
                raise DataError(too_long("line", longest), self.path, number + 1)
        if rest:
            yield rest

    def close(self) -> None:
        """Close the file."""
        self._read.close()
        self._file.close()
        super().close()

    def _checked(self, data: bytes) -> bytes:
        if self._packed and self._read.tell() > self._most:
            times = current().expansion
            raise DataError(f"decompresses to more than {times:,} times its size; raise limits.expansion", self.path)
        return data


def open_bytes(path: Path) -> LimitedFile:
    """Open a file, decompressed if its content is gzip; a file named ``.gz`` may be text as well.

    Raises:
        DataError: There is no such file, it is a folder, or it is named ``.gz`` and is neither gzip nor text.
    """
    if path.is_dir():
        raise DataError("is a folder; a file is needed", path)
    try:
        with path.open("rb") as probe:
            start = probe.read(1000)
    except FileNotFoundError as error:
        raise DataError("no such file", path) from error
    if start.startswith(_GZIP):
        return LimitedFile(path, packed=True)
    if path.suffix == ".gz" and not _begins_text(start):
        raise DataError("is not gzip, though its name ends in .gz; fetch or pack the file again", path)
    return LimitedFile(path, packed=False)


def _begins_text(start: bytes) -> bool:
    """Return whether a file that starts with these bytes may be UTF-8; the last character may be incomplete."""
    try:
        return "\x00" not in getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
