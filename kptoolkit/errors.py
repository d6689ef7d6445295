"""All errors that kptoolkit raises on purpose.

Each message is one line: what is wrong, where, and what to do. ``exit_code`` is the exit code of the command line: 2
for wrong input, 1 for a failure at run time.

::

    KptoolError                   1
    ├── InputError                2   something the user gave
    │   ├── ConfigError               kptool.toml, --set, environment, backend options
    │   ├── DataError                 a triples, interactions, item or link file: path and line
    │   ├── TemplateError             a template pack: pack, file, key, column
    │   ├── QueryFileError            a .cypher file: file and column
    │   ├── UnknownNameError          an item, user, template or pack that does not exist, with the nearest
    │   ├── AmbiguousNameError        a name of several things, with their ids
    │   ├── PromptTooLongError        one item alone does not fit into the budget
    │   ├── GraphNotEmptyError        the database contains nodes that kptool did not load
    │   ├── LockedError               a folder that another command is writing into
    │   └── RunError                  not a run, a damaged run, or a run and data that do not belong together
    ├── GraphError                1   the graph database
    │   ├── GraphUnavailableError     no server, wrong password, unknown database
    │   ├── GraphLockedError          another process uses an embedded graph
    │   └── LoadError                 the graph does not contain what was sent
    ├── TrainingError             1   training cannot continue, e.g. the loss is not a number
    └── MissingExtraError         1   an optional package is not installed
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

_GRAPH = r"(?:neo4j|bolt)[+sc]*://?"  # pathlib turns two slashes into one
_KEY = r"(?:passwor[dt]|passwd|passphrase|pwd|secret|credentials?|api_?key|access_?key|token)"
_TYPED = r"(?:passwor[dt]|passwd|passphrase|pwd|api[_ -]?key)"
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s,;)}]+)"""
_HOST = r"(?:localhost\b|[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}|[\w-]{1,63}:\d|\[)"


def _user_hidden(match: re.Match[str]) -> str:
    """A part of a URI without what is before its last ``@``."""
    start, rest = match[1], match[2]
    ends = [rest.rfind(mark) + len(mark) for mark in ("@", "%40") if mark in rest]
    return f"{start}***@{rest[max(ends) :]}" if ends else match[0]


_SECRETS: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (rf"""({_GRAPH})([^\s'"<>]*)""", _user_hidden),
        (rf"""({_GRAPH}[^\s'"<>/@:\[]+:)(?!\d{{1,5}}(?![\w.%-]))([^'"<>@]*@?)""", _user_hidden),
        (rf"""({_GRAPH}[^\s'"<>/?@:\[]+:)(?!\d{{1,5}}(?![\w%])|PORT\b)[^\s'"<>/?]+""", r"\1***"),
        (rf"""({_GRAPH}[^\s'"<>#]{{0,200}}\#)[^\s'"<>]+""", r"\1***"),
        (r"""([a-z0-9+.-]{2}://?)([^\s/'"<>]+)""", _user_hidden),
        (rf"""((?<![\w.+-])[\w.+-]{{1,60}}:)(?!/)[^\s'"<>@]{{1,80}}@(?={_HOST})""", r"\1***@"),  # without its scheme
        (r"""((?<!\w)(?:bearer|authorization: *\w{1,20}) )[\w.~+/=-]{8,}""", r"\1***"),
        (rf"""((?<!\w)--?{_KEY} +)(?!-){_VALUE}""", r"\1***"),
        (r"""(_auth\s*=\s*["']?[\w.@-]{1,60}/)[^\s'",;]+""", r"\1***"),
        (r"""([?&;][\w.-]{0,60}?(?:pass|pw|secret|token|key|auth|cred)[\w.-]{0,60}=)[^\s&'"<>]+""", r"\1***"),
        (r"""([?&;][\w.-]{0,60}%[0-9a-f]{2}[\w.%-]{0,60}=)[^\s&'"<>]+""", r"\1***"),  # an encoded key
        (rf"""({_KEY}["']?\s*=\s*){_VALUE}""", r"\1***"),
        (rf"""({_KEY}["']\s*:\s*){_VALUE}""", r"\1***"),
        (rf"""((?<![\w./-]){_TYPED} ?: ?)(?![\s:/]){_VALUE}""", r"\1***"),  # as a form asks for it
        (r"(?<!\w)((?:hf_|gh[pousr]_|github_pat_|sk-|xox[abp]-|AKIA))[\w-]{16,}", r"\1***"),
    )
]
"""Where secrets are in messages: user and password of a URI, its query, settings whose names say so, known tokens.

Each pattern takes a time proportional to the length of the message, whatever the message is.
"""
_LINE = dict.fromkeys(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"), " ")
_COMMANDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


class KptoolError(Exception):
    """Root of all errors that kptoolkit raises on purpose.

    Args:
        message: What is wrong, where, and what to do; secrets in it are replaced, see :func:`redacted`.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))


class InputError(KptoolError):
    """Something the user gave is wrong."""

    exit_code: ClassVar[int] = 2


class ConfigError(InputError):
    """A setting is unknown or has a bad value."""


class DataError(InputError):
    """A data file is wrong.

    Args:
        message: What is wrong and what to do.
        path: The file.
        line: Line number in the file, from 1.
    """

    def __init__(self, message: str, path: str | Path | None = None, line: int | None = None) -> None:
        self.path, self.line = path, line
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(where + message)


class TemplateError(InputError):
    """A template pack is wrong.

    Args:
        message: What is wrong and what to do.
        pack: Name of the pack.
        file: File inside the pack.
        key: Relation id or template id.
        column: Column in the template's text, from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        pack: str = "",
        file: str | Path | None = None,
        key: str | None = None,
        column: int | None = None,
    ) -> None:
        self.pack, self.file, self.key, self.column = pack, file, key, column
        parts = [f"pack {pack}" if pack else "", str(file) if file else "", f"'{shorten(key)}'" if key else ""]
        parts.append(f"column {column}" if column else "")
        where = ", ".join(part for part in parts if part)
        super().__init__(f"{where}: {message}" if where else message)


