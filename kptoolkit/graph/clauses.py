"""Finds out whether a Cypher statement writes, so that what is meant to read never does.

Neo4j refuses a write in a transaction opened for reading; ArcadeDB carries it out. The scan is conservative: what
might write counts as writing. It looks at words outside texts, quoted names and comments.
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
    """The first word by which a statement might write; ``None`` when it can only read.

    A label, type, property or map key may be called like a clause (``n.set``, ``:Delete``, ``{create: 1}``); a
    variable may not.

    Args:
        text: The statement.
        procedures: Whether procedures may be called. Neo4j refuses a writing one in a transaction for reading; where
            nothing does, only those of ``db.`` that list the schema are let through.
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
