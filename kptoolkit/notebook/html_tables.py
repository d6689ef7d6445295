"""Tables and sentences as HTML; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from kptoolkit.errors import escaped
from kptoolkit.progress import cell

CELL_STYLE = "text-align:left;padding:0 1em 0 0"
"""Style of the cells of tables."""


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return facts as an HTML table of two columns.

    Args:
        title: Title of the table.
        facts: Value by name; names and values are escaped.
    """
    rows = "".join(
        f'<tr><th style="{CELL_STYLE}">{html_text(name)}</th><td style="{CELL_STYLE}">{html_text(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><b>{html_text(title)}</b><table>{rows}</table></div>"


def rows_html(columns: Sequence[str], rows: Iterable[Sequence[object]], more: int = 0) -> str:
    """Return rows as an HTML table.

    Args:
        columns: Names of the columns.
        rows: Values; they are escaped.
        more: Number of rows that are left out, which the last line says.
    """
    head = "".join(f'<th style="{CELL_STYLE}">{html_text(name)}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL_STYLE}">{html_text(value)}</td>' for value in row) + "</tr>" for row in rows
    )
    rest = f"<div>and {more:,} more</div>" if more else ""
    return f"<table><tr>{head}</tr>{body}</table>{rest}"


def lines_html(lines: Iterable[str]) -> str:
    """Return sentences as HTML, one per line; they are escaped."""
    return "".join(f'<div style="max-width:60em">{html_text(line)}</div>' for line in lines if line)


def html_text(value: object) -> str:
    """Return a value as HTML without markup of its own."""
    return escape(escaped(cell(value)))
