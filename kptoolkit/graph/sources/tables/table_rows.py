"""Changes rows of tables as they are read: several values in a tail, and dates in several columns."""

from __future__ import annotations

from dataclasses import replace

from kptoolkit.storage.layouts.date_columns import join_dates
from kptoolkit.storage.text_tables import Table
from kptoolkit.storage.values.cells import values_in


def with_times(table: Table) -> Table:
    """Write year, month and day into one column."""
    return replace(table, columns={name: list(column) for name, column in join_dates(table.columns).items()})


def split_tails(table: Table, mark: str) -> Table:
    """Give each of several values in a tail a row of its own: those of a list, and those between ``mark``."""
    if not mark and not any(tail[:1] == "[" for tail in table["tail"]):
        return table
    columns: dict[str, list[str]] = {"head": [], "relation": [], "tail": []}
    lines: list[int] = []
    for head, relation, tail, line in zip(table["head"], table["relation"], table["tail"], table.lines, strict=True):
        values = values_in(tail, mark)
        columns["head"] += [head] * len(values)
        columns["relation"] += [relation] * len(values)
        columns["tail"] += values
        lines += [line] * len(values)
    return Table(columns, lines, table.path, table.cleaned)
