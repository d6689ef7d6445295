"""Folders of tables: what is read of them together is what is read of each file alone, however it is written."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from kptoolkit.data.catalogue import read_items
from kptoolkit.data.checking.checks import check
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.interactions import read_interactions
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


QUOTED = {
    "doubled marks": ('0\t"A ""big"" one"\tx', 'A "big" one'),
    "a tab": ('0\t"A\tB"\tx', "A\tB"),
    "marks of a name": ('0\t"Heroes"\tx', '"Heroes"'),
    "no whole cell": ('0\t"A ""big one\tx', '"A ""big one'),
    "marks inside": ('0\tA ""big"" one\tx', 'A ""big"" one'),
}


@pytest.mark.parametrize("name", QUOTED)
@pytest.mark.parametrize("ending", ["tsv", "txt"])
def test_cells_between_tabs_may_be_quoted(tmp_path: Path, name: str, ending: str) -> None:
    line, title = QUOTED[name]
    path = tmp_path / f"items.{ending}"
    path.write_text(f'item_id\ttitle\tgenre\n{line}\n1\t"B"\ty\n')
    expected = {"0": title, "1": "B" if name in ("doubled marks", "a tab") else '"B"'}
    table = read_items(path)
    assert dict(zip(table.columns["item_id"], table.columns["title"], strict=True)) == expected
    listed = [row for one in open_source([path]).items() for row in zip(one["item_id"], one["title"], strict=True)]
    assert dict(listed) == expected


def test_a_file_of_recbole_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "x.item"
    path.write_text('item_id:token\ttitle:token_seq\n0\t"A ""big"" one"\n')
    assert list(read_items(path).columns["title"]) == ['"A ""big"" one"']


@pytest.mark.parametrize(("ending", "mark"), [("csv", ","), ("csv", ";"), ("csv", "|"), ("txt", ","), ("txt", ";")])
def test_a_mark_within_a_quoted_header_is_no_separator(tmp_path: Path, mark: str, ending: str) -> None:
    header = mark.join(["user_id", "item_id", "timestamp", '"title, author; year | place, price; x | y, z"'])
    path = tmp_path / f"x.{ending}"
    path.write_text(f"{header}\nu{mark}a{mark}2{mark}c\nu{mark}b{mark}1{mark}d\n")
    assert len(read_interactions(path)[0]) == 2


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_the_index_of_pandas_is_no_column_of_names(tmp_path: Path, index: str) -> None:
    (tmp_path / "books.csv").write_text(f"{index},book_id,title,publisher_id\n0,7,A,1\n1,8,B,2\n")
    (tmp_path / "publishers.csv").write_text(f"{index},publisher_id,publisher\n0,1,Tor\n1,2,Orbit\n")
    (names,) = [dict(zip(one["entity_id"], one["name"], strict=True)) for one in open_source([tmp_path]).names()]
    assert names == {"7": "A", "8": "B", "publisher:1": "Tor", "publisher:2": "Orbit"}


@pytest.mark.parametrize("other", ["student_id", "customer_id", "user_id", "uid"])
def test_a_session_is_a_user_only_where_there_is_no_other(tmp_path: Path, other: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"session_id,{other},item_id\ns1,u,a\ns2,u,b\n")
    assert read_interactions(path)[0].user_ids.tolist() == ["u"]
    path.write_text("session_id,item_id\ns1,a\ns2,b\n")
    assert read_interactions(path)[0].user_ids.tolist() == ["s1", "s2"]
