"""The names nearest to one that does not exist."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process


def nearest_names(name: str, known: Sequence[str], count: int = 3) -> list[str]:
    """The ``count`` distinct names most like ``name``, best first, compared without case."""
    lowered = {text.casefold(): text for text in known if text}
    found = process.extract(name.casefold(), list(lowered), scorer=fuzz.WRatio, limit=count)
    return [lowered[text] for text, _, _ in found]
