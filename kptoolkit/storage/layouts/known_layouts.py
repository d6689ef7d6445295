"""The layouts of tables without the usual header line, such as those of public data sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kptoolkit.storage.columns import locate
from kptoolkit.storage.dialects import Dialect, Sample

Kind = Literal["triples", "names", "links", "items", "interactions"]
_FREEBASE = re.compile(r"(?:/?[mg][./])\w+")
_ASIN = re.compile(r"B[0-9A-Z]{3,9}|\d{9}[\dX]")
_REVIEWER = re.compile(r"A[0-9A-Z]{1,27}")
_EPOCH = re.compile(r"\d{9,13}")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
FRACTION = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True)
class TableLayout:
    """One layout of a table without the usual header line.

    Attributes:
        label: What it is called.
        kind: What its rows are.
        matches: Whether the beginning of a file has this layout.
        dialect: How it is written; ``None``: with the separator that its first line suggests.
        header: Names of its columns, for files without a header line.
        columns: Header by column, for files with another header line than usual.
        only_positive: Whether rows with rating 0 are no events.
        names: Headers of an id and of its name, where triples contain names.
        name_of: Makes a name of an id, where ids are readable.
    """

    label: str
    kind: Kind
    matches: Callable[[Sample], bool]
    dialect: Dialect | None = None
    header: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    only_positive: bool = False
    names: tuple[tuple[str, str], ...] = ()
    name_of: Callable[[str], str] | None = None


def layout_of(path: Path, kind: Kind, encoding: str | None = None) -> TableLayout | None:
    """Return the layout of a table by what it says of itself; three columns without a header line may be anything.

    Raises:
        DataError: It cannot be read.
    """
    sample = Sample.read(path, encoding)
    layouts = (layout for layout in LAYOUTS if layout.kind == kind and layout.header != _TRIPLE)
    return next((layout for layout in layouts if layout.matches(sample)), None)


def header_row(sample: Sample, dialect: Dialect) -> list[str]:
    """Return the cells of the first line; empty without one."""
    rows = sample.rows(dialect)
    return [cell.strip() for cell in rows[0]] if rows else []


def is_data(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is one of data: a cell is a number, or occurs again in its column."""
    if not rows:
        return False
    first, others = rows[0], rows[1:]
    if any(NUMBER.fullmatch(cell.strip()) for cell in first):
        return True
    return any(cell.strip() and any(cell in row[at : at + 1] for row in others) for at, cell in enumerate(first))


def _all_rows(sample: Sample, dialect: Dialect, width: int, *patterns: re.Pattern[str] | None) -> bool:
    """Return whether every row has this width, and its cells match the patterns."""
    rows = sample.rows(dialect)
    right = bool(rows) and all(len(row) == width for row in rows)
    cells = [(one, cell) for row in rows for one, cell in zip(patterns, row, strict=False) if one is not None]
    return right and all(pattern.fullmatch(cell.strip()) for pattern, cell in cells)


def _has_header(*names: str) -> Callable[[Sample], bool]:
    wanted = {name: (name,) for name in names}
    return lambda sample: len(locate(header_row(sample, sample.dialect()), wanted)) == len(wanted)


def _is_conceptnet(sample: Sample) -> bool:
    return _all_rows(sample, _TABS, 5, re.compile(r"/a/\[.*"), re.compile(r"/r/.*"))


def _is_yago(sample: Sample) -> bool:
    return _all_rows(sample, _TABS, 5, re.compile(r"(?:<id_.*>)?"), None, re.compile(r"<.*>|rdfs?:.*|owl:.*"))


def _is_openke(sample: Sample) -> bool:
    numbers = re.compile(r"\d+")
    return bool(numbers.fullmatch(sample.first.strip())) and _all_rows(sample, _COUNTED, 3, *[numbers] * 3)


def _is_headerless_triples(sample: Sample) -> bool:
    """Three columns of data, the middle one with the fewest values, of which some occur again; no column of scores."""
    rows = sample.rows(sample.dialect())
    if not is_data(rows) or any(len(row) != 3 for row in rows):
        return False
    heads, relations, tails = (set(column) for column in zip(*rows, strict=True))
    scores = all(FRACTION.fullmatch(tail.strip()) for tail in tails)
    return not scores and len(relations) <= min(len(heads), len(tails), len(rows) - 1)


def _is_amazon(sample: Sample, item: int) -> bool:
    patterns = [_REVIEWER, _REVIEWER, re.compile(r"[1-5](?:\.0)?"), _EPOCH]
    patterns[item] = _ASIN
    dialect = sample.dialect()
    other = [patterns[1], patterns[0], *patterns[2:]]
    return _all_rows(sample, dialect, 4, *patterns) and not _all_rows(sample, dialect, 4, *other)


