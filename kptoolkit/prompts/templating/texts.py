"""Reads the words of a relation id, and chooses among several sentences."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Literal

from kptoolkit.storage.values.clean_name import clean_name as clean_name
from kptoolkit.storage.values.letters import camel_words, is_letters, words_in

MAX_WORDS_LENGTH = 60
_LONGEST_WORD = 40

_COMPONENT = re.compile(r"[./:#\\]+")


@lru_cache(maxsize=4096)
def snake_case(relation: str) -> str:
    """Return the words of a relation id in lower case with underscores: ``located_in`` for ``locatedIn``."""
    return "_".join(word.lower() for part in words_in(relation.replace("_", " ")) for word in camel_words(part))


@lru_cache(maxsize=4096)
def relation_words(relation: str) -> str:
    """Return the words in a relation id, ``""`` if it has none.

    They are the words of the last component after a dot or slash, split at ``_``, ``-``, spaces and camelCase, lower
    case: ``film.film.directedBy`` and ``http://example.org/directed_by`` give "directed by"; ``P57`` and a very long
    sequence of letters have no words.
    """
    components = [words_in(part.replace("_", " ")) for part in _COMPONENT.split(clean_name(relation))]
    last = next((words for words in reversed(components) if words), [])
    pieces = [word for piece in last for word in camel_words(piece)]
    if not any(_is_word(piece) for piece in pieces) or any(len(piece) > _LONGEST_WORD for piece in pieces):
        return ""
    words = " ".join(pieces).lower()
    return words if len(words) <= MAX_WORDS_LENGTH else words[:MAX_WORDS_LENGTH].rsplit(" ", 1)[0]


def _is_word(piece: str) -> bool:
    """Whether ``piece`` looks like a word: letters, then at most a number (isbn13 does, P57 does not)."""
    letters = piece.rstrip("0123456789")
    has_case = letters.upper() != letters.lower()
    shortest = 1 if not has_case else 2 if letters == piece else 3
    return is_letters(letters) and len(letters) >= shortest


def choose_variant(policy: Literal["first", "hash", "epoch"], count: int, triple_key: str, epoch: int = 0) -> int:
    """Choose one of ``count`` sentences for a triple; the same in every process.

    Args:
        policy: ``first``: always 0; ``hash``: by triple; ``epoch``: by triple, and the next one in each epoch.
        count: Number of sentences, at least 1.
        triple_key: Text that identifies the triple.
        epoch: Epoch of training, from 0.

    Returns:
        A number in ``[0, count)``.
    """
    if policy == "first" or count <= 1:
        return 0
    base = zlib.crc32(triple_key.encode("utf-8", "surrogatepass"))
    return (base + (epoch if policy == "epoch" else 0)) % count
