"""Words of a text in any script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

_ASCII_WORD: Final = re.compile(r"\w+")
_ASCII_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=1)
def _patterns() -> tuple[Any, Any, Any, Any]:
    """A word, the end of a camelCase word, a run of a script without spaces, and a letter with its marks.

    The module re of Python takes the vowel signs of Indic scripts and the points of Hebrew for ends of words.
    """
    import regex

    return (
        regex.compile(r"\w+"),
        regex.compile(r"(?<=[\p{Ll}\p{Nd}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})"),
        regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー]+|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+"),
        regex.compile(r"\X"),
    )


def words_in(text: str) -> list[str]:
    """Return the runs of letters, their marks, digits and underscores in a text.

    Example:
        >>> words_in("O'Neil, हिन्दी में"), words_in("e\\u0301t\\u00e9")
        (['O', 'Neil', 'हिन्दी', 'में'], ['e\u0301té'])
    """
    found: list[str] = (_ASCII_WORD if text.isascii() else _patterns()[0]).findall(text)
    return found


def camel_words(text: str) -> list[str]:
    """Split a camelCase word.

    Example:
        >>> camel_words("hasHTTPServer"), camel_words("имеетЯзык")
        (['has', 'HTTP', 'Server'], ['имеет', 'Язык'])
    """
    found: list[str] = (_ASCII_CAMEL if text.isascii() else _patterns()[1]).split(text)
    return [word for word in found if word]


def compared_words(text: str) -> list[str]:
    """Return the words by which two texts are compared, without regard to case, width and Unicode normal form.

    Chinese, Japanese, Thai, Lao, Khmer and Burmese have no spaces between words. Each two neighbouring characters of
    them count as a word, and so does a character alone.

    Example:
        >>> compared_words("STRASSE Straße"), compared_words("賢者の石 ２"), compared_words("石")
        (['strasse', 'strasse'], ['賢者', '者の', 'の石', '2'], ['石'])
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.casefold())
    # Case-folding may undo a normal form, and a normal form may have upper case.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    word, _, without_spaces, letter = _patterns()
    words: list[str] = []
    for run in word.findall(folded):
        done = 0
        for match in without_spaces.finditer(run):
            words += [run[done : match.start()], *_pairs(letter.findall(match[0]))]
            done = match.end()
        words.append(run[done:])
    return [one for one in words if one]


def _pairs(letters: list[str]) -> list[str]:
    return [first + second for first, second in pairwise(letters)] or letters


def is_letters(text: str) -> bool:
    """Whether a text has letters, and nothing but letters and their marks."""
    return any(map(str.isalpha, text)) and all(one.isalpha() or unicodedata.category(one)[0] == "M" for one in text)


def has_letter_without_case(text: str) -> bool:
    """Whether a text has a letter of a script without upper and lower case, such as Arabic or Han.

    Codes are made of other letters and digits, so such a text is readable, however short it is.
    """
    return not text.isascii() and any(unicodedata.category(one) == "Lo" for one in text)
