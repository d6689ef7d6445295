"""Checks ids of files and graphs for values that are probably not meant: spaces around them, NULL, two spellings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kptoolkit.data.checking.finding import Finding, Level
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.errors import shorten
from kptoolkit.graph.loading.link_check import several_said
from kptoolkit.graph.loading.source_names import NameCollector
from kptoolkit.storage.values.cells import MISSING, nearly_equal, several_values, unclean

_EXAMPLES = 3
_SHOWN = 10
"""Names of files that are listed."""
_ROUNDED = re.compile(r"\d[.,]\d+[Ee][+-]?\d+")
_UNKNOWN = frozenset({"na", "n/a", "none", "null", "unknown", "undefined", "unspecified", "anonymous", "-", "?"})
"""Ids, in lower case, that often stand for no value, but may also be one, as NA for Namibia."""


def check_values(folder: DataFolder) -> list[Finding]:
    """Return what is probably wrong with the ids of users, items, entities and relations.

    Args:
        folder: The data, from files or from a graph.
    """
    return [finding for kind, ids in _ids(folder) for finding in (*_unclean(kind, ids), _two_spellings(kind, ids))]


def check_source(folder: DataFolder) -> list[Finding]:
    """Return what was found while names, links and triples were read from files."""
    if folder.source is None:
        return []
    bad_rows = folder.source.bad_rows
    shown = tuple(shorten(f"{Path(row.path).name}, line {row.line}: {row.reason}", 120) for row in bad_rows.rows[:3])
    advice = "correct them, or leave them out with kptool load-kg SOURCE --skip-bad-rows"
    return [
        Finding("error", "rows of the graph that cannot be read", bad_rows.count, advice, None, shown),
        Finding(
            "note",
            "ids in triples with spaces, quotation marks or <> around them, or as 123.0",
            folder.cleaned,
            "they are read without; another program may read them as they are",
        ),
        *(Finding("warning", said, 1, "correct the file") for said in folder.source.warnings()),
    ]


def check_files(folder: DataFolder) -> Finding:
    """Return the files of a folder that may have data, and that are not read."""
    names = [path.name for path in folder.not_read]
    level: Level = "note" if folder.triples is not None else "warning"
    advice = "if they belong to the data, give one as the path of a command, or name its columns with --columns"
    return Finding(level, "files of this folder that are not read", len(names), advice, None, tuple(names[:_SHOWN]))


def check_several(folder: DataFolder) -> list[Finding]:
    """Return the entities with several names, and the items with several titles; the first is kept of both."""
    titles = NameCollector()
    if folder.items is not None and "title" in folder.items.columns:
        titles.add(folder.items.columns["item_id"], map(str, folder.items.columns["title"]))
    return [
        Finding(
            "warning", f"{what}, of which the first is kept", len(found), advice, None, tuple(several_said(found, 3))
        )
        for what, found, advice in (
            ("entities with several names", folder.several_names, "leave the others out of the file"),
            ("items with several titles", titles.several, "leave the others out of the item file"),
        )
    ]


def _ids(folder: DataFolder) -> Iterator[tuple[str, list[str]]]:
    """Distinct ids by what they are of."""
    users = [] if folder.interactions is None else folder.interactions.user_ids.tolist()
    linked = [] if folder.links is None else folder.links["entity_id"].tolist()
    triples = folder.triples
    yield "user", users
    yield "item", folder.catalogue.tolist()
    yield "entity", list(dict.fromkeys([*linked, *([] if triples is None else triples.entities.tolist())]))
    yield "relation", [] if triples is None else triples.relations.tolist()


def _unclean(kind: str, ids: list[str]) -> list[Finding]:
    odd = unclean(ids)
    missing = [one for one in odd if one in MISSING]
    others = [one for one in odd if one not in MISSING]
    return [
        _finding("error", f"{kind} ids that stand for no value", missing, "leave these rows out, or give them an id"),
        _finding(
            "warning",
            f"{kind} ids that may stand for no value",
            [one for one in ids if one not in MISSING and _value(kind, one).casefold() in _UNKNOWN],
            "if they do, they join what has nothing in common: leave these rows out, or give another column",
        ),
        _finding(
            "warning" if kind == "entity" else "error",
            f"{kind} ids that a spreadsheet has rounded, as 4.00638E+12",
            [one for one in ids if _ROUNDED.fullmatch(one)],
            "different ids may have become one: write the file again with this column as text",
        ),
        _finding(
            "warning",
            f"{kind} ids with spaces, quotation marks or <> around them, or as 123.0",
            others,
            "they are other ids than without; files are cleaned when they are read, so correct them in the graph",
        ),
        _finding(
            "warning",
            f"{kind} ids that look like several values",
            several_values(ids) if kind == "entity" else [],
            "divide them with kptool load-kg SOURCE --split '|'",
        ),
    ]


def _value(kind: str, one: str) -> str:
    """Return the value of an entity of a table of items, whose id is ``RELATION:VALUE``; another id as it is."""
    return one.partition(":")[2] or one if kind == "entity" else one


def _two_spellings(kind: str, ids: list[str]) -> Finding:
    groups = nearly_equal(ids)
    level: Level = "note" if kind == "entity" else "warning"
    advice = "they count as different; if they are the same, use one spelling"
    shown = [" / ".join(group) for group in groups]
    return _finding(level, f"{kind} ids that differ only in case or in their form", shown, advice)


def _finding(level: Level, what: str, ids: Iterable[str], advice: str) -> Finding:
    listed = list(ids)
    return Finding(level, what, len(listed), advice, None, tuple(shorten(one) for one in listed[:_EXAMPLES]))
