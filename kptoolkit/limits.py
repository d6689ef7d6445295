"""Limits on what a small input may cost: expansion, rendering, lines, literals, decompression.

They are settings, see ``[limits]``. The command line sets them; in Python ``use(config.limits)`` does.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from kptoolkit.settings_base import Section


class LimitsConfig(Section):
    """What one input may cost; a limit that is reached is an error that names the setting."""

    yaml_values: int = Field(default=200_000, ge=1)
    """Values of a YAML file of a template pack, each counted as often as anchors and merges repeat it."""
    template_characters: int = Field(default=10_000, ge=1)
    """Length of a sentence template."""
    render_characters: int = Field(default=200_000, ge=1)
    """Characters that rendering a sentence once may produce, those of intermediate values included."""
    render_seconds: float = Field(default=1.0, gt=0)
    """CPU seconds that rendering a sentence once may take."""
    text_bytes: int = Field(default=2**22, ge=1)
    """Size of a text file that is read as a whole: settings, a file of a template pack, Cypher, a mapping of JSON."""
    line_bytes: int = Field(default=2**24, ge=1)
    """Length of a line of a text file, of a cell of CSV, and of an object of JSON."""
    columns: int = Field(default=20_000, ge=1)
    """Columns of a table."""
    literal_characters: int = Field(default=1_000_000, ge=1)
    """Length of a literal of RDF."""
    expansion: int = Field(default=300, ge=1)
    """How many times as large as the file the content of a packed file, an archive or Parquet may be, beyond 100 MB."""


_current = LimitsConfig()


def current() -> LimitsConfig:
    """Return the limits in use."""
    return _current


def use(limits: LimitsConfig) -> None:
    """Use other limits from now on, in this process."""
    global _current
    _current = limits


def read_text(path: Path, *, pipes: bool = False, limited: bool = True) -> str:
    """Read a text file in UTF-8 as a whole.

    Args:
        path: The file.
        pipes: Whether it may be a pipe or a device, as a path that the user types may; one in a folder may not.
        limited: Whether its size is limited.

    Raises:
        OSError: It cannot be read, or is no regular file.
        ValueError: It is larger than the limit, or is not UTF-8.
    """
    if not pipes and not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", os.fspath(path))
    most = current().text_bytes
    with path.open("rb") as file:
        content = file.read(most + 1 if limited else -1)
    if limited and len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes; raise limits.text_bytes")
    return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


class LimitError(Exception):
    """A limit was reached; the message names its setting."""


@dataclass
class Budget:
    """What one rendering may still cost.

    Attributes:
        characters: Characters that may still be produced.
        deadline: CPU time of this thread, as of :func:`time.thread_time`, at which it must be over. A process
            that waits for a busy processor, or is stopped for a while, spends none.
    """

    characters: int = field(default_factory=lambda: current().render_characters)
    deadline: float = field(default_factory=lambda: time.thread_time() + current().render_seconds)

    def spend(self, characters: int) -> None:
        """Count characters before they are produced.

        Raises:
            LimitError: There are too many, or time is up.
        """
        self.characters -= characters
        if self.characters < 0:
            limit = f"{current().render_characters:,}"
            raise LimitError(f"it produces more than {limit} characters (limits.render_characters)")
        if time.thread_time() > self.deadline:
            raise LimitError(f"it takes more than {current().render_seconds:g} CPU s (limits.render_seconds)")

    def size(self, value: Any) -> int:
        """Return the number of characters of a value, with those of its parts; at least one for each part."""
        if isinstance(value, str | bytes):
            return len(value)
        if isinstance(value, dict):
            return self.size(value.keys()) + self.size(value.values())
        if isinstance(value, list | tuple | set | frozenset) or type(value).__name__ in ("dict_keys", "dict_values"):
            return sum(map(self.size, value)) + len(value)
        return 1

    def listed(self, values: Iterable[Any]) -> list[Any]:
        """Return the values of an iterable as a list, and stop where there are too many.

        Raises:
            LimitError: There are too many, or time is up.
        """
        found = []
        for value in values:
            self.spend(self.size(value) + 1)
            found.append(value)
        return found
