"""Folders of tables: what is read of them together is what is read of each file alone, however it is written."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from kptoolkit.data.checking.checks import check
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.errors import DataError
from kptoolkit.graph import FileSource, open_source
from kptoolkit.storage.dialects import Reading

TABLES = {
    "triples": "head,relation,tail\np0,made in,Öl\np1,made in,b\n",
    "links": "item_id,entity_id,Größe\n0,p0,L\n1,p1,M\n",
    "names": "entity_id,name\np0,Käse\np1,Brot\nÖl,Öl\nb,B\n",
    "items": "item_id,title,Größe\n0,Käse,L\n1,Brot,M\n",
    "events": "user_id,item_id,timestamp,Straße\nu,0,2,x\nu,1,1,y\nv,1,7,y\nv,0,8,y\n",
}
#: Ending, separator, first line, encoding, and whether the encoding has to be said.
WRITTEN = {
    "plain": ("csv", ",", "", "utf-8", False),
    "sep=": ("csv", ";", "sep=;\n", "utf-8", False),
    "bars in txt": ("txt", "|", "", "utf-8", False),
    "semicolons in txt": ("txt", ";", "", "utf-8", False),
    "UTF-16": ("csv", "\t", "", "utf-16", False),
    "UTF-16 txt": ("txt", "\t", "", "utf-16", False),
    "Latin-1": ("csv", ";", "", "latin-1", True),
    "Latin-1 txt": ("txt", "|", "", "latin-1", True),
    "tsv": ("tsv", "\t", "", "utf-8", False),
}


def written(folder: Path, name: str, tables: dict[str, str] = TABLES) -> Reading:
    ending, mark, first, encoding, given = WRITTEN[name]
    for table, text in tables.items():
        content = first + text.replace(",", mark)
        (folder / f"{table}.{ending}").write_bytes(content.replace("\n", "\r\n").encode(encoding))
    return Reading(encoding=encoding if given else None)


def counts(source: FileSource) -> list[int]:
    tables = (source.triples, source.links, source.names, source.items, source.interactions)
    return [sum(map(len, rows())) for rows in tables]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_folder_is_read_whatever_its_tables_are_written_like(tmp_path: Path, name: str) -> None:
    reading = written(tmp_path, name)
    source = open_source([tmp_path], interactions=True, encoding=reading.encoding)
    assert counts(source) == [2, 2, 4, 2, 4]
    assert source.not_read == []
    folder = DataFolder.read(tmp_path, reading)
    assert folder.interactions is not None
    assert folder.interactions.history_of("u").tolist() == [1, 0]
    assert folder.triples is not None
    assert sorted(folder.triples.entities) == ["b", "p0", "p1", "Öl"]
    assert folder.links is not None
    assert folder.items is not None
    assert folder.names is not None
    assert folder.not_read == []


def test_a_folder_of_parquet_files_is_read(tmp_path: Path) -> None:
    for table, text in TABLES.items():
        pd.read_csv(io.StringIO(text), dtype=str).to_parquet(tmp_path / f"{table}.parquet")
    source = open_source([tmp_path], interactions=True)
    assert counts(source) == [2, 2, 4, 2, 4]
    assert source.not_read == []


@pytest.mark.parametrize("name", WRITTEN)
def test_events_next_to_a_table_of_items_are_loaded(tmp_path: Path, name: str) -> None:
    tables = {"books": "isbn,title,author\n1,A,X\n2,B,Y\n", "loans": "member_id,isbn,date\nm,1,2024-03-01\n"}
    reading = written(tmp_path, name, tables)
    source = open_source([tmp_path], interactions=True, encoding=reading.encoding)
    assert counts(source) == [2, 2, 4, 2, 1]
    assert counts(open_source([tmp_path], encoding=reading.encoding))[-1] == 0


@pytest.mark.parametrize("others", [{}, {"triples": TABLES["triples"]}, {"more": "book_id,page\n1,3\n"}])
def test_interactions_that_are_not_there_are_an_error(tmp_path: Path, others: dict[str, str]) -> None:
    tables = {"books": "isbn,title,author\n1,A,X\n2,B,Y\n"} | others
    written(tmp_path, "plain", tables)
    with pytest.raises(DataError, match="leave --interactions out"):
        open_source([tmp_path], interactions=True)


def test_files_that_are_not_read_are_found(tmp_path: Path) -> None:
    written(tmp_path, "plain", {**TABLES, "people": "person,page\n1,3\n", "notes": "a,b\n1,2\n"})
    (tmp_path / "README.txt").write_text("a,b\n")
    written(tmp_path, "plain", {"items": TABLES["items"]})
    found = next(one for one in check(tmp_path) if one.what == "files of this folder that are not read")
    assert found.examples == ("notes.csv", "people.csv")
    assert found.level == "note"


def test_files_are_not_read_where_one_has_to_be_chosen(tmp_path: Path) -> None:
    written(tmp_path, "plain", {**TABLES, "triples2": TABLES["triples"]})
    found = next(one for one in check(tmp_path) if one.what == "files of this folder that are not read")
    assert {"triples.csv", "triples2.csv"} <= set(found.examples)
    assert found.level == "warning"
