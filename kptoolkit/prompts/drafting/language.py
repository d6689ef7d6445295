"""Guesses the language of the names in a graph, for the pack that a draft starts from."""

from __future__ import annotations

import re
from collections.abc import Iterable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = "en"
_SMALL = {
    "en": _words("the of and a an in to for on with is my from"),
    "fr": _words("le la les l de des du d et un une à au aux en dans pour sur avec est mon"),
    "de": _words("der die das und ein eine einer von vom zum zur des dem den im mit für auf ist nicht"),
}
"""Small words of each language."""
_LETTERS = {"fr": frozenset("éèêàçùœîôëï"), "de": frozenset("äöüß")}
_FEWEST = 5
_LEAD = 1.5
_TOKEN = re.compile(r"[^\W\d_]+")


def language_of(names: Iterable[str]) -> str:
    """Return ``"en"``, ``"fr"`` or ``"de"``: the language most of whose small words and letters occur in names.

    English if there are too few of them to tell, or if another language does not clearly lead.

    Args:
        names: Names of items and entities.
    """
    found = dict.fromkeys(_SMALL, 0)
    for name in names:
        words, letters = set(_TOKEN.findall(name.lower())), set(name.lower())
        for language, small in _SMALL.items():
            found[language] += len(words & small) + bool(letters & _LETTERS.get(language, frozenset()))
    best, second = sorted(found, key=lambda language: found[language], reverse=True)[:2]
    return best if found[best] >= max(_FEWEST, _LEAD * found[second]) else ENGLISH
