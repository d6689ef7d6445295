"""The accepted headers of the columns of triples, names, links, items and interactions, and how they are found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from kptoolkit.errors import DataError, shorten
from kptoolkit.limits import current
from kptoolkit.names import quantity

_ITEM_IDS = (
    "iid",
    "movie_id",
    "book_id",
    "track_id",
    "tracks_id",
    "artist_id",
    "product_id",
    "parent_asin",
    "asin",
    "business_id",
    "isbn",
    "venue_id",
    "poi_id",
    "place_id",
    "location_id",
    "song_id",
    "anime_id",
    "recipe_id",
    "game_id",
    "app_id",
    "news_id",
    "article_id",
    "gmap_id",
    "video_id",
    "photo_id",
    "hotel_id",
    "restaurant_id",
    "adgroup_id",
    "stock_code",
    "sku",
    "course_id",
    "track_uri",
)
_USER_IDS = (
    "reader_id",
    "customer_id",
    "reviewer_id",
    "username",
    "visitor_id",
    "household_key",
    "member_id",
    "client_id",
    "listener_id",
    "student_id",
    "learner_id",
    "subscriber_id",
    "patron_id",
    "borrower_id",
    "viewer_id",
    "shopper_id",
    "buyer_id",
    "session_id",
    "session",
)
_TIMES = (
    "unix_review_time",
    "timestamp_unix",
    "timestamp_ms",
    "review_time",
    "review_date",
    "event_time",
    "created_at",
    "rated_at",
    "date_added",
    "last_played",
    "utc_timestamp",
    "utc_time",
    "t_dat",
    "time_ms",
    "timestamp_s",
    "date_time",
    "event_date",
    "order_date",
    "purchase_date",
    "invoice_date",
    "transaction_date",
    "transaction_dt",
    "visit_date",
    "checkin_time",
    "created_utc",
)
#: Accepted headers of each column, compared as in :func:`locate`, without RecBole's ``:type``.
TRIPLE_COLUMNS: Mapping[str, Sequence[str]] = {
    "head": (
        "head_id",
        "head",
        "h",
        "subject",
        "subject_id",
        "source",
        "head_entity",
        "from_id",
        "from",
        "s",
        "entity1",
        "src",
    ),
    "relation": (
        "relation_id",
        "relation",
        "r",
        "rel",
        "predicate",
        "predicate_id",
        "relation_type",
        "relationship",
        "relationship_type",
        "relation_name",
        "relationship_name",
        "rel_type",
        "predicate_name",
        "property",
        "verb",
        "p",
    ),
    "tail": (
        "tail_id",
        "tail",
        "t",
        "object",
        "object_id",
        "target",
        "tail_entity",
        "to_id",
        "to",
        "o",
        "entity2",
        "dst",
    ),
}
NAME_COLUMNS: Mapping[str, Sequence[str]] = {
    "entity_id": ("entity_id", "entity", "id"),
    "name": ("name", "entity_name", "label", "title"),
}
LINK_COLUMNS: Mapping[str, Sequence[str]] = {
    "item_id": ("item_id", "item", *_ITEM_IDS),
    "entity_id": ("entity_id", "entity"),
}
ITEM_COLUMNS: Mapping[str, Sequence[str]] = {
    "item_id": ("item_id", "item", *_ITEM_IDS, "id"),
    "title": (
        "title",
        "name",
        "item_name",
        "item_title",
        "movie_title",
        "book_title",
        "track_title",
        "product_name",
        "prod_name",
        "artist_name",
        "item_label",
        "track_name",
        "song_name",
        "song_title",
        "movie_name",
        "game_name",
        "venue_name",
        "business_name",
        "display_name",
        "label",
    ),
}
INTERACTION_COLUMNS: Mapping[str, Sequence[str]] = {
    "user_id": ("user_id", "user", "uid", *_USER_IDS),
    "item_id": ("item_id", "item", *_ITEM_IDS),
    "time": ("timestamp", "time", "ts", "unix_timestamp", "unix_time", "datetime", *_TIMES, "date"),
    "rating": ("rating", "score", "label", "weight"),
}


#: Number of first spellings of a column that are its own name; they need no choice between candidates.
_OWN = 2
#: Headers of one thing, of which the first is read.
_SAME = (
    ("parent_asin", "asin"),
    ("unix_review_time", "review_time"),
    ("timestamp_unix", "timestamp_ms"),
    ("product_id", "sku", "stock_code"),
)
_LAST = frozenset({"id", "date", "label", "sessionid", "session"})
"""Headers that are only read where there is no other of their column."""
_CHOSEN = frozenset({"user_id", "item_id", "entity_id", "head", "relation", "tail", "time", "timestamp", "title"})


def locate(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the position in ``names`` of each wanted column that is present; the first accepted spelling counts.

    Case, spaces, underscores, hyphens, quotation marks and what follows a colon are ignored: ``headId:token`` equals
    ``head_id``.
    """
    found: dict[str, int] = {}
    for name, spellings in _for_header(names, wanted).items():
        position = next(iter(_positions(names, spellings)), None)
        if position is not None:
            found[name] = position
    return found


