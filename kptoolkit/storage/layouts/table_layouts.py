"""Recognizes the layout of a text table: by its header line, or as one of the layouts of public data sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from kptoolkit.errors import DataError, shorten
from kptoolkit.storage.columns import (
    INTERACTION_COLUMNS,
    ITEM_COLUMNS,
    LINK_COLUMNS,
    NAME_COLUMNS,
    TRIPLE_COLUMNS,
    check_candidates,
    columns_said,
    locate,
    spellings_said,
)
from kptoolkit.storage.dialects import Dialect, Reading, Sample, role_of
from kptoolkit.storage.layouts.date_columns import date_columns, several_dates
from kptoolkit.storage.values.cells import is_missing
from kptoolkit.storage.values.times import looks_like_time

Kind = Literal["triples", "names", "links", "items", "interactions"]
COLUMNS: Mapping[Kind, Mapping[str, Sequence[str]]] = {
    "triples": TRIPLE_COLUMNS,
    "names": NAME_COLUMNS,
    "links": LINK_COLUMNS,
    "items": ITEM_COLUMNS,
    "interactions": INTERACTION_COLUMNS,
}
#: Columns that a file may lack.
OPTIONAL = frozenset({"title", "time", "rating"})
#: Tables for which ``--columns`` is meant first; others may keep their usual headers.
PRIMARY = frozenset({"triples", "interactions"})
_FREEBASE = re.compile(r"(?:/?[mg][./])\w+")
_ASIN = re.compile(r"B[0-9A-Z]{3,9}|\d{9}[\dX]")
_REVIEWER = re.compile(r"A[0-9A-Z]{1,27}")
_EPOCH = re.compile(r"\d{9,13}")
_TIMES = re.compile(r"1\d{9}(?:\d{3})?|\d{4}-\d\d-\d\d.*|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d.*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FRACTION = re.compile(r"-?\d+\.\d+")


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


@dataclass(frozen=True)
class Recognized:
    """How to read a table.

    Attributes:
        dialect: How it is written.
        columns: Accepted headers by column.
        said: The layout, and which column is read as what; ``""`` for the usual header line.
        layout: The layout; ``None`` for the usual header line.
    """

    dialect: Dialect
    columns: Mapping[str, Sequence[str]]
    said: str = ""
    layout: TableLayout | None = None


def recognize_table(path: Path, kind: Kind, reading: Reading | None = None, *, csv: bool | None = None) -> Recognized:
    """Recognize the layout of a text table.

    Columns that ``reading`` gives come first, then the usual header lines, then :data:`LAYOUTS`.

    Args:
        path: The file.
        kind: What its rows are.
        reading: What the user says about it.
        csv: Whether it is CSV; ``None`` decides by its name.

    Raises:
        DataError: It cannot be read or is not recognized; the message has its first lines and the option to give.
    """
    reading = reading or Reading()
    sample = Sample.read(path, reading.encoding)
    dialect, wanted = sample.dialect(csv), reading.spellings(COLUMNS[kind], usual_too=kind not in PRIMARY)
    if not sample.first or _is_no_text(sample.first):
        return Recognized(dialect, wanted)  # the reader says what is wrong
    names = _header(sample, dialect)
    if reading.numbered(COLUMNS[kind]) and _has_all(names, kind):
        return Recognized(dialect, COLUMNS[kind], "a header line, so that numbers of columns are not used")
    if reading.numbered(COLUMNS[kind]):
        dialect, left_out = numbered(sample, dialect)
        said = f"columns by number: {_columns_said(reading, wanted)}{left_out}"
        return Recognized(dialect, _given_only(wanted, reading), said)
    required = {name: spellings for name, spellings in wanted.items() if name not in OPTIONAL}
    if len(locate(names, required)) == len(required):
        check_candidates(names, wanted, path, 1)
        wanted = with_dates(names, wanted, kind)
        return Recognized(dialect, wanted, _header_said(names, wanted, kind, sample.rows(dialect)[1:]))
    for layout in LAYOUTS:
        if layout.kind == kind and layout.matches(sample):
            return _of_layout(layout, dialect, wanted)
    raise _unrecognized(sample, kind, required, names, dialect)


def with_dates(names: Sequence[str], wanted: Mapping[str, Sequence[str]], kind: Kind) -> dict[str, Sequence[str]]:
    """Return accepted headers by column, with those of the parts of a date where events have no other time."""
    has_time = kind != "interactions" or "time" in locate(names, wanted)
    return dict(wanted) if has_time else {**wanted, **date_columns(names)}


def numbered(sample: Sample, dialect: Dialect) -> tuple[Dialect, str]:
    """Return how to read a table whose columns are called by numbers, and what to say of its first row.

    Its first row is a header line if none of its cells is a number or a time, and all others of some column are.
    """
    first, *others = sample.rows(dialect)
    columns = ([row[at].strip() for row in others if len(row) > at] for at in range(len(first)))
    filled = [[cell for cell in column if not is_missing(cell)] for column in columns]
    names = tuple(str(number) for number in range(1, len(first) + 1))
    shown = shorten(", ".join(cell.strip() for cell in first), 100)
    missing = any(map(is_missing, first)) or any(map(_is_value, first))
    if missing or not any(column and all(map(_is_value, column)) for column in filled):
        return replace(dialect, header=names), f"; first row: {shown}"
    line = next(at for at, text in enumerate(sample.lines) if at >= dialect.skip and text.strip())
    return replace(dialect, header=names, skip=line + 1), f"; line {line + 1} is a header line: {shown}"


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()) or _TIMES.fullmatch(cell.strip()))


def layout_of(path: Path, kind: Kind) -> TableLayout | None:
    """Return the layout of a table by what it says of itself; three columns without a header line may be anything.

    Raises:
        DataError: It cannot be read.
    """
    sample = Sample.read(path)
    layouts = (layout for layout in LAYOUTS if layout.kind == kind and layout.header != _TRIPLE)
    return next((layout for layout in layouts if layout.matches(sample)), None)


def _of_layout(layout: TableLayout, dialect: Dialect, wanted: Mapping[str, Sequence[str]]) -> Recognized:
    found = layout.dialect or dialect
    found = replace(found, encoding=dialect.encoding, header=layout.header)
    columns = {name: (layout.columns[name],) if name in layout.columns else wanted[name] for name in wanted}
    parts = [f"{header} as {role_of(name)}" for name, header in layout.columns.items()]
    said = f"{layout.label}: {', '.join(parts or [role_of(name) for name in layout.header])}"
    return Recognized(found, columns, said, layout)


def _header_said(
    names: Sequence[str], wanted: Mapping[str, Sequence[str]], kind: Kind, rows: Sequence[Sequence[str]]
) -> str:
    """Return which columns are read as what, ``""`` for the usual ones; and which of others may be times."""
    said = "; ".join(filter(None, (_choice_said(names, wanted), columns_said(names, wanted))))
    read = locate(names, wanted)
    others = [at for at in range(len(names)) if at not in read.values()]
    cells = {at: [row[at].strip() for row in rows if len(row) > at] for at in others}
    by_values = [names[at] for at, column in cells.items() if column and all(map(_TIMES.fullmatch, column))]
    times = [name for name in names if looks_like_time(name)] or by_values
    missing = kind == "interactions" and read.keys().isdisjoint({"time", "year"})
    if missing and several_dates(names):
        said += "; no time is read: there are several dates of year, month and day; write one of them into one column"
    elif missing and times:
        said += f"; no time is read: if {shorten(times[0])} is one, give --columns time={shorten(times[0])}"
    return said


def _choice_said(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> str:
    """Return which of the two ids of Amazon's products is read, if a header has both."""
    chosen = locate(names, {"item_id": wanted.get("item_id", ())})
    both = locate(names, {"parent_asin": ("parent_asin",), "asin": ("asin",)})
    if len(both) < 2 or chosen.get("item_id") not in both.values():
        return ""
    read, other = (names[at] for at in sorted(both.values(), key=lambda at: at != chosen["item_id"]))
    return f"Amazon reviews: {read} as item; --columns item={other} reads {other} instead"


