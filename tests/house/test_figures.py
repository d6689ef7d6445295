"""The tables of figures in the documentation are those of ``docs/figures/*.json``."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from source_tree import CHECKOUT

DOCS = CHECKOUT / "docs"


def script() -> ModuleType:
    """``docs/tables.py`` as a module."""
    spec = importlib.util.spec_from_file_location("docs_tables", DOCS / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = script()
NUMBER = re.compile(r"-?[\d.,]*\d(?: %)?")
PAGES = tables.pages()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_figures_as_they_are(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    assert tables.written(page, text) == text, "run: python docs/tables.py"
    assert {name for _, name, *_ in tables.MARKED.findall(text)} == tables.figures(page).keys()


@pytest.mark.parametrize("page", PAGES)
def test_every_table_says_what_produced_it(page: str) -> None:
    for name, entry in tables.figures(page).items():
        assert tuple(entry) == tables.KEYS, name
        assert entry["command"], name
        assert {len(row) for row in entry["rows"]} == {len(entry["columns"])}, name


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith(("benchmarks", "results", "studies/"))])
def test_no_table_of_these_pages_is_written_by_hand(page: str) -> None:
    text = tables.MARKED.sub("", (DOCS / f"{page}.md").read_text(encoding="utf-8"))
    assert not [line for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_tables_of_measured_figures_are_generated(page: Path) -> None:
    """A table row with two or more cells that are nothing but a number belongs into ``docs/figures``."""
    text = tables.MARKED.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert not [line for line in rows if sum(bool(NUMBER.fullmatch(cell.strip())) for cell in line.split("|")) > 1]


def test_a_benchmark_becomes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "FIGURES", tmp_path)
    tables.save("page", {})
    row = {
        "name": "load",
        "unit": "triples per s",
        "baseline": 2,
        "ours": 4.0,
        "ratio": 2.0,
        "goal": ">= 1",
        "holds": True,
    }
    result = tmp_path / "result.txt"
    manifest = {"command": "python -m benchmarks.ingest", "commit": "abc"}
    result.write_text(json.dumps({"rows": [row, {"name": "memory"}], "manifest": manifest}), encoding="utf-8")
    tables.take(result, "page", "load")
    entry = tables.figures("page")["load"]
    assert (entry["command"], entry["conditions"]) == ("python -m benchmarks.ingest", "commit abc")
    assert tables.table(entry).splitlines()[2:] == [
        "| load | triples per s | 2 | 4 | 2 | >= 1 | yes |",
        "| memory | | | | | | |",
    ]
    text = "<!-- table: load -->\nold\n<!-- end of table -->\n"
    assert "\nold\n" not in tables.written("page", text)
    assert "\nMade by `python -m benchmarks.ingest`: commit abc.\n" in tables.written("page", text)


def test_a_study_becomes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "FIGURES", tmp_path)
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    study = tmp_path / "study"
    for folder in ("study", "studies"):
        (tmp_path / folder).mkdir()
    known = {"name": "noise", "mode": "quick", "seeds": [2308, 2309], "cases": 3493}
    (study / "results.json").write_text(json.dumps(known), encoding="utf-8")
    rows = [
        "| backend | arm | NDCG@10 alone | HR@10 alone | lead | seconds | epochs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| sequence | 0 | .1 (.0 to .2) | .3 | | 4 | 9 |",
        "| sequence | 1 | .1 (.0 to .2) | .3 | +0.0100* | 5 | 9 |",
    ]
    (study / "table.md").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (study / "plot.png").write_bytes(b"a picture")
    tables.take_study(study, "books")
    entry = tables.figures("studies/noise")["books"]
    assert entry["command"] == "kptool study noise --quick --seeds 2 --data $KPTOOL_DATA/books --backend sequence"
    assert entry["conditions"] == "books, 3,493 test cases, seeds 2308 to 2309; * significant"
    assert entry["columns"] == ["arm", "NDCG@10 alone", "lead", "seconds"]
    assert entry["rows"] == [["0", ".1 (.0 to .2)", "", "4"], ["1", ".1 (.0 to .2)", "+.0100*", "5"]]
    assert (tmp_path / "studies" / "noise-books.png").read_bytes() == b"a picture"
    other = [*rows[:3], "| kp4sr | 0 | .1 (.0 to .2) | .3 | | 9 | 9 |"]
    (study / "table.md").write_text("\n".join(other) + "\n", encoding="utf-8")
    tables.take_study(study, "movies")
    assert tables.figures("studies/noise")["movies"]["columns"][:2] == ["backend", "arm"]
    assert tables.figures("studies/noise")["books"] == entry
