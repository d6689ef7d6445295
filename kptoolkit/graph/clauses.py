"""Detects whether a Cypher statement writes or reads elsewhere, for those that are to read the graph alone.

Neo4j refuses a write in a transaction for reading; ArcadeDB executes it. The check is conservative: a statement that
might write counts as writing. Texts, quoted names and comments are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

_SKIPPED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|//[^\r\n]*|/\*", re.DOTALL)
_ESCAPE = re.compile(r"\\u+([0-9A-Fa-f]{4})")
_WRITING = re.compile(
    r"(?<![\w$])(CREATE|MERGE|SET|DELETE|REMOVE|DROP|INSERT|FOREACH|ALTER|GRANT|DENY|REVOKE|RENAME|TERMINATE)"
    r"(?!\w)(?!\s*:)",
    re.IGNORECASE,
)
_PROCEDURE = re.compile(r"(?<![\w$.])CALL\s+(?![({])([^\s({]+(?:\s*\.\s*[^\s({]+)*)", re.IGNORECASE)
_READING_PROCEDURES = re.compile(r"db\.(labels|relationshipTypes|propertyKeys|schema\.\w+)$", re.IGNORECASE)
_SEARCHING_PROCEDURES = re.compile(
    r"(db\.(info|ping|index\.(fulltext|vector)\.query\w+)|apoc\.(path|neighbors|algo|search|meta)\.[\w.]+"
    r"|gds\.[\w.]+\.stream)$",
    re.IGNORECASE,
)
_LOAD = re.compile(r"(?<![\w$.])LOAD\s+CSV(?!\w)", re.IGNORECASE)
_REACHING_FUNCTION = re.compile(
    r"(?<![\w$.])((?:apoc\s*\.\s*(?:cypher|load|import|export|util|static|config)|genai|ai|dbms)"
    r"\s*\.\s*\w+(?:\s*\.\s*\w+)*)\s*\(",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def writing_clause(text: str, *, procedures: bool = True) -> str | None:
    """Return the first word by which a statement might write, or ``None`` if it can only read.

    A label, type, property or map key may have the name of a clause (``n.set``, ``:Delete``, ``{create: 1}``); a
    variable may not.

    Args:
        text: The statement.
        procedures: Whether any procedure may be called, as on Neo4j, which refuses a writing one in a transaction for
            reading. Otherwise only those procedures of ``db.`` that list the schema may be called.
    """
    for bare in _bare(text):
        for match in _WRITING.finditer(bare):
            if not _is_name(bare, match.start()):
                return match[1].upper()
        for match in () if procedures else _PROCEDURE.finditer(bare):
            if not _READING_PROCEDURES.match(match[1]):
                return f"CALL {match[1]}"
    return None


@lru_cache(maxsize=512)
def reaching_clause(text: str) -> str | None:
    """Return the words by which a statement might read files or the network, or ``None`` if it can only read the graph.

    ``LOAD CSV``; every procedure but those that list the schema, search an index, walk paths or stream the result of
    an algorithm; and functions that run other statements, read files or ask services.

    Args:
        text: The statement.
    """
    for bare in _bare(text, names=True):
        if _LOAD.search(bare):
            return "LOAD CSV"
        for match in _PROCEDURE.finditer(bare):
            name = "".join(match[1].split())
            if not _READING_PROCEDURES.match(name) and not _SEARCHING_PROCEDURES.match(name):
                return f"CALL {name}"
        if function := _REACHING_FUNCTION.search(bare):
            return f"{''.join(function[1].split())}()"
    return None


def _is_name(text: str, start: int) -> bool:
    """Whether the word at a place is a label, a type, a property or a map key; those after a number and a dot are not.

    The time it takes depends on what is directly before the word, not on the length of the text.
    """
    end = _before_space(text, start)
    if end == 0 or text[end - 1] not in ".:|&!":
        return False
    first = last = _before_space(text, end - 1)
    while first > 0 and (text[first - 1].isalnum() or text[first - 1] == "_"):
        first -= 1
    return text[end - 1] != "." or not text[first:last][:1].isdigit()


def _before_space(text: str, end: int) -> int:
    """Where the white space that ends at a place begins."""
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return end


def without_texts(text: str, kept: Callable[[str], str] = lambda _: " ") -> str:
    """Return a statement without texts, quoted names and comments; a comment without an end is none.

    Args:
        text: The statement.
        kept: Returns what takes the place of a text, a quoted name or a comment.
    """
    parts, place, closed = list[str](), 0, True
    while match := _SKIPPED.search(text, place):
        end = match.end()
        if match[0] == "/*":
            found = text.find("*/", end) if closed else -1
            closed = found >= 0
            end = found + 2 if closed else end
        whole = match[0] == "/*" and not closed
        parts += [text[place : match.start()], "/*" if whole else kept(text[match.start() : end])]
        place = end
    return "".join([*parts, text[place:]])


def _bare(text: str, *, names: bool = False) -> Iterator[str]:
    """Yield a statement without texts, comments and quoted names; with ``names``, quoted names without the quotes."""

    def kept(skipped: str) -> str:
        if skipped[0] in "'\"":
            return "''"
        if skipped[0] == "/":
            return " "
        name = skipped[1:-1]
        return name if names and name.isidentifier() else "_"

    # Neo4j replaces \u0043 by C before it reads the statement, ArcadeDB does not.
    for variant in dict.fromkeys((text, _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))):
        yield without_texts(variant, kept)
