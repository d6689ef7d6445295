"""Puts the name of an entity or item on one line."""

from __future__ import annotations

import re
from typing import Any

# Unicode noncharacters: they occur in no text, so they can mark where a value begins and ends.
_NONCHARACTERS = dict.fromkeys(range(0xFDD0, 0xFDF0))
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def clean_name(name: str) -> str:
    """Put a name on one line: control characters, line breaks and repeated spaces become single spaces.

    Unpaired surrogates count as control characters; Unicode noncharacters are removed.
    """
    if name.isprintable() and "  " not in name and name == name.strip():
        return name
    return " ".join(_CONTROLS.sub(" ", name.translate(_NONCHARACTERS)).split())


def name_from(value: Any) -> str:
    """Return the name that a value of a graph gives: on one line, ``""`` for none."""
    return "" if value is None else clean_name(str(value))
