"""Writes the tables of figures of the documentation from ``docs/figures/*.json``.

``python docs/tables.py`` rewrites the tables of all pages. ``python docs/tables.py take RESULT.json PAGE ID`` first
stores the rows that a benchmark wrote with ``--json`` as table ``ID`` of a page.

One file per page, ``{ID: table}``; a table has the keys

- ``command``: what produced the figures,
- ``conditions``: machine, data, date or load, as far as they are known,
- ``columns``: the headers, Markdown,
- ``rows``: one list of cells per row, Markdown, in the order of ``columns``.

In the page a table is between ``<!-- table: ID -->`` and ``<!-- end of table -->``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
FIGURES = DOCS / "figures"
KEYS = ("command", "conditions", "columns", "rows")
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n)\n?(.*?)\n?(<!-- end of table -->)", re.DOTALL)


def figures(page: str) -> dict[str, dict[str, Any]]:
    """Tables of a page by id."""
    tables: dict[str, dict[str, Any]] = json.loads((FIGURES / f"{page}.json").read_text(encoding="utf-8"))
    return tables


def table(entry: dict[str, Any]) -> str:
    """One table as Markdown."""
    lines = [entry["columns"], ["---"] * len(entry["columns"]), *entry["rows"]]
    return "".join(_line(cells) for cells in lines)


def _line(cells: list[str]) -> str:
    if set(cells) == {"---"}:
        return "|" + "|".join(cells) + "|\n"
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|\n"


def written(page: str, text: str) -> str:
    """The text of a page with its tables as the figures have them."""
    tables = figures(page)
    return MARKED.sub(lambda mark: f"{mark[1]}\n{table(tables[mark[2]])}\n{mark[4]}", text)


def take(result: Path, page: str, name: str) -> None:
    """Store the rows of a benchmark's JSON as a table."""
    found = json.loads(result.read_text(encoding="utf-8"))
    columns = ["name", "unit", "baseline", "ours", "ratio", "goal", "holds"]
    rows = [[_cell(row.get(column)) for column in columns] for row in found["rows"]]
    manifest = found["manifest"]
    known = {key: manifest[key] for key in ("date", "processor", "device", "commit") if key in manifest}
    conditions = ", ".join(f"{key} {value}" for key, value in known.items())
    tables = figures(page)
    command = str(manifest.get("command", ""))
    tables[name] = {"command": command, "conditions": conditions, "columns": columns, "rows": rows}
    save(page, tables)


def _cell(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return str(value)


def save(page: str, tables: dict[str, dict[str, Any]]) -> None:
    """Write the tables of a page, one row per line."""
    lines = []
    for name, entry in tables.items():
        rows = ",\n".join("      " + json.dumps(row, ensure_ascii=False) for row in entry["rows"])
        head = ",\n".join(f"    {json.dumps(key)}: {json.dumps(entry[key], ensure_ascii=False)}" for key in KEYS[:-1])
        lines.append(f'  {json.dumps(name)}: {{\n{head},\n    "rows": [\n{rows}\n    ]\n  }}')
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (FIGURES / f"{page}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["take"]:
        take(Path(sys.argv[2]), sys.argv[3], sys.argv[4])
    for file in sorted(FIGURES.glob("*.json")):
        document = DOCS / f"{file.stem}.md"
        document.write_text(written(file.stem, document.read_text(encoding="utf-8")), encoding="utf-8")
