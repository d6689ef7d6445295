"""Names as library catalogues write them, in the order in which people say them; a filter for template packs."""

from __future__ import annotations

import re

_DATES = re.compile(r"^[(\[]?\s*(?:\d{3,4}|ca\.|active|b\.|d\.|fl\.|geb\.|gest\.|né|née)[^,]*$")
_WHOLE = re.compile(r"^(?P<last>[^,]+),\s*(?P<first>[^,]+)$")
_ROLE = re.compile(r"\s*(?:\[[^\]]*\]|\(\d{3,4}[^)]*\))\s*$")
_NO_FIRST_NAME = re.compile(r"\b(?:inc|ltd|llc|gmbh|jr|sr|ii+|iv)\b\.?", re.IGNORECASE)

_MOST_FIRST_NAMES = 3
"""Most first names of a heading without dates; a longer text after a comma is the rest of a title."""


def heading(name: str) -> str:
    """Turn the heading of a person into a name: ``"Bablet, Mathieu, 1987-"`` becomes ``"Mathieu Bablet"``.

    Dates of life, also in parentheses, and a role in square brackets are left out. It is for relations whose ends are
    persons: any name with one comma and at most three words after it is taken for one, so "Paris, Texas" is turned
    round too. Other names stay as they are.

    Args:
        name: Name in a graph of library data.
    """
    bare = _ROLE.sub("", name)
    parts = [part.strip() for part in bare.split(",")]
    dated = len(parts) > 2 and bool(_DATES.match(parts[-1]))
    found = _WHOLE.match(", ".join(parts[:-1] if dated else parts))
    if found is None or not all(found.groups()) or _NO_FIRST_NAME.search(found["first"]):
        return name
    if not dated and (any(c.isdigit() for c in bare) or len(found["first"].split()) > _MOST_FIRST_NAMES):
        return name
    return f"{found['first']} {found['last']}"
