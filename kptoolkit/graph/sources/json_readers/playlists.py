"""Reads playlists in slices of JSON, as those of the Million Playlist Dataset: events, artists and albums of tracks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from kptoolkit.errors import DataError
from kptoolkit.graph.sources.readers.path_reader import PathReader, first_rows, tables_of
from kptoolkit.storage.dialects import Sample, suffix_of
from kptoolkit.storage.layouts.json_rows import JSON_SUFFIXES, read_json
from kptoolkit.storage.text_tables import Table

_VALUES = {"artist": ("artist_uri", "artist_name"), "album": ("album_uri", "album_name")}
_MARK = '"playlists"'
_LOOKED_AT = 50


class Playlists(PathReader):
    """A slice of playlists, or a folder with such slices; a playlist is a user, and its tracks are in their order."""

    label: ClassVar[str] = "Million Playlist"
    parts: ClassVar[str] = "tracks of playlists as items, playlists as users, artists and albums of tracks as triples"

    @classmethod
    def matches(cls, path: Path) -> bool:
        """Return whether a file is such a slice, or a folder has one."""
        return any(map(_is_slice, _files(path)))

    def triples(self) -> Iterator[Table]:
        """Yield the artist and the album of each track."""
        yield from self._of_tracks(("head", "relation", "tail"), _facts)

    def names(self) -> Iterator[Table]:
        """Yield the names of tracks, artists and albums."""
        yield from self._of_tracks(("entity_id", "name"), _names)

    def links(self) -> Iterator[Table]:
        """Yield each track as the entity with its id."""
        yield from self._of_tracks(("item_id", "entity_id"), lambda track: [(_text(track, "track_uri"),) * 2])

    def items(self) -> Iterator[Table]:
        """Yield the tracks."""
        titled = self._of_tracks(
            ("item_id", "title"), lambda track: [(_text(track, "track_uri"), _text(track, "track_name"))]
        )
        yield from first_rows(titled, "item_id")

    def interactions(self) -> Iterator[Table]:
        """Yield the tracks of each playlist; the time is the place in it."""
        for path in self._slices:
            rows = (
                (number, (_text(one, "pid"), _text(track, "track_uri"), _text(track, "pos")))
                for number, one in enumerate(_playlists(path), 1)
                for track in _tracks(path, number, one)
            )
            yield from tables_of(("user_id", "item_id", "time"), rows, path)

    @cached_property
    def _slices(self) -> list[Path]:
        return list(filter(_is_slice, _files(self.path)))

    def _of_tracks(self, columns: tuple[str, ...], rows_of: Any) -> Iterator[Table]:
        """Yield rows of each track once per slice."""
        for path in self._slices:
            seen: dict[str, tuple[int, dict[str, Any]]] = {}
            for number, one in enumerate(_playlists(path), 1):
                for track in _tracks(path, number, one):
                    seen.setdefault(_text(track, "track_uri"), (number, track))
            rows = chain.from_iterable(((line, row) for row in rows_of(track)) for line, track in seen.values())
            yield from tables_of(columns, rows, path)


def _facts(track: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for relation, (key, _) in _VALUES.items():
        if value := _text(track, key):
            yield _text(track, "track_uri"), relation, value


def _names(track: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in (("track_uri", "track_name"), *_VALUES.values()):
        if _text(track, key):
            yield _text(track, key), _text(track, name)


def _files(path: Path) -> list[Path]:
    """Return the file, or the files of JSON of a folder in the order of their numbers."""
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    found = [file for file in files if suffix_of(file) in JSON_SUFFIXES]
    return sorted(found, key=lambda file: [int(part) if part.isdecimal() else 0 for part in _parts(file)])


def _parts(file: Path) -> list[str]:
    return [*file.name.replace("-", ".").split("."), file.name]


def _is_slice(path: Path) -> bool:
    """Return whether a file is one object with a list of playlists."""
    try:
        lines = Sample.read(path).lines[:_LOOKED_AT]
    except DataError:
        return False
    return bool(lines) and lines[0].lstrip().startswith("{") and any(_MARK in line for line in lines)


def _playlists(path: Path) -> list[Any]:
    found = read_json(path)
    lists = found.get("playlists") if isinstance(found, dict) else None
    if not isinstance(lists, list):
        raise DataError("has no list of playlists; correct it", path)
    return lists


def _tracks(path: Path, number: int, one: Any) -> list[dict[str, Any]]:
    """Return the tracks of a playlist.

    Raises:
        DataError: It has no id or no list of tracks; with its number.
    """
    tracks = one.get("tracks") if isinstance(one, dict) and "pid" in one else None
    whole = isinstance(tracks, list) and all(isinstance(track, dict) and "track_uri" in track for track in tracks)
    if not isinstance(tracks, list) or not whole:
        raise DataError("a playlist without pid or tracks with track_uri; correct it", path, number)
    return tracks


def _text(one: dict[str, Any], key: str) -> str:
    value = one.get(key)
    return "" if value is None or isinstance(value, dict | list) else str(value)
