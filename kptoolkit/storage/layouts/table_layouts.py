"""Recognizes the layout of a text table: by its header line, or as one of the layouts of public data sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
from kptoolkit.storage.layouts.known_layouts import (
    FRACTION,
    LAYOUTS,
    NUMBER,
    Kind,
    TableLayout,
    header_row,
    is_data,
)
from kptoolkit.storage.layouts.parquet_tables import first_cells
from kptoolkit.storage.layouts.time_columns import LOOKED_AT, Cells, cells_of, check_times, unread_times, with_times
from kptoolkit.storage.values.cells import is_missing

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
_TIMES = re.compile(r"1\d{9}(?:\d{3})?|\d{4}-\d\d-\d\d.*|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d.*")


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
    names = header_row(sample, dialect)
    if reading.numbered(COLUMNS[kind]) and _has_all(names, kind):
        return Recognized(dialect, COLUMNS[kind], "a header line, so that numbers of columns are not used")
    if reading.numbered(COLUMNS[kind]):
        dialect, left_out = numbered(sample, dialect)
        said = f"columns by number: {_columns_said(reading, wanted)}{left_out}"
        return Recognized(dialect, _given_only(wanted, reading), said)
    required = {name: spellings for name, spellings in wanted.items() if name not in OPTIONAL}
    if len(locate(names, required)) == len(required):
        check_candidates(names, wanted, path, 1)
        cells = cells_of(names, sample.rows(dialect)[1:]) if kind == "interactions" else {}
        return Recognized(dialect, *columns_and_times(names, wanted, kind, cells, reading, path))
    for layout in LAYOUTS:
        if layout.kind == kind and layout.matches(sample):
            return _of_layout(layout, dialect, wanted)
    raise _unrecognized(sample, kind, required, names, dialect)


def recognize_parquet(path: Path, kind: Kind, reading: Reading) -> Recognized:
    """Recognize the columns of a Parquet file by their names; those that are missing are said when it is read.

    Args:
        path: The file.
        kind: What its rows are.
        reading: What the user says about it.

    Raises:
        DataError: It cannot be read, or two columns may be the same one.
    """
    wanted = reading.spellings(COLUMNS[kind])
    cells = first_cells(path, LOOKED_AT)
    names = list(cells)
    check_candidates(names, wanted, path)
    return Recognized(Dialect(), *columns_and_times(names, wanted, kind, cells, reading, path))


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
    return bool(NUMBER.fullmatch(cell.strip()) or _TIMES.fullmatch(cell.strip()))


def _of_layout(layout: TableLayout, dialect: Dialect, wanted: Mapping[str, Sequence[str]]) -> Recognized:
    found = layout.dialect or dialect
    found = replace(found, encoding=dialect.encoding, header=layout.header)
    columns = {name: (layout.columns[name],) if name in layout.columns else wanted[name] for name in wanted}
    parts = [f"{header} as {role_of(name)}" for name, header in layout.columns.items()]
    said = f"{layout.label}: {', '.join(parts or [role_of(name) for name in layout.header])}"
    return Recognized(found, columns, said, layout)


def columns_and_times(
    names: Sequence[str], wanted: Mapping[str, Sequence[str]], kind: Kind, cells: Cells, reading: Reading, path: Path
) -> tuple[dict[str, Sequence[str]], str]:
    """Return accepted headers by column with those of times, and which columns are read as what.

    Args:
        names: The headers.
        wanted: Accepted headers by column.
        kind: What the rows are.
        cells: First cells by header.
        reading: What the user says about the file.
        path: The file, for messages.

    Raises:
        DataError: Two columns may be the same one.
    """
    found, unread = dict(wanted), ""
    if kind == "interactions":
        found = with_times(names, wanted, cells, reading.date_format)
        check_times(names, found, cells, reading, path)
        unread = unread_times(names, found, cells)
    said = columns_said(names, found, reading.min_rating if kind == "interactions" else None)
    return found, "; ".join(filter(None, (_choice_said(names, found), said, unread)))


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


def header_cells(path: Path, reading: Reading) -> list[str]:
    """Return the cells of the first line of a table; empty if there is no text."""
    try:
        sample = Sample.read(path, reading.encoding)
        return header_row(sample, sample.dialect())
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
    if kind == "triples" and len(widths) > 1 and not dialect.separator and is_data(sample.rows(dialect)):
        said = f"its lines have {min(widths)} to {max(widths)} columns, so that they are no triples; {sample.shown()}"
        return DataError(f"{said}; if they are lists, write each pair in a line of its own", sample.path, 1)
    if len(names) > 1 and is_data(sample.rows(dialect)) and (len(names) >= len(required) or kind == "triples"):
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
    if kind == "triples" and len(rows[0]) == 3 and all(map(NUMBER.fullmatch, (row[-1].strip() for row in rows))):
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
    others = [at for at, cells in enumerate(columns) if at not in times and not all(map(FRACTION.fullmatch, cells))]
    if roles[:1] != ["user"] or len(others) < len(roles):
        return ",".join(f"{role}={number}" for number, role in enumerate(roles, 1))
    found = [f"{role}={at + 1}" for role, at in zip(roles, others, strict=False)]
    return ",".join([*found, *(f"time={at + 1}" for at in times[:1])])


def _has_all(names: Sequence[str], kind: Kind) -> bool:
    required = {name: spellings for name, spellings in COLUMNS[kind].items() if name not in OPTIONAL}
    return len(locate(names, required)) == len(required)