def _given_only(wanted: Mapping[str, Sequence[str]], reading: Reading) -> Mapping[str, Sequence[str]]:
    """Leave out optional columns that have no number, since no header names them."""
    return {name: at for name, at in wanted.items() if name not in OPTIONAL or role_of(name) in reading.columns}


def _columns_said(reading: Reading, wanted: Mapping[str, Sequence[str]]) -> str:
    roles = [role_of(name) for name in wanted]
    return ", ".join(f"{reading.columns[role]} as {role}" for role in roles if role in reading.columns)


def _header(sample: Sample, dialect: Dialect) -> list[str]:
    rows = sample.rows(dialect)
    return [cell.strip() for cell in rows[0]] if rows else []


def header_cells(path: Path, reading: Reading) -> list[str]:
    """Return the cells of the first line of a table; empty if there is no text."""
    try:
        sample = Sample.read(path, reading.encoding)
        return _header(sample, sample.dialect())
    except (DataError, UnicodeError):
        return []


def _is_no_text(line: str) -> bool:
    return "\x00" in line or any("\ud800" <= character <= "\udfff" for character in line)


def _unrecognized(
    sample: Sample, kind: Kind, required: Mapping[str, Sequence[str]], names: Sequence[str], dialect: Dialect
) -> DataError:
    """Return the error for a table that is not recognized, with the option that makes it readable."""
    columns = shorten(", ".join(names), 200)
    item = next((names[at] for at in locate(names, {"item_id": COLUMNS["links"]["item_id"]}).values()), "")
    if kind != "interactions" and _has_all(names, "interactions"):
        said = f"has events ({columns}), not {kind}; give it as data.dir (kptool fit --data)"
        more = f", or make triples of another column: --columns item={shorten(item)},tail=HEADER"
        has_others = len(names) > len(locate(names, COLUMNS["interactions"]))
        return DataError(said + more * (kind == "triples" and has_others), sample.path, 1)
    widths = {len(row) for row in sample.rows(dialect)}
    if kind == "triples" and len(widths) > 1 and not dialect.separator and _is_data(sample.rows(dialect)):
        said = f"its lines have {min(widths)} to {max(widths)} columns, so that they are no triples; {sample.shown()}"
        return DataError(f"{said}; if they are lists, write each pair in a line of its own", sample.path, 1)
    if len(names) > 1 and _is_data(sample.rows(dialect)) and (len(names) >= len(required) or kind == "triples"):
        said = f"no header line with {', '.join(required)}; {sample.shown()}; give the numbers of the columns, e.g. "
        numbers = _numbers_said(sample.rows(dialect), kind, [*map(role_of, required)])
        return DataError(said + numbers, sample.path, 1)
    if kind == "triples" and item:
        said = f"has items (header: {columns}) and no column that is known to have their values; make triples of one "
        option = f"with --columns item={shorten(item)},tail=HEADER, or of several with --mapping FILE"
        return DataError(f"{said}{option}; {sample.shown()}", sample.path, 1)
    return _no_column(sample, kind, required, names)