def _is_movielens_100k(sample: Sample) -> bool:
    numbers = re.compile(r"\d+")
    return _all_rows(sample, _TABS, 4, numbers, numbers, re.compile("[1-5]"), _EPOCH)


def _term(concept: str) -> str:
    """Return the text of a concept: ``boil water`` of ``/c/en/boil_water/v``."""
    parts = concept.split("/")
    return (parts[3] if len(parts) > 3 else concept).replace("_", " ")


_TABS = Dialect()
_BARS = Dialect("|")
_COLONS = Dialect("::")
_SPACES = Dialect("")
_COUNTED = Dialect("", skip=1)
_RATINGS = ("user_id", "item_id", "rating", "time")
_TRIPLE = ("head", "relation", "tail")

#: The layouts, in the order in which they are tried.
LAYOUTS: tuple[TableLayout, ...] = (
    TableLayout(
        "ConceptNet assertions",
        "triples",
        _is_conceptnet,
        _TABS,
        ("uri", "relation", "head", "tail", "info"),
        name_of=_term,
    ),
    TableLayout(
        "ConceptNet assertions",
        "triples",
        _has_header("uri", "relation", "start", "end", "info"),
        _TABS,
        columns={"head": "start", "relation": "relation", "tail": "end"},
        name_of=_term,
    ),
    TableLayout(
        "YAGO facts",
        "triples",
        _is_yago,
        _TABS,
        ("id", "head", "relation", "tail", "value"),
    ),
    TableLayout(
        "NELL beliefs",
        "triples",
        _has_header("Entity", "Relation", "Value", "Best Entity literalString", "Best Value literalString"),
        _TABS,
        columns={"head": "Entity", "relation": "Relation", "tail": "Value"},
        names=(("Entity", "Best Entity literalString"), ("Value", "Best Value literalString")),
    ),
    TableLayout("OpenKE", "triples", _is_openke, _COUNTED, ("head", "tail", "relation")),
    TableLayout(
        "Hetionet edges",
        "triples",
        _has_header("source", "metaedge", "target"),
        columns={"head": "source", "relation": "metaedge", "tail": "target"},
    ),
    TableLayout(
        "PrimeKG",
        "triples",
        _has_header("relation", "x_index", "x_name", "y_index", "y_name"),
        columns={"head": "x_index", "relation": "relation", "tail": "y_index"},
        names=(("x_index", "x_name"), ("y_index", "y_name")),
    ),
    TableLayout(
        "PrimeKG",
        "triples",
        _has_header("relation", "x_id", "x_name", "y_id", "y_name"),
        columns={"head": "x_id", "relation": "relation", "tail": "y_id"},
        names=(("x_id", "x_name"), ("y_id", "y_name")),
    ),
    *(
        TableLayout(
            "edges",
            "triples",
            _has_header("start", relation, "end"),
            columns={"head": "start", "relation": relation, "tail": "end"},
        )
        for relation in ("relation", "type")
    ),
    TableLayout("triples without a header line", "triples", _is_headerless_triples, header=_TRIPLE),
    TableLayout(
        "KB4Rec links",
        "links",
        lambda sample: _all_rows(sample, _TABS, 2, None, _FREEBASE),
        _TABS,
        ("item_id", "entity_id"),
    ),
    TableLayout(
        "KGCN links",
        "links",
        lambda sample: sample.path.name.startswith("item_index2entity_id") and _all_rows(sample, _TABS, 2),
        _TABS,
        ("item_id", "entity_id"),
    ),
    TableLayout(
        "MovieLens movies",
        "items",
        lambda sample: sample.path.name != "users.dat" and _all_rows(sample, _COLONS, 3),
        _COLONS,
        ("item_id", "title", "genres"),
    ),
    TableLayout(
        "MovieLens 100K items",
        "items",
        lambda sample: sample.path.name == "u.item" and _all_rows(sample, _BARS, 24),
        _BARS,
        ("item_id", "title", *(f"column {number}" for number in range(3, 25))),
    ),
    TableLayout("MovieLens ratings", "interactions", lambda sample: _all_rows(sample, _COLONS, 4), _COLONS, _RATINGS),
    TableLayout("MovieLens 100K ratings", "interactions", _is_movielens_100k, _TABS, _RATINGS),
    TableLayout(
        "Amazon ratings without a header line",
        "interactions",
        lambda sample: _is_amazon(sample, item=0),
        header=("item_id", "user_id", "rating", "time"),
    ),
    TableLayout(
        "Amazon ratings without a header line",
        "interactions",
        lambda sample: _is_amazon(sample, item=1),
        header=_RATINGS,
    ),
    TableLayout(
        "KGCN ratings, those with label 1",
        "interactions",
        lambda sample: sample.path.name.startswith("ratings_final") and _all_rows(sample, _SPACES, 3),
        _SPACES,
        ("user_id", "item_id", "rating"),
        only_positive=True,
    ),
)
