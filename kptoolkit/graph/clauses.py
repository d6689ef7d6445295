"""Detects whether a Cypher statement writes, so that statements that should only read never do.

Neo4j refuses a write in a transaction for reading; ArcadeDB executes it. The check is conservative: a statement that
might write counts as writing. Texts, quoted names and comments are ignored.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SKIPPED = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<name>`[^`]*`)|//[^\r\n]*|/\*.*?\*/", re.DOTALL
)
_ESCAPE = re.compile(r"\\u+([0-9A-Fa-f]{4})")
_WRITING = re.compile(
    r"(?<![\w$])(CREATE|MERGE|SET|DELETE|REMOVE|DROP|INSERT|FOREACH|ALTER|GRANT|DENY|REVOKE|RENAME|TERMINATE)"
    r"(?!\w)(?!\s*:)",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"[.:|&!]\s*$")
_NUMBER_BEFORE = re.compile(r"\b\d\w*\s*\.\s*$")
_PROCEDURE = re.compile(r"(?<![\w$.])CALL\s+(?![({])([^\s({]+(?:\s*\.\s*[^\s({]+)*)", re.IGNORECASE)
_READING_PROCEDURES = re.compile(r"db\.(labels|relationshipTypes|propertyKeys|schema\.\w+)$", re.IGNORECASE)


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
    # Neo4j replaces \u0043 by C before it reads the statement, ArcadeDB does not.
    for variant in dict.fromkeys((text, _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))):
        bare = _SKIPPED.sub(lambda match: "''" if match["text"] else "_" if match["name"] else " ", variant)
        for match in _WRITING.finditer(bare):
            before = bare[: match.start()]
            if not _NAME_BEFORE.search(before) or _NUMBER_BEFORE.search(before):
                return match[1].upper()
        for match in () if procedures else _PROCEDURE.finditer(bare):
            if not _READING_PROCEDURES.match(match[1]):
                return f"CALL {match[1]}"
    return None