def _no_column(sample: Sample, kind: Kind, required: Mapping[str, Sequence[str]], names: Sequence[str]) -> DataError:
    """Return the error for a header line without a required column, with the option that names it."""
    columns, roles = shorten(", ".join(names), 200), [*map(role_of, required)]
    missing = [name for name in required if name not in locate(names, required)]
    text = f"no column for '{missing[0]}' (header: {columns}); call it one of {spellings_said(required[missing[0]])}"
    options = ",".join(f"{role_of(name)}=HEADER" for name in missing)
    if missing == ["item_id"] and (ids := _other_ids(names, required)):
        options = f"item={shorten(ids[0])}"
    numbers = ",".join(f"{role}={number}" for number, role in enumerate(roles, 1))
    without = f" (--columns {numbers} if there is no header line)" * (len(missing) == len(roles) <= len(names))
    values = "; --columns item=HEADER,tail=HEADER if these are items and their values" * (kind == "triples")
    said = f"{text}; or say which it is with --columns {options}{without}{values}; {sample.shown()}"
    return DataError(said, sample.path, 1)


def _other_ids(names: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the headers that end in "id" and are not read."""
    found = locate(names, wanted).values()
    return [name for at, name in enumerate(names) if at not in found and name.casefold().endswith("id")]


def _numbers_said(rows: Sequence[Sequence[str]], kind: Kind, roles: Sequence[str]) -> str:
    """Return the option for a table without a header line; two columns, or two and a weight, have no relation."""
    pairs = "--columns item=1,tail=2"
    if kind == "triples" and len(rows[0]) == 2:
        return f"{pairs}, if these are items and their values; --columns head=1,tail=2, if these are edges"
    numbers = f"--columns {_numbers(rows, roles)}"
    if kind == "triples" and len(rows[0]) == 3 and all(map(_NUMBER.fullmatch, (row[-1].strip() for row in rows))):
        return f"{numbers}; or {pairs}, if these are items, their values and a weight"
    return numbers


def _numbers(rows: Sequence[Sequence[str]], roles: Sequence[str]) -> str:
    """Return what ``--columns`` may be: a column of times is no id, and neither is one of numbers with a fraction.

    The entity of a link is in a column of IRIs, if there is one.
    """
    columns = [[row[at].strip() for row in rows if len(row) > at] for at in range(len(rows[0]))]
    iris = [at for at, cells in enumerate(columns) if all("://" in cell for cell in cells)]
    if roles == ["item", "entity"] and len(iris) == 1:
        return f"item={2 if iris == [0] else 1},entity={iris[0] + 1}"
    times = [at for at, cells in enumerate(columns) if all(map(_TIMES.fullmatch, cells))]
    others = [at for at, cells in enumerate(columns) if at not in times and not all(map(_FRACTION.fullmatch, cells))]
    if roles[:1] != ["user"] or len(others) < len(roles):
        return ",".join(f"{role}={number}" for number, role in enumerate(roles, 1))
    found = [f"{role}={at + 1}" for role, at in zip(roles, others, strict=False)]
    return ",".join([*found, *(f"time={at + 1}" for at in times[:1])])


def _has_all(names: Sequence[str], kind: Kind) -> bool:
    required = {name: spellings for name, spellings in COLUMNS[kind].items() if name not in OPTIONAL}
    return len(locate(names, required)) == len(required)


def _is_data(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is one of data: a cell is a number, or occurs again in its column."""
    if not rows:
        return False
    first, others = rows[0], rows[1:]
    if any(_NUMBER.fullmatch(cell.strip()) for cell in first):
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
    return lambda sample: len(locate(_header(sample, sample.dialect()), wanted)) == len(wanted)


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
    if not _is_data(rows) or any(len(row) != 3 for row in rows):
        return False
    heads, relations, tails = (set(column) for column in zip(*rows, strict=True))
    scores = all(_FRACTION.fullmatch(tail.strip()) for tail in tails)
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
