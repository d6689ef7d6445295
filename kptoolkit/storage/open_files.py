"""Opens files, packed or not, with limits on their lines and on their expansion; failures to read name the file."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kptoolkit.errors import DataError
from kptoolkit.limits import current

PACKED_SUFFIXES: Mapping[str, str] = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
"""Endings of files that may be packed, and how; the first bytes decide."""
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)
"""Errors of a packed file that ends early or is damaged."""
_Opener = Callable[[io.BufferedReader], io.BufferedIOBase]
_OPENERS: Mapping[re.Pattern[bytes], _Opener] = {
    re.compile(rb"\x1f\x8b"): lambda file: gzip.GzipFile(fileobj=file),
    re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"): bz2.BZ2File,
    re.compile(rb"\xfd7zXZ\x00"): lzma.LZMAFile,
}
"""What unpacks a file, by its first bytes, which no text has."""
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
        text = "the packed data ends early or is damaged; fetch or pack the file again"
        raise DataError(text, path, line()) from error
    except csv.Error as error:
        longest = "field limit" in str(error) or "field larger" in str(error)
        reason = too_long("cell", current().line_bytes) if longest else f"is not CSV: {error}"
        raise DataError(reason, path, line()) from error
    except UnicodeError as error:
        raise DataError(f"is not text in the given encoding: {error}", path, line()) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path) from error


def too_long(what: str, longest: int) -> str:
    """Describe a line, a cell or an object that is longer than the limit."""
    return f"a {what} of more than {longest:,} bytes; divide it, or raise limits.line_bytes"


def limited_lines(file: io.TextIOWrapper, path: Path, number: int = 1) -> Iterator[str]:
    """Yield the lines of a text, none of them longer than the limit.

    Args:
        file: The text.
        path: The file.
        number: Number of the first line.

    Raises:
        DataError: A line is too long; with its number.
    """
    longest = current().line_bytes
    while line := file.readline(longest + 1):
        if len(line) > longest:
            raise DataError(too_long("line", longest), path, number)
        yield line
        number += 1


def most_bytes(path: Path) -> int:
    """Return how many bytes the content of a packed file may have."""
    return FREE + path.stat().st_size * current().expansion


def too_large(what: str) -> str:
    """Describe content that is too large for its file; ``what`` is what the file does."""
    return f"{what} to more than {current().expansion:,} times its size; raise limits.expansion"


class LimitedFile(io.BufferedIOBase):
    """Bytes of a file, unpacked if it is packed, whose lines and whose expansion have limits.

    Args:
        path: The file.
        opener: What unpacks it; ``None`` if it is not packed.
    """

    def __init__(self, path: Path, opener: _Opener | None = None) -> None:
        self.path = path
        self._file = path.open("rb")
        self._read: io.BufferedIOBase = self._file if opener is None else opener(self._file)
        self._most = None if opener is None else most_bytes(path)

    def readable(self) -> bool:
        """Whether bytes can be read."""
        return True

    def seekable(self) -> bool:
        """Whether the position can be set."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position; errors as in :meth:`read`."""
        if self._most is not None and whence == io.SEEK_SET:
            self._check(offset)
        return self._read.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._read.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            DataError: The content is too large for the file.
        """
        wanted = -1 if size is None else size
        if self._most is not None:
            left = max(self._most + 1 - self._read.tell(), 1)
            wanted = left if wanted < 0 else min(wanted, left)
        return self._checked(self._read.read(wanted))

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
        if self._most is not None:
            self._check(self._read.tell())
        return data

    def _check(self, position: int) -> None:
        if self._most is not None and position > self._most:
            raise DataError(too_large("decompresses"), self.path)


def open_bytes(path: Path) -> LimitedFile:
    """Open a file, unpacked if its content is gzip, bzip2 or xz; a file named ``.gz`` may be text as well.

    Raises:
        DataError: There is no such file, it is a folder, or it is named ``.gz`` or the like and is neither packed nor
            text.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"is {'a folder' if path.is_dir() else 'a pipe or a device'}; a file is needed", path)
    try:
        with path.open("rb") as probe:
            start = probe.read(1000)
    except FileNotFoundError as error:
        raise DataError("no such file", path) from error
    opener = next((opener for mark, opener in _OPENERS.items() if mark.match(start)), None)
    suffix = path.suffix.lower()
    if opener is None and suffix in PACKED_SUFFIXES and not _begins_text(start):
        kind = PACKED_SUFFIXES[suffix]
        raise DataError(f"is not {kind}, though its name ends in {suffix}; fetch or pack the file again", path)
    return LimitedFile(path, opener)


def _begins_text(start: bytes) -> bool:
    """Return whether a file that starts with these bytes may be UTF-8; the last character may be incomplete."""
    try:
        return "\x00" not in getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
