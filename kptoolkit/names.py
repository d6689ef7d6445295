"""Names as they are looked up, and the nearest ones to one that does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process

#: Neo4j refuses to index longer texts (8,167 bytes in version 5); no character takes more than 4.
INDEXED_BYTES = 8000
INDEXED_LETTERS = 1000


def lowered(name: str) -> str:
    """A name as it is indexed: without case, and no longer than an index takes."""
    return name.casefold()[:INDEXED_LETTERS]


def too_long_for_an_index(text: str) -> int:
    """Bytes of a text that no index takes; 0 for any other."""
    if len(text) <= INDEXED_BYTES // 4:
        return 0
    size = len(text.encode())
    return size if size > INDEXED_BYTES else 0


def nearest_names(name: str, known: Sequence[str], count: int = 3) -> list[str]:
    """The ``count`` distinct names most like ``name``, best first, compared without case."""
    folded = {lowered(text): text for text in known if text}
    found = process.extract(lowered(name), list(folded), scorer=fuzz.WRatio, limit=count)
    return [folded[text] for text, _, _ in found]
