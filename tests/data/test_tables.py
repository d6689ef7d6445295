from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data import tables
from kptoolkit.data.tables import columns_of, read_table
from kptoolkit.errors import DataError
from kptoolkit.storage.values.cells import clean_id

WANTED = {"user_id": ("user_id", "user"), "item_id": ("item_id", "item")}
TIME = {"timestamp": ("timestamp", "ts")}


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_recbole_file_with_types_bom_and_windows_line_ends(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.inter", '\ufeffuser_id:token\titem_id:token\trating:float\r\n01\tb c\t5\r\n\r\n2\t"q"\t4\r\n'
    )
    table = read_table(path, WANTED, TIME)
    assert table.columns["user_id"].tolist() == ["01", "2"]
    assert table.columns["item_id"].tolist() == ["b c", "q"]
    assert table.lines.tolist() == [2, 4]
    assert "timestamp" not in table.columns


@pytest.mark.parametrize("header", ["userId,itemId", "User_ID,ITEM", "user,item_id"])
def test_spellings(tmp_path: Path, header: str) -> None:
    assert read_table(write(tmp_path / "x.csv", f"{header}\na,b\n"), WANTED).columns["item_id"].tolist() == ["b"]


def test_csv_quotes_semicolons_and_lines_of_rows_after_a_field_of_two_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", 'user;item;note\n"a;1";"b ""x""";"one\ntwo"\nc;d;e\n')
    table = read_table(path, WANTED)
    assert table.columns["user_id"].tolist() == ["a;1", "c"]
    assert table.columns["item_id"].tolist() == ['b "x"', "d"]
    assert table.lines.tolist() == [2, 4]


@pytest.mark.parametrize("suffix", [".inter", ".csv", ".tsv"])
def test_gzip_is_known_by_its_bytes(tmp_path: Path, suffix: str) -> None:
    mark = "," if suffix == ".csv" else "\t"
    text = f"user_id{mark}item_id\nä{mark}2\n".encode()
    for name in (f"x{suffix}.gz", f"y{suffix}"):
        (tmp_path / name).write_bytes(gzip.compress(text))
        assert read_table(tmp_path / name, WANTED).columns["user_id"].tolist() == ["ä"]
        assert columns_of(tmp_path / name) == ["user_id", "item_id"]


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("x.inter", b"user_id\titem_id\n1\t2\n\n3\n", 4, "1 column instead of 2"),
        ("x.csv", b'user,item\n"a\nb",2\n3,4,5\n', 4, "3 columns instead of 2"),
        ("x.csv", b'user,item\n1,2\n3,"never closed\n5,6\n', 3, "is not CSV"),
        ("x.csv", b'user,item\n1,2\n3,"a" b\n', 3, "is not CSV"),
        ("x.inter", b"user_id\titem_id\n1\t2\n\xff\xfe\t2\n", 3, "UTF-8"),
        ("x.inter", "user_id\titem_id\n1\t2\n".encode("utf-16"), 1, "UTF-8"),
        ("x.inter", b"", None, "empty"),
        ("x.inter", b"user_id:token\titem_id:token\n", None, "no rows"),
        ("x.inter", b"user_id\tthing\n1\t2\n", 1, "no column for 'item_id' (header: user_id, thing)"),
        ("x.parquet", b"PAR1 no", None, "Parquet"),
        ("x.xlsx", b"", None, "unknown format"),
    ],
)
def test_bad_files_are_named_with_their_line(
    tmp_path: Path, name: str, content: bytes, line: int | None, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(path, WANTED)
    assert caught.value.path == path
    assert caught.value.line == line
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.csv: no such file"):
        read_table(tmp_path / "x.csv", WANTED)


def test_truncated_gzip_names_the_line_it_breaks_at(tmp_path: Path) -> None:
    rows = "".join(f"{user * 7919 % 10007}\t{user * 104729 % 9973}\n" for user in range(20_000))
    packed = gzip.compress(("user_id\titem_id\n" + rows).encode())
    path = tmp_path / "x.inter.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="ends early or is damaged") as caught:
        read_table(path, WANTED)
    assert caught.value.line is not None
    assert 5_000 < caught.value.line < 15_000


def test_empty_id_and_bad_time_are_found_with_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x.inter", "user_id\titem_id\tts\n1\t2\t3\n\n1\t \tx\n")
    table = read_table(path, WANTED, TIME)
    with pytest.raises(DataError, match="no item_id in this row") as caught:
        table.strings("item_id")
    assert caught.value.line == 4
    with pytest.raises(DataError, match="timestamp 'x' is neither a number nor a date") as caught:
        table.times("timestamp")
    assert caught.value.line == 4


@pytest.mark.parametrize("value", ["nan", "inf", "", "-inf"])
def test_times_are_finite(tmp_path: Path, value: str) -> None:
    table = read_table(write(tmp_path / "x.csv", f"user,item,ts\n1,2,3\n1,3,{value}\n"), WANTED, TIME)
    with pytest.raises(DataError) as caught:
        table.times("timestamp")
    assert caught.value.line == 3


def test_dates_become_seconds(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "user,item,ts\n1,2,1970-01-02\n1,3,1970-01-01T00:01:00+00:00\n")
    assert read_table(path, WANTED, TIME).times("timestamp").tolist() == [86400.0, 60.0]


def test_parquet_types(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    moments = pd.to_datetime(["1970-01-01 00:00:05", "1970-01-01 00:00:06"])
    pd.DataFrame({"user": [1, 2], "item": [3.0, 4.5], "ts": moments}).to_parquet(path)
    table = read_table(path, WANTED, TIME)
    assert table.strings("user_id").tolist() == ["1", "2"]
    assert table.strings("item_id").tolist() == ["3", "4.5"]
    assert table.times("timestamp").tolist() == [5.0, 6.0]
    pd.DataFrame({"user": ["a", None], "item": [3.0, np.nan]}).to_parquet(path)
    for name in WANTED:
        with pytest.raises(DataError) as caught:
            read_table(path, WANTED).strings(name)
        assert caught.value.line == 2


FIELD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00"), max_size=8)


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=20))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("user", "item"), *rows])
    table = read_table(path, WANTED)
    found = list(zip(table.columns["user_id"], table.columns["item_id"], strict=True))
    assert found == [(clean_id(user), clean_id(item)) for user, item in rows]


CELL = st.text(st.sampled_from('ab é\u2028\x0b\x85"'), max_size=5)
LINES = st.lists(st.tuples(CELL, CELL).map("\t".join), min_size=1, max_size=12)


@given(LINES, st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_splitting_blocks_equals_splitting_rows(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: bool, newline: str
) -> None:
    path = tmp_path_factory.mktemp("tab") / "x.tsv"
    path.write_bytes((newline.join(["user\titem", *lines]) + (newline if end else "")).encode())
    regular, rows = tables._read_regular(path, WANTED, {}), tables._read_rows(path, WANTED, {})
    assert regular is not None
    assert regular.lines.tolist() == rows.lines.tolist()
    for name in WANTED:
        assert regular.columns[name].tolist() == rows.columns[name].tolist()


@pytest.mark.parametrize(
    "text", ["u\ti\na\tb\n\nc\td\n", "u\ti\na\n", "u\ti\na\tb\tc\n", "u\ti\na\tb\rc\td\n", "u\ti\n"]
)
def test_other_files_are_read_row_by_row(tmp_path: Path, text: str) -> None:
    assert tables._read_regular(write(tmp_path / "x.tsv", text), {"u": ("u",), "i": ("i",)}, {}) is None


def test_clean_files_are_split_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BLOCK", 10)
    lines = [f"u{k}\ti{k}\t{k}" for k in range(50)]
    found = tables._read_regular(write(tmp_path / "x.inter", "\n".join(["user\titem\tts", *lines])), WANTED, TIME)
    assert found is not None
    assert found.columns["item_id"].tolist() == [f"i{k}" for k in range(50)]
    assert found.times("timestamp").tolist() == list(range(50))
    assert found.lines.tolist() == list(range(2, 52))
