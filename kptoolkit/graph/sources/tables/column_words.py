"""Tells by headers which columns of a table of items become triples, and which tables name their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kptoolkit.storage.columns import locate
from kptoolkit.storage.dialects import unpacked_name

_WORDS = """
actor aisle album artist author brand cast cate category city collection colour color company composer country cuisine
department designer developer director district family franchise genre group ingredient keyword language location
manufacturer material neighborhood network platform producer province publisher region section seller series shop state
store studio style supplier tag theme topic type vendor writer
"""
#: Last words, in the singular, of headers whose values become triples.
RELATION_WORDS = frozenset(_WORDS.split())
_ID_WORDS = frozenset({"id", "ids", "no", "code"})
_NAME_WORDS = frozenset({"name", "names", "value", "title", "label"})
_INDEX = re.compile(r"(?:Unnamed: \d+)?")
"""The header that pandas writes, or makes, for the index of a table."""
_PLURAL = re.compile(r"(?<=[a-rt-z])s$")


def words_of(header: str) -> list[str]:
    """Return the words of a header in lower case.

    Example:
        >>> words_of("actorID"), words_of("product_type_name")
        (['actor', 'id'], ['product', 'type', 'name'])
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header.split(":")[0])
    return [_singular(word) for word in re.split(r"[\W\d_]+", apart.casefold()) if word]


def _singular(word: str) -> str:
    if word in _ID_WORDS | _NAME_WORDS | {"series"}:
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else _PLURAL.sub("", word) if word.endswith("s") else word


def relation_of(header: str) -> str:
    """Return the relation that a header names, without words such as id and name.

    Example:
        >>> relation_of("actorID"), relation_of("genres"), relation_of("colour_group_name")
        ('actor', 'genre', 'colour_group')
    """
    words = words_of(header)
    while len(words) > 1 and words[-1] in _ID_WORDS | _NAME_WORDS:
        words.pop()
    return "_".join(words)


def has_ids(header: str) -> bool:
    """Return whether a header says that its values are ids, as ``tagID`` does."""
    return words_of(header)[-1:] in [[word] for word in _ID_WORDS]


def has_names(header: str) -> bool:
    """Return whether a header says that its values are names, as ``directorLabel`` does."""
    return words_of(header)[-1:] in [[word] for word in _NAME_WORDS]


def title_next_to(item: str, headers: Sequence[str]) -> str:
    """Return the header of the titles of items by that of their ids, ``""`` if there is none.

    Example:
        >>> title_next_to("track_id", ["track_id", "track"]), title_next_to("film", ["film", "filmLabel"])
        ('track', 'filmLabel')
    """
    same = [one for one in headers if one != item and not has_ids(one) and relation_of(one) == relation_of(item)]
    return next(filter(has_names, same), same[0] if same and has_ids(item) else "")


def names_next_to(columns: Mapping[str, Sequence[str]], headers: Sequence[str]) -> list[tuple[str, str]]:
    """Return the headers of ids and of their names, for ids that have a column of names next to them.

    Args:
        columns: Accepted headers by column.
        headers: All headers.

    Example:
        >>> names_next_to({"head": ("subject",), "tail": ("object",)}, ["subject", "subjectLabel", "object"])
        [('subject', 'subjectLabel')]
    """
    ids = [headers[place] for place in locate(headers, columns).values()]
    found = ((one, title_next_to(one, [other for other in headers if has_names(other)])) for one in ids)
    return [(one, name) for one, name in found if name]


def labelled_item(headers: Sequence[str]) -> str:
    """Return the first header that another one has with ``Label`` after it, as results of SPARQL; ``""`` without one.

    Example:
        >>> labelled_item(["film", "filmLabel", "directorLabel"])
        'film'
    """
    known = set(headers)
    return next((one for one in headers if f"{one}Label" in known), "")


def known_relations(headers: Sequence[str]) -> dict[str, list[str]]:
    """Return the headers by relation whose last word is known."""
    found: dict[str, list[str]] = {}
    for header in headers:
        relation = relation_of(header)
        if relation.rpartition("_")[2] in RELATION_WORDS:
            found.setdefault(relation, []).append(header)
    return found


def names_of(relation: str, headers: Mapping[Path, Sequence[str]]) -> tuple[Path, str, str] | None:
    """Return the table that names the values of a relation, and its headers of the id and the name.

    Args:
        relation: The relation, e.g. ``tag``: ``tags.dat`` with ``tagID`` and ``tagValue`` names its values, or with
            ``id`` and ``value``.
        headers: Headers of the tables next to the one with the values.
    """
    for path, header in headers.items():
        names = [name for name in header if not _INDEX.fullmatch(name)]
        if len(names) < 2:
            continue
        own = relation_of(unpacked_name(path).rpartition(".")[0]) == relation and names[0].casefold() == "id"
        if own or (relation_of(names[0]) == relation_of(names[1]) == relation and has_ids(names[0])):
            return path, names[0], names[1]
    return None