def check_candidates(
    names: Sequence[str], wanted: Mapping[str, Sequence[str]], path: Path, line: int | None = None
) -> None:
    """Check that one column only may be each of those with ids or times.

    Args:
        names: The headers.
        wanted: Accepted headers by column.
        path: The file, for messages.
        line: Line of the headers.

    Raises:
        DataError: There are too many headers, two are the same, or two may be the same column; with what to do.
    """
    if len(names) > current().columns:
        said = f"a header with more than {quantity(current().columns, 'columns')}"
        raise DataError(f"{said}; leave out what is not needed, or raise limits.columns", path, line)
    for name, spellings in _for_header(names, wanted).items():
        found = _positions(names, spellings) if name in _CHOSEN else []
        if len(found) < 2:
            continue
        first, second = found[:2]
        if _plain(names[first]) == _plain(names[second]):
            said = f"columns {first + 1} and {second + 1} are both called {shorten(names[first])}"
            raise DataError(f"{said}; rename the one that is not the {name}", path, line)
        own = {_plain(one) for one in spellings[:_OWN]}
        if _stem(names[first]) in own or _are_same(names[first], names[second]) or _stem(names[second]) in _LAST:
            continue
        refuse_choice([names[at] for at in found], _role(name), path, line)


def refuse_choice(names: Sequence[str], role: str, path: Path, line: int | None = None) -> NoReturn:
    """Raise the error for several columns that may be the same one.

    Args:
        names: Their headers.
        role: What each may be, as for ``--columns``.
        path: The file.
        line: Line of the headers.

    Raises:
        DataError: Always; with what to do.
    """
    said = f"{' and '.join(map(shorten, names))} may each be the {role}"
    raise DataError(f"{said}; say which it is with --columns {role}={shorten(names[0])}", path, line)


def columns_said(names: Sequence[str], wanted: Mapping[str, Sequence[str]], min_rating: float | None = None) -> str:
    """Return which columns are read as what, and which are not; ``""`` if all have their own names and are read.

    Args:
        names: The headers.
        wanted: Accepted headers by column.
        min_rating: Lowest rating of events that are read; ``None`` reads all.
    """
    found = locate(names, wanted)
    others = [name for at, name in enumerate(names) if at not in found.values() and name]
    own = "clock" not in found and all(
        _stem(names[at]) in map(_plain, wanted[name][:_OWN]) for name, at in found.items()
    )
    if own and not others and min_rating is None:
        return ""
    read = ", ".join(f"{names[at]} as {_role(name)}" for name, at in found.items() if name != "rating")
    if "rating" in found:
        use = "not used, every event counts" if min_rating is None else f"events below {min_rating:g} are left out"
        read += f"; {names[found['rating']]}: {use}"
    return f"{read}{'; not read: ' * bool(others)}{shorten(', '.join(others), 200)}"


def spellings_said(spellings: Sequence[str]) -> str:
    """Return accepted headers for a message."""
    return shorten(", ".join(spellings), 120)


