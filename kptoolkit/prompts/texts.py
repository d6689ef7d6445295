"""Small texts: clean names, words of a relation id, which of several wordings."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Literal

MAX_WORDS_LENGTH = 60
_LONGEST_WORD = 40

# Noncharacters of Unicode: no text holds them, so they can mark where a value begins and ends.
_SENTINELS = dict.fromkeys(range(0xFDD0, 0xFDF0))
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_COMPONENT = re.compile(r"[./:#\\]+")
_PIECE = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def clean_name(name: str) -> str:
    """``name`` on one line: control characters, line breaks and runs of spaces become single spaces.

    Half surrogates count as control characters; Unicode noncharacters are dropped.
    """
    if name.isprintable() and "  " not in name and name == name.strip():
        return name
    return " ".join(_CONTROLS.sub(" ", name.translate(_SENTINELS)).split())


@lru_cache(maxsize=4096)
def relation_words(relation: str) -> str:
    """The words in a relation id, ``""`` when it has none.

    They are those of the last dotted or slashed component, split at ``_``, ``-``, spaces and camelCase, lower case:
    ``film.film.directedBy`` and ``http://example.org/directed_by`` are "directed by"; ``P57`` and a long run of
    letters have no words.
    """
    components = [part for part in _COMPONENT.split(clean_name(relation)) if _PIECE.sub("", part)]
    if not components:
        return ""
    pieces = [word for piece in _PIECE.split(components[-1]) for word in _CAMEL.split(piece) if word]
    if not any(_is_word(piece) for piece in pieces) or any(len(piece) > _LONGEST_WORD for piece in pieces):
        return ""
    words = " ".join(pieces).lower()
    return words if len(words) <= MAX_WORDS_LENGTH else words[:MAX_WORDS_LENGTH].rsplit(" ", 1)[0]


def _is_word(piece: str) -> bool:
    """Whether a person would read ``piece`` as a word: letters, then at most a number (isbn13 is one, P57 is none)."""
    letters = piece.rstrip("0123456789")
    has_case = letters.upper() != letters.lower()
    shortest = 1 if not has_case else 2 if letters == piece else 3
    return letters.isalpha() and len(letters) >= shortest


def choose_variant(policy: Literal["first", "hash", "epoch"], count: int, triple_key: str, epoch: int = 0) -> int:
    """Which of ``count`` wordings a triple gets, in ``[0, count)``; the same in every process.

    Args:
        policy: ``first``: always 0; ``hash``: one by triple; ``epoch``: by triple, and the next one each epoch.
        count: Number of wordings, at least 1.
        triple_key: Text that names the triple.
        epoch: Epoch of training, from 0.
    """
    if policy == "first" or count <= 1:
        return 0
    base = zlib.crc32(triple_key.encode("utf-8", "surrogatepass"))
    return (base + (epoch if policy == "epoch" else 0)) % count
