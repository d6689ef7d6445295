"""Names as they are looked up, and the nearest ones to one that does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process

#: Neo4j refuses to index texts of more than about 8,000 bytes; no character takes more than 4.
INDEXED_LETTERS = 1000


def lowered(name: str) -> str:
    """A name as it is indexed: without case, and no longer than an index takes."""
    return name.casefold()[:INDEXED_LETTERS]


def nearest_names(name: str, known: Sequence[str], count: int = 3) -> list[str]:
    """The ``count`` distinct names most like ``name``, best first, compared without case."""
    folded = {lowered(text): text for text in known if text}
    found = process.extract(lowered(name), list(folded), scorer=fuzz.WRatio, limit=count)
    return [folded[text] for text, _, _ in found]
