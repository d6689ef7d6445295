"""Names for the entities of a source that gives no names, where its ids are readable."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from urllib.parse import unquote

from kptoolkit.names import local_name
from kptoolkit.storage.values.letters import has_letter_without_case

_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{3,}(?![^\W_])")
_DIGITS = re.compile(r"\d+")
_SHARE = 0.5


def names_of_ids(ids: Sequence[str], items: Collection[str] = ()) -> list[str]:
    """Return a name for each id; ``[]`` if most ids are not readable.

    Ids of items, such as numbers, do not count, and have a name only if they are readable; unless there are no others.

    A readable id has a word of three letters or more, or a letter of a script without case such as Arabic or Han, and
    more letters than digits. Ids that differ only in their numbers, such as ``film_12`` and ``film_13``, are not
    readable. A blank node gets the name ``""``.

    Args:
        ids: The ids.
        items: Those of them that are items.
    """
    others = [one for one in ids if one not in items] if items else []
    if others and (named := dict(zip(others, names_of_ids(others), strict=False))):
        return [named[one] if one in named else readable_name(one) for one in ids]
    names = ["" if found.startswith("_:") else name_of_id(found) for found in ids]
    readable = list(filter(_is_readable, names))
    without_numbers = {_DIGITS.sub("", name) for name in readable}
    if len(readable) < _SHARE * len(ids) or len(without_numbers) < _SHARE * len(readable) or not readable:
        return []
    return names


def names_by_ids(ids: Sequence[str], names: Sequence[str], items: Collection[str]) -> list[str]:
    """Return the names that readable ids give to entities without one, ``""`` for the others.

    A source that names some entity other than its items names what it can, and its ids are left alone.

    Args:
        ids: Ids of all entities.
        names: Their names in the source, ``""`` without one.
        items: Those of the ids that are items.
    """
    if any(name and one not in items for one, name in zip(ids, names, strict=True)):
        return [""] * len(ids)
    found = names_of_ids(ids, items) or [""] * len(ids)
    return ["" if name else new for name, new in zip(names, found, strict=True)]


def readable_name(found: str) -> str:
    """Return the name that an id gives if it is readable, else ``""``."""
    name = "" if found.startswith("_:") else name_of_id(found)
    return name if _is_readable(name) else ""


def _is_readable(name: str) -> bool:
    letters, digits = sum(map(str.isalpha, name)), sum(map(len, _DIGITS.findall(name)))
    return letters > digits and bool(_WORD.search(name) or has_letter_without_case(name))


def name_of_id(found: str) -> str:
    """Return the name that an id gives: its local name, with spaces."""
    name = unquote(local_name(found)).strip("<>")
    return " ".join((name if " " in name else name.replace("_", " ")).split())
