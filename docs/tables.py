"""Writes the tables of figures of the documentation from ``docs/figures/*.json``.

``python docs/tables.py`` rewrites the tables of all pages. ``python docs/tables.py take RESULT.json PAGE ID`` first
stores the rows that a benchmark wrote with ``--json`` as table ``ID`` of a page; ``python docs/tables.py study FOLDER
DATA`` takes those that ``kptool study NAME`` wrote into a folder, as table ``DATA`` of the page ``studies/NAME``, and
the plot.

One file per page, ``{ID: table}``; a table has the keys

- ``command``: what produced the figures,
- ``conditions``: machine, data, date or load, as far as they are known,
- ``columns``: the headers, Markdown,
- ``rows``: one list of cells per row, Markdown, in the order of ``columns``.

In the page a table is between ``<!-- table: ID -->`` and ``<!-- end of table -->``, with its command and conditions.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
FIGURES = DOCS / "figures"
KEYS = ("command", "conditions", "columns", "rows")
_NOT_SHOWN = {"parameters", "best epoch", "epochs", "positions per epoch", "filled share", "padding"}
"""Columns of a study that its own page has, and pages of the documentation leave out."""
_LEAD = re.compile(r"^([+-])0\.")
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
    return MARKED.sub(lambda mark: f"{mark[1]}\n{table(tables[mark[2]])}\n{source(tables[mark[2]])}\n\n{mark[4]}", text)


def source(entry: dict[str, Any]) -> str:
    """What produced a table, as the line below it."""
    commands = ", ".join(f"`{command.strip()}`" for command in re.split(r";|&&", entry["command"]))
    return f"Made by {commands}" + (f": {entry['conditions']}." if entry["conditions"] else ".")


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


def take_study(folder: Path, data: str) -> None:
    """Store the table of a study as a table of its page, and its plot next to the page.

    Args:
        folder: What ``kptool study`` has written.
        data: Name of the data set.
    """
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    header, _, *rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in (folder / "table.md").read_text(encoding="utf-8").splitlines()
    ]
    backends = {row[0] for row in rows}
    left_out = _NOT_SHOWN | {name for name in header if name.startswith("HR@10")}
    left_out |= {"backend"} if len(backends) == 1 else set()
    shown = [at for at, name in enumerate(header) if name not in left_out and any(row[at] for row in rows)]
    name, seeds = found["name"], found["seeds"]
    mode = "" if found["mode"] == "standard" else f" --{found['mode']}"
    command = f"kptool study {name}{mode} --seeds {len(seeds)} --data $KPTOOL_DATA/{data}"
    page = f"studies/{name}"
    known = figures(page) if (FIGURES / f"{page}.json").is_file() else {}
    known[data] = {
        "command": command + "".join(f" --backend {each}" for each in sorted(backends)),
        "conditions": f"{data}, {found['cases']:,} test cases, seeds {seeds[0]} to {seeds[-1]}; * significant",
        "columns": [header[at] for at in shown],
        "rows": [[_LEAD.sub(r"\1.", row[at]) for at in shown] for row in rows],
    }
    save(page, known)
    shutil.copyfile(folder / "plot.png", DOCS / "studies" / f"{name}-{data}.png")


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


def pages() -> list[str]:
    """Names of all pages that have figures: ``results``, ``studies/noise``."""
    return sorted(file.relative_to(FIGURES).with_suffix("").as_posix() for file in FIGURES.rglob("*.json"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["take", result, page, name]:
            take(Path(result), page, name)
        case ["study", folder, data]:
            take_study(Path(folder), data)
    for page in pages():
        document = DOCS / f"{page}.md"
        document.write_text(written(page, document.read_text(encoding="utf-8")), encoding="utf-8")
