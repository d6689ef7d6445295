"""The accepted headers of the columns of triples, names, links, items and interactions, and how they are found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from kptoolkit.errors import DataError, shorten

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
)
#: Accepted headers of each column, compared as in :func:`locate`, without RecBole's ``:type``.
TRIPLE_COLUMNS: Mapping[str, Sequence[str]] = {
    "head": ("head_id", "head", "h", "subject", "subject_id", "source", "head_entity"),
    "relation": ("relation_id", "relation", "r", "rel", "predicate", "predicate_id", "relation_type"),
    "tail": ("tail_id", "tail", "t", "object", "object_id", "target", "tail_entity"),
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
        "artist_name",
        "label",
    ),
}
INTERACTION_COLUMNS: Mapping[str, Sequence[str]] = {
    "user_id": ("user_id", "user", "uid", "reader_id", "customer_id", "session_id", "reviewer_id", "username"),
    "item_id": ("item_id", "item", *_ITEM_IDS),
    "time": ("timestamp", "time", "ts", "unix_timestamp", "unix_time", "datetime", "date", *_TIMES),
    "rating": ("rating", "score", "label", "weight"),
}


def locate(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the position in ``names`` of each wanted column that is present; the first accepted spelling counts.

    Case, spaces, underscores and hyphens are ignored: ``headId`` equals ``head_id``.
    """
    plain = [_plain(name) for name in names]
    found: dict[str, int] = {}
    for name, spellings in wanted.items():
        position = next((plain.index(spelling) for spelling in map(_plain, spellings) if spelling in plain), None)
        if position is not None:
            found[name] = position
    return found


def places_of(
    names: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    optional: Collection[str],
    path: Path,
    line: int | None = None,
) -> dict[str, int]:
    """Return the result of :func:`locate`, after checking that all required columns are present.

    Raises:
        DataError: A column is missing.
    """
    found = locate(names, columns)
    missing = next((name for name in columns if name not in found and name not in optional), None)
    if missing is not None:
        there = shorten(", ".join(names), 200)
        text = f"no column for '{missing}' (header: {there}); call it one of {', '.join(columns[missing])}"
        raise DataError(text, path, line)
    return found


def _plain(header: str) -> str:
    return "".join(c for c in header.casefold() if c not in ' _-\t"')
