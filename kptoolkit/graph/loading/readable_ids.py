"""Names for the entities of a source that gives no names, where its ids are readable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from kptoolkit.names import local_name
from kptoolkit.storage.values.letters import has_letter_without_case

_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{3,}(?![^\W_])")
_DIGITS = re.compile(r"\d+")
_SHARE = 0.5


def names_of_ids(ids: Sequence[str]) -> list[str]:
    """Return a name for each id; ``[]`` if most ids are not readable.

    A readable id has a word of three letters or more, or a letter of a script without case such as Arabic or Han, and
    more letters than digits. Ids that differ only in their
    numbers, such as ``film_12`` and ``film_13``, are not readable. A blank node gets the name ``""``.
    """
    names = ["" if found.startswith("_:") else name_of_id(found) for found in ids]
    readable = [name for name in names if _has_word(name) and _letters(name) > len("".join(_DIGITS.findall(name)))]
    without_numbers = {_DIGITS.sub("", name) for name in readable}
    if len(readable) < _SHARE * len(ids) or len(without_numbers) < _SHARE * len(readable) or not readable:
        return []
    return names


def _has_word(name: str) -> bool:
    return bool(_WORD.search(name)) or has_letter_without_case(name)


def _letters(name: str) -> int:
    return sum(letter.isalpha() for letter in name)


def name_of_id(found: str) -> str:
    """Return the name that an id gives: its local name, with spaces."""
    name = unquote(local_name(found)).strip("<>")
    return " ".join((name if " " in name else name.replace("_", " ")).split())
