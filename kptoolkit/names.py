"""Names as they are looked up, and the known names nearest to one that does not exist."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Annotated, Literal

from pydantic import AfterValidator

#: Neo4j refuses to index longer texts (8,167 bytes in version 5); a character has at most 4 bytes.
INDEXED_BYTES = 8000
INDEXED_LETTERS = 1000
#: Lowest similarity of a name that was probably meant.
LIKELY = 60.0
_PREFIXED = re.compile(r"[A-Za-z][A-Za-z0-9.-]*(?::|__)([^:/#\s]+)")
RANKINGS = ("balanced", "inverse-degree", "random")
"""The values of ``tree.ranking`` that need no code of another package."""
BACKENDS = "kptoolkit.backends"
"""Entry point group of backends."""
RANKED_BY = "kptoolkit.rankings"
"""Entry point group of ranking functions."""


def lowered(name: str) -> str:
    """Return a name as it is indexed: case-folded, and cut to a length that an index accepts."""
    return name.casefold()[:INDEXED_LETTERS]


def compared(name: str) -> str:
    """Return a name as two names are compared: case-folded, in one Unicode normal form, without spaces around it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


def local_name(identifier: str) -> str:
    """Return what an id is within its namespace; the id itself if it has no namespace.

    It is what follows the last ``/`` or ``#`` of an IRI, the prefix of a short IRI such as ``wdt:P57``, or the prefix
    that neosemantics puts before ``__``.
    """
    if "://" in identifier:
        return re.split(r"[/#]", identifier.rstrip("/#>"))[-1]
    match = _PREFIXED.fullmatch(identifier)
    return match[1] if match else identifier


def quantity(count: float, noun: str) -> str:
    """Return a number with its noun: ``"1 step"``, ``"2,000 steps"``, ``"1 entity"``.

    Args:
        count: The number.
        noun: The noun in the plural.
    """
    return f"{count:,} {noun if count != 1 else singular(noun)}"


def singular(noun: str) -> str:
    """Return the singular of a regular English plural."""
    return f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")


def too_long_for_an_index(text: str) -> int:
    """Return the number of bytes of a text too long for an index, 0 for any other text."""
    if len(text) <= INDEXED_BYTES // 4:
        return 0
    size = len(text.encode())
    return size if size > INDEXED_BYTES else 0


def nearest(name: str, known: Iterable[str], count: int = 3, *, min_score: float = 0.0) -> list[str]:
    """Return the ``count`` known names most similar to ``name``, best first, compared without case.

    Names that differ in case only count once. Fast on hundreds of thousands of names.

    Args:
        name: The name that was not found.
        known: The names that exist; empty ones are ignored.
        count: Maximum number of names to return.
        min_score: Least similarity, from 0 to 100 (rapidfuzz's ``WRatio``).
    """
    from rapidfuzz import fuzz, process

    folded: dict[str, str] = {}
    for text in known:
        if text:
            folded.setdefault(lowered(text), text)
    # WRatio finds parts too: "toy" in "toy story". A much shorter name is a part of nearly everything.
    long_enough = [text for text in folded if 2 * len(text) >= len(name)] or list(folded)
    found = process.extract(lowered(name), long_enough, scorer=fuzz.WRatio, limit=count, score_cutoff=min_score)
    return [folded[text] for text, _, _ in found]


def ranking_name(name: str) -> str:
    """Return the name of a ranking if it can be one: a shipped one, ``module:function``, or an entry point.

    Raises:
        ValueError: It cannot.
    """
    if name in RANKINGS or ":" in name or name in entry_points(group=RANKED_BY).names:
        return name
    *first, last = map(repr, RANKINGS)
    raise ValueError(f"input should be {', '.join(first)} or {last}, an installed ranking, or module:function")


RankingName = Annotated[str, AfterValidator(ranking_name)]
"""Type of ``tree.ranking``."""
SplitName = Literal["test", "valid"]
"""Cases that an evaluation ranks."""