class QueryFileError(InputError):
    """A Cypher file lacks its header, a parameter or a column."""


class UnknownNameError(InputError):
    """Nothing has this name.

    Args:
        kind: What was looked for, e.g. ``"item"``.
        name: What the user gave.
        nearest: The most similar names, best first.
        hint: A sentence that says what to do.
    """

    def __init__(self, kind: str, name: str, nearest: Sequence[str] = (), hint: str = "") -> None:
        self.kind, self.name, self.nearest = kind, name, tuple(nearest)
        message = f"no {kind} '{shorten(name)}'"
        if nearest:
            message += "; nearest: " + ", ".join(shorten(near) for near in nearest)
        super().__init__(message + (f". {hint}" if hint else ""))


class AmbiguousNameError(InputError):
    """Several things have this name.

    Args:
        kind: What was looked for, e.g. ``"item"``.
        name: What the user gave.
        candidates: The ids of these things.
    """

    def __init__(self, kind: str, name: str, candidates: Sequence[str]) -> None:
        self.kind, self.name, self.candidates = kind, name, tuple(candidates)
        listed = ", ".join(shorten(candidate) for candidate in self.candidates[:10])
        more = f" and {len(self.candidates) - 10} more" if len(self.candidates) > 10 else ""
        super().__init__(
            f"'{shorten(name)}' names {len(self.candidates)} {kind}s: {listed}{more}; give one of these ids"
        )


class PromptTooLongError(InputError):
    """One history item alone does not fit into the token budget."""


class GraphNotEmptyError(InputError):
    """The database contains nodes that kptool did not load."""


class LockedError(InputError):
    """Another command is writing into the folder."""


class RunError(InputError):
    """Not a run, a damaged run, or a run and data that do not belong together."""


class GraphError(KptoolError):
    """The graph database failed."""


class GraphUnavailableError(GraphError):
    """The graph cannot be reached: no server, wrong password or unknown database."""


class GraphLockedError(GraphError):
    """Another process uses this embedded graph."""


class LoadError(GraphError):
    """After loading, the graph does not contain what was sent."""


class TrainingError(KptoolError):
    """Training cannot continue."""


class MissingExtraError(KptoolError):
    """An optional package is not installed; the message says how to get it."""


def redacted(text: str) -> str:
    """Replace secrets in a message by ``***``: user and password of a URI, values of settings such as ``token=``."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def holds_secret(uri: str) -> bool:
    """Return whether the URI of a graph has a user, a password or a parameter that is named like a secret."""
    return "@" in uri or "%40" in uri or redacted(uri) != uri


def escaped(text: str, *, lines: bool = False) -> str:
    """Make a text from data harmless on a terminal.

    Line breaks and tabs become spaces. Other characters that a terminal may take for a command, or that change the
    direction of the text, become ``\\x1b`` or ``\\u202e``.

    Args:
        text: The text.
        lines: Whether line breaks stay.
    """
    if text.isascii() and text.isprintable():
        return text
    if lines:
        return "\n".join(escaped(line) for line in text.split("\n"))
    return _COMMANDS.sub(_named, text.translate(_LINE))


def _named(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def shorten(text: str, limit: int = 80) -> str:
    """Shorten a text for a message: one line of at most ``limit`` characters, see :func:`escaped`."""
    line = escaped(text[: 4 * limit + 1])
    return line if len(line) <= limit else line[: limit - 1] + "…"