_ID = re.compile(r"s?id$")
_TITLE = re.compile(r"(?:name|title)$")
_MAKERS = frozenset({"artist"})
_ANY_ITEM = frozenset({"", "i", "item"})
"""What ids are of that may be of anything."""
_IGNORED = dict.fromkeys(map(ord, ' _-\t"?'))
"""Characters that make no difference between headers; a query language may write ``?subject``."""


def _role(name: str) -> str:
    return "time" if name == "timestamp" else name.removesuffix("_id")


def _positions(names: Sequence[str], spellings: Sequence[str]) -> list[int]:
    """Positions of the names with an accepted spelling, in the order of spellings; whole names before their stems."""
    found: dict[int, None] = {}
    plain, stems = _places_by_name(tuple(names))
    for spelling in map(_plain, spellings):
        found |= dict.fromkeys(plain.get(spelling) or stems.get(spelling, []))
    return list(found)


@lru_cache(maxsize=8)
def _places_by_name(names: tuple[str, ...]) -> tuple[Mapping[str, list[int]], Mapping[str, list[int]]]:
    """Positions by whole name and by stem; kept, since a wide header is asked for every accepted spelling."""
    plain: dict[str, list[int]] = {}
    stems: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        plain.setdefault(_plain(name), []).append(at)
        stems.setdefault(_stem(name), []).append(at)
    return plain, stems


def _for_header(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Return accepted headers by column, without those that the other headers exclude."""
    return _of_one_family(names, _titles_of_item(names, wanted))


def _titles_of_item(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Keep the titles that are called like the id, such as ``track_name`` of ``track_id``, if there are any.

    Else leave out those of who made them: ``artist_name`` is no title of a ``track_id``.
    """
    titles = wanted.get("title", ())
    if tuple(titles) != tuple(ITEM_COLUMNS["title"]) or "item_id" not in wanted:
        return wanted
    item = next(iter(_positions(names, wanted["item_id"])), None)
    if item is None or _positions(names, titles[:_OWN]):
        return wanted
    kind = _kind_of(names[item], _ID)
    same = [one for one in titles if _kind_of(one, _TITLE) == kind]
    if kind and _positions(names, same):
        return {**wanted, "title": (next(one for one in same if _positions(names, [one])),)}
    if kind not in _ANY_ITEM:
        titles = [one for one in titles if _kind_of(one, _TITLE) not in _MAKERS]
    return {**wanted, "title": titles}


def _kind_of(header: str, ending: re.Pattern[str]) -> str:
    """Return what is named or numbered by a header, ``""`` if it does not end like that."""
    found = _stem(header)
    return ending.sub("", found) if ending.search(found) else ""


def _of_one_family(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Keep one pair of head and tail, such as subject and object, if a table has the whole pair."""
    heads, tails = wanted.get("head", ()), wanted.get("tail", ())
    if tuple(heads) != tuple(TRIPLE_COLUMNS["head"]) or tuple(tails) != tuple(TRIPLE_COLUMNS["tail"]):
        return wanted
    stems = _places_by_name(tuple(names))[1].keys()
    for head, tail in zip(heads, tails, strict=True):
        if {_plain(head), _plain(tail)} <= stems:
            return {**wanted, "head": (head,), "tail": (tail,)}
    return wanted


def _are_same(one: str, other: str) -> bool:
    return any({_stem(one), _stem(other)} <= set(map(_plain, group)) for group in _SAME)


def places_of(
    names: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    optional: Collection[str],
    path: Path,
    line: int | None = None,
) -> dict[str, int]:
    """Return the result of :func:`locate`, after checking that all required columns are present.

    Raises:
        DataError: A column is missing, or as for :func:`check_candidates`.
    """
    check_candidates(names, columns, path, line)
    found = locate(names, columns)
    missing = next((name for name in columns if name not in found and name not in optional), None)
    if missing is not None:
        there = shorten(", ".join(names), 200)
        text = f"no column for '{missing}' (header: {there}); call it one of {spellings_said(columns[missing])}"
        raise DataError(text, path, line)
    return found


def _plain(header: str) -> str:
    return header.casefold().translate(_IGNORED)


def _stem(header: str) -> str:
    """A header without RecBole's type, or whatever else follows a colon."""
    return _plain(header.split(":")[0] or header)
