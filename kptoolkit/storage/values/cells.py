"""Cleans the cells of tables: what surrounds an id and cannot be part of it is removed, in every table."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set

#: Columns with ids, by their names in tables.
ID_COLUMNS = frozenset({"user_id", "item_id", "entity_id", "head", "relation", "tail"})
#: Texts that programs write where there is no value.
MISSING = frozenset({"", "NULL", "null", "Null", "nan", "NaN", "NAN", "None", "<NA>", "\\N"})
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001)))) + _ZERO_WIDTH
_BRACKETED = re.compile(rf"<[^<>\s\"{_ZERO_WIDTH}]+>")
_WHOLE = re.compile(r"-?\d+\.0")
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"(?:@[A-Za-z]+(?:-[A-Za-z0-9]+)*|\^\^\S+)')
_MARKS = ('"', "<", "\n\n", "\n ", " \n", "\t", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", ".0\n")
"""What shows, in texts with a line break before and after each, that one of them may have to be cleaned."""
_TEXT_OR_NUMBER = (str, int, float)


def clean(text: str) -> str:
    """Remove spaces, zero-width characters and one pair of quotation marks around a cell.

    Example:
        >>> clean('"u1" ')
        'u1'
    """
    found = text.strip(_SPACES)
    if len(found) > 1 and found[0] == found[-1] == '"' and '"' not in found[1:-1]:
        found = found[1:-1].strip(_SPACES)
    return found


def clean_id(text: str, *, number: bool = True) -> str:
    """Return an id as it is compared: as :func:`clean`, without ``<`` and ``>`` around it, in one Unicode form.

    Args:
        text: The cell.
        number: Whether ``123.0`` becomes ``123``.

    Example:
        >>> clean_id("<http://example.org/1>"), clean_id("123.0")
        ('http://example.org/1', '123')
    """
    if text.isalnum() and text.isascii():
        return text
    found = clean(text)
    if found[:1] == "<" and _BRACKETED.fullmatch(found) and MISSING.isdisjoint((found, found[1:-1])):
        found = found[1:-1]
    if number and found[-1:] == "0" and _WHOLE.fullmatch(found):
        found = found.partition(".")[0]
    return found if found.isascii() else unicodedata.normalize("NFC", found)


def clean_columns(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Clean the ids and times of a table; other columns, such as names, stay as they are."""
    return {name: _clean_column(name, values) for name, values in columns.items()}


def _clean_column(name: str, values: list[str]) -> list[str]:
    if name not in ID_COLUMNS and name not in ("time", "timestamp"):
        return values
    distinct = set(values)
    if are_plain(distinct):
        return values
    changed: dict[str, str] = {}
    for text in distinct:
        found = clean_id(text, number=name != "relation") if name in ID_COLUMNS else clean(text)
        if found != text:
            changed[text] = found
    return [changed.get(text, text) for text in values] if changed else values


def are_plain(texts: Set[str]) -> bool:
    """Return whether no text is missing, and none has anything that :func:`clean_id` might change; fast."""
    if texts & MISSING:
        return False
    joined = "\n".join(["", *texts, ""])
    return joined.isascii() and not any(mark in joined for mark in _MARKS)


def is_missing(text: str) -> bool:
    """Return whether a cell has no value: it is empty, or a text such as ``NULL`` or ``nan``."""
    return clean(text) in MISSING


def fault_of(column: str, text: str) -> str | None:
    """Return why a cell of a column with ids is bad, or ``None`` if it is not.

    Args:
        column: Name of the column.
        text: The cell.
    """
    if text not in MISSING and text[0].isalnum() and text[-1].isalnum():
        return None
    if is_missing(text):
        shown = clean(text)
        return f"the {column} is empty" + (f" ({shown} stands for no value)" if shown else "")
    if column == "tail" and text[:1] == '"' and _LITERAL.fullmatch(text):
        return "the tail is a literal of RDF, not an entity"
    return None


def values_in(text: str, mark: str = "") -> list[str]:
    """Return the values of a cell: those of a list, such as ``['a', 'b']``, or those between separators.

    Args:
        text: The cell.
        mark: Separator, ``""`` for none.
    """
    if text[:1] == "[" and text[-1:] == "]" and (found := _listed(text)) is not None:
        return found
    return [value.strip() for value in text.split(mark) if value.strip()] if mark else [text]


def _listed(text: str) -> list[str] | None:
    """The values of a list in the notation of Python or JSON; ``None`` if it is not one of texts and numbers."""
    if text[1:-1].strip()[:1] not in ("'", '"'):
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, _TEXT_OR_NUMBER) for one in found):
        return None
    return [clean(str(one)) for one in found if not is_missing(str(one))]


def several_values(ids: Iterable[str]) -> list[str]:
    """Return the ids that look like several values with ``|`` between them."""
    return [one for one in ids if "|" in one.strip("|") and "://" not in one]


def nearly_equal(ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the groups of ids that differ only in case, in Unicode form, in spaces, or as ``123`` and ``123.0``."""
    groups: Mapping[str, list[str]] = defaultdict(list)
    for one in dict.fromkeys(ids):
        groups[unicodedata.normalize("NFKC", clean_id(one)).casefold()].append(one)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def unclean(ids: Iterable[str]) -> list[str]:
    """Return the ids that :func:`clean_id` changes, or that stand for no value."""
    return [one for one in dict.fromkeys(ids) if one in MISSING or clean_id(one) != one]
