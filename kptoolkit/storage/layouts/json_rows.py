"""Reads objects from JSON files: one per line, as a list, or one after another; Python's notation of them as well."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.text_tables import ENCODING_ADVICE, BadRows, file_failures, open_bytes

JSON_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".jl"})
_CHUNK = 1 << 20


def read_objects(path: Path, bad_rows: BadRows | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line (number of the object in a list) and content of each object of a file.

    Args:
        path: The file in UTF-8, gzip or not: JSON lines, a list of objects, or Python dictionaries, one per line.
        bad_rows: What to do with lines that cannot be read; ``None`` raises an error.

    Raises:
        DataError: The file cannot be read or contains something else than objects; with its line.
    """
    line = 0
    with file_failures(path, lambda: line or None), open_bytes(path) as raw:
        file = io.TextIOWrapper(raw, "utf-8-sig")
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        if first == "[":
            yield from _list_items(file, path)
            return
        for line, text in enumerate(_lines(file, first, path), 1):
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
            return json.load(io.TextIOWrapper(raw, "utf-8-sig"))
        except ValueError as error:
            raise DataError(f"no JSON: {shorten(str(error))}; correct it", path) from error


def _lines(file: io.TextIOWrapper, first: str, path: Path) -> Iterator[str]:
    try:
        yield first + file.readline()
        yield from file
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
            found = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(f"no JSON: {shorten(str(error))}") from None
    except RecursionError:
        raise ValueError("no JSON that can be read: too deep") from None
    if not isinstance(found, dict):
        raise ValueError(f"no JSON object: {shorten(text, 40)}")
    return found


def _list_items(file: io.TextIOWrapper, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a list whose opening bracket was read, as the file is read."""
    decoder, rest, number = json.JSONDecoder(), "", 0
    while True:
        chunk = file.read(_CHUNK)
        rest = (rest + chunk).lstrip(" \t\r\n,")
        while rest and rest[0] != "]":
            try:
                found, end = decoder.raw_decode(rest)
            except ValueError as error:
                if not chunk:
                    raise DataError(f"no JSON: {shorten(str(error))}; correct it", path) from error
                break
            number += 1
            if not isinstance(found, dict):
                raise DataError(f"no JSON object in the list: {shorten(repr(found), 40)}", path, number)
            yield number, found
            rest = rest[end:].lstrip(" \t\r\n,")
        if rest.startswith("]"):
            return
        if not chunk:
            raise DataError("no JSON: the list ends early; fetch or write the file again", path)
