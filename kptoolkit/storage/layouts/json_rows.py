"""Reads objects from JSON files: one per line, as a list, or one after another; Python's notation of them as well."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from kptoolkit.errors import DataError, shorten
from kptoolkit.limits import current
from kptoolkit.storage.open_files import LimitedFile, file_failures, limited_lines, open_bytes, too_long
from kptoolkit.storage.text_tables import ENCODING_ADVICE, BadRows

JSON_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".jl"})
_CHUNK = 1 << 20
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_LONGEST_PYTHON = 1 << 20
"""Characters of a line in Python's notation, which takes a hundred times as much memory while it is read."""


def read_objects(path: Path, bad_rows: BadRows | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line (number of the object in a list) and content of each object of a file.

    Args:
        path: The file in UTF-8, packed or not: JSON lines, a list of objects, or Python dictionaries, one per line.
        bad_rows: What to do with lines that cannot be read; ``None`` raises an error.

    Raises:
        DataError: The file cannot be read, contains something else than objects, or has a line or object that is too
            long; with its line.
    """
    line = 0
    with file_failures(path, lambda: line or None), _is_utf8(path), open_bytes(path) as raw:
        file = _text(raw)
        start = file.read(_CHUNK).lstrip()
        if start.startswith("["):
            yield from _list_items(file, start[1:], path)
            return
        file.detach()
        raw.seek(0)
        for line, text in enumerate(limited_lines(_text(raw), path), 1):
            if text.strip():
                try:
                    yield line, _object(text)
                except ValueError as error:
                    (bad_rows or BadRows()).add(path, line, str(error))


def read_json(path: Path) -> Any:
    """Return the content of a small JSON file.

    Raises:
        DataError: It cannot be read.
    """
    with file_failures(path, lambda: None), open_bytes(path) as raw:
        try:
            text = _text(raw).read()
            return _with_text(json.loads(text), text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"no JSON: {shorten(str(error))}; correct it", path) from error


def _text(raw: LimitedFile) -> io.TextIOWrapper:
    return io.TextIOWrapper(cast("IO[bytes]", raw), "utf-8-sig")


@contextmanager
def _is_utf8(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text; {ENCODING_ADVICE}", path) from error


def _object(text: str) -> dict[str, Any]:
    """Read one object.

    Raises:
        ValueError: It is none; the message gives the reason.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        try:
            found = ast.literal_eval(text.strip()) if len(text) <= _LONGEST_PYTHON else None
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
        if found is None:
            raise ValueError(f"no JSON: {shorten(str(error))}") from None
    except RecursionError:
        raise ValueError("no JSON that can be read: too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"no JSON object: {shorten(text, 40)}")
    return dict(_with_text(found, text))


def _with_text(found: Any, source: str) -> Any:
    """Return a value after checking the texts in it, which escapes make of any character.

    Raises:
        ValueError: One has NUL, or half of a character.
    """
    if "\\" in source:
        try:
            written = json.dumps(found, ensure_ascii=False, skipkeys=True, default=str)
            written.encode()
        except (UnicodeEncodeError, RecursionError):
            raise ValueError("an escape that is no character, or values that are nested too deeply") from None
        if "\\u0000" in written.replace("\\\\", ""):
            raise ValueError("a text with NUL")
    return found


def _list_items(file: io.TextIOWrapper, rest: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a list, as the file is read; ``rest`` is what was read after its opening bracket."""
    decoder, number, longest = json.JSONDecoder(), 0, current().line_bytes
    while True:
        at, wrong = _after_space(rest, 0), ""
        while at < len(rest) and rest[at] != "]":
            try:
                found, end = decoder.raw_decode(rest, at)
            except (ValueError, RecursionError) as error:
                if len(rest) - at > longest:
                    raise DataError(too_long("object", longest), path, number + 1) from error
                if not isinstance(error, json.JSONDecodeError):
                    raise DataError(f"no JSON that can be read: {shorten(str(error))}", path, number + 1) from error
                wrong = str(error)
                break
            number += 1
            if end - at > longest:
                raise DataError(too_long("object", longest), path, number)
            if not isinstance(found, dict):
                raise DataError(f"no JSON object in the list: {shorten(repr(found), 40)}", path, number)
            try:
                _with_text(found, rest[at:end])
            except ValueError as error:
                raise DataError(f"no JSON that can be read: {error}", path, number) from error
            yield number, found
            at = _after_space(rest, end)
        if rest[at : at + 1] == "]":
            return
        chunk = file.read(_CHUNK)
        if not chunk:
            said = f"{shorten(wrong)}; correct it" if wrong else "the list ends early; fetch or write the file again"
            raise DataError(f"no JSON: {said}", path, number + 1 if wrong else None)
        rest = rest[at:] + chunk


def _after_space(text: str, at: int) -> int:
    """Return the position of the next value in a list."""
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()
