"""Ids of one thing that are written in several forms: in another case, and those of Freebase and of Wikidata."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

_FREEBASE = re.compile(r"<?(?:(?:https?://)?(?:rdf|www)\.freebase\.com/(?:ns/)?|fb:|ns:)?/?([mg])[./]([0-9a-z_]+)>?")
_WIKIDATA = re.compile(
    r"<?(?:(?:https?://)?(?:www\.|m\.)?wikidata\.org/"
    r"(?:entity/|wiki/(?:property:|lexeme:|special:entitydata/)?|prop/(?:[a-z]+/)*)|(?:wd|wdt|p|ps|pq):)?"
    r"([qpl][1-9]\d*)>?"
)


def _of_freebase(one: str) -> str:
    found = _FREEBASE.fullmatch(one.lower())
    return one if found is None else f"{found[1]}.{found[2]}"


def _of_wikidata(one: str) -> str:
    found = _WIKIDATA.fullmatch(one.lower())
    return one if found is None else found[1]


#: What two forms of one id have in common, by the name of a rule.
FORMS: Mapping[str, Callable[[str], str]] = {
    "fold": str.casefold,
    "freebase": _of_freebase,
    "wikidata": _of_wikidata,
}


def in_form(rule: str, ids: Iterable[str], known: Iterable[str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Find the known ids that are another form of some ids.

    Args:
        rule: One of :data:`FORMS`.
        ids: The ids.
        known: Ids to compare them with; they are read once.

    Returns:
        Known id by id, without the ids for which there is none; an id that is known itself stays. And two known ids by
        id, where it may be either.
    """
    form = FORMS[rule]
    wanted = {one: form(one) for one in ids}
    forms = set(wanted.values())
    same, first, second = set[str](), dict[str, str](), dict[str, str]()
    for one in known:
        if one in wanted:
            same.add(one)
        key = form(one)
        if key in forms and first.setdefault(key, one) != one:
            second.setdefault(key, one)
    found = {one: one if one in same else first[key] for one, key in wanted.items() if one in same or key in first}
    either = {one: (first[key], second[key]) for one, key in wanted.items() if one not in same and key in second}
    return {one: known_id for one, known_id in found.items() if one not in either}, either
