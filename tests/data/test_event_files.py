"""Events in the layouts of public data sets: what is read, in which order, and what is left out."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.config import load_config
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.event_files import reading_of
from kptoolkit.data.interactions import Interactions, read_interactions
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.storage.dialects import Reading
from kptoolkit.storage.values.cells import clean_id, is_missing
from kptoolkit.storage.values.times import advice_for, seconds_of

LAYOUTS = Path(__file__).resolve().parents[1] / "layouts"


def histories(found: Interactions) -> dict[str, list[str]]:
    return {user: [str(found.item_ids[item]) for item in found.history_of(user)] for user in found.user_ids}


@pytest.mark.parametrize("file", sorted((LAYOUTS / "time_columns").iterdir()), ids=lambda file: file.stem)
def test_a_column_of_times_sorts_the_events(file: Path) -> None:
    assert histories(read_interactions(file)[0]) == {"u1": ["c", "b", "a"], "u2": ["b", "c", "a"]}


def test_times_with_utc_sort_the_events() -> None:
    found = histories(read_interactions(LAYOUTS / "shop_events" / "events.csv")[0])
    assert found["520088904"][0] == "1003461"


def test_kgat_has_the_original_ids_and_the_order_of_its_files() -> None:
    found, report = read_interactions(LAYOUTS / "kgat")
    assert report.layout.startswith("KGAT")
    assert histories(found) == {
        "AAA": ["0451526538", "0141439580", "0141441143", "0486282112", "0143105949"],
        "BBB": ["0141439580", "0141441143", "0486282112", "0451526538"],
        "CCC": ["0143105949", "0486282112", "0141441143", "0141439580", "0451526538"],
    }


def test_the_files_of_the_authors_have_the_original_items() -> None:
    found = histories(read_interactions(LAYOUTS / "kp4sr_authors" / "books")[0])
    assert found == {"U1": ["B1", "B2", "B3"], "2": ["B2", "B1", "B3"]}


def test_a_split_is_joined_in_the_order_of_time(tmp_path: Path) -> None:
    for part, item in (("test", "c"), ("train", "a"), ("valid", "b")):
        (tmp_path / f"d.{part}.inter").write_text(f"user_id:token\titem_id:token\nu\t{item}\n")
    found, report = read_interactions(tmp_path)
    assert histories(found) == {"u": ["a", "b", "c"]}
    assert "d.train.inter, d.valid.inter, d.test.inter" in report.layout


def test_sequences_are_events_in_their_order() -> None:
    found = histories(read_interactions(LAYOUTS / "recbole_split" / "seq")[0])
    assert found == {"1": ["a", "b", "c", "d"], "2": ["b", "c", "d"]}


def test_kgcn_ratings_with_label_0_are_no_events(tmp_path: Path) -> None:
    (tmp_path / "ratings_final.txt").write_text("0\t7\t1\n0\t8\t0\n1\t7\t1\n")
    (tmp_path / "kg_final.txt").write_text("7\t0\t9\n")
    for path in (tmp_path, tmp_path / "ratings_final.txt"):
        assert histories(read_interactions(path)[0]) == {"0": ["7"], "1": ["7"]}


@pytest.mark.parametrize(
    ("name", "text", "reading", "expected"),
    [
        ("x.csv", "9,u,3\n8,u,1\n", "item=1,user=2,time=3", ["8", "9"]),
        ("x.txt", "u 9 3\nu 8 1\n", "item=2,user=1,time=3", ["8", "9"]),
        ("x.txt", 'user,item,name\nu,9,"A, B"\nu,8,"C"\n', "", ["9", "8"]),
        ("x.tsv", "who\twhat\nu\t9\nu\t8\n", "user=who,item=what", ["9", "8"]),
        ("x.dat", "u::9::5::3\nu::8::1::1\n", "", ["8", "9"]),
        ("x.data", "1\t9\t5\t978300760\n1\t8\t3\t978300750\n", "", ["8", "9"]),
        ("x.csv", "A12,B0009,5.0,1588687729\nA12,B0008,4.0,1588687728\n", "", ["B0008", "B0009"]),
        ("x.csv", "B0009,A12,5.0,1588687729\nB0008,A12,4.0,1588687728\n", "", ["B0008", "B0009"]),
    ],
)
def test_columns_by_number_by_name_and_by_layout(
    tmp_path: Path, name: str, text: str, reading: str, expected: list[str]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert list(histories(read_interactions(path, Reading.of(reading))[0]).values()) == [expected]


def test_a_file_without_header_shows_its_lines_and_the_option(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("17,4,2\n18,5,9\n")
    with pytest.raises(DataError, match=r"no header line .* 1: 17,4,2 / 2: 18,5,9; .*--columns user=1,item=2"):
        read_interactions(path)


@pytest.mark.parametrize(
    ("columns", "encoding"),
    [("user", ""), ("user=", ""), ("person=1", ""), ("user=1,user=2", ""), ("", "latin-99"), ("", "base64")],
)
def test_wrong_settings_are_errors(columns: str, encoding: str) -> None:
    config = load_config(None, {"data.columns": columns, "data.encoding": encoding}, {})
    with pytest.raises(ConfigError, match="--columns" if columns else "--encoding"):
        reading_of(config.data)


def test_json_lines_lists_and_python_notation_have_the_same_events(tmp_path: Path) -> None:
    rows = [
        {"user_id": "u", "business_id": f"b{n}", "date": f"2020-01-{9 - n:02} 00:00:00", "x": None} for n in range(5)
    ]
    (tmp_path / "lines.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "python.json.gz").write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode()))
    for file in sorted(tmp_path.iterdir()):
        found, report = read_interactions(file)
        assert histories(found) == {"u": ["b4", "b3", "b2", "b1", "b0"]}, file
        assert report.layout == "JSON lines: user_id as user, business_id as item, date as time"


@given(
    st.lists(
        st.fixed_dictionaries({"user_id": st.text('ab"\\,é]{\n', min_size=1), "item_id": st.text("cd[}", min_size=1)}),
        min_size=1,
        max_size=8,
    )
)
def test_any_list_of_objects_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> None:
    rows = [row for row in rows if not is_missing(row["user_id"])] or [{"user_id": "u", "item_id": "c"}]
    path = tmp_path_factory.mktemp("json") / "x.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    found = {(user, item) for user, items in histories(read_interactions(path)[0]).items() for item in items}
    assert found == {(clean_id(row["user_id"]), clean_id(row["item_id"])) for row in rows}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"user_id": "u", "item_id": "i"}\nnothing\n', "line 2: no JSON"),
        ('{"user_id": "u", "item_id": "i"}\n[1]\n', "line 2: no JSON object"),
        ('[{"user_id": "u", "item_id": "i"}, ', "the list ends early|no JSON"),
        ('{"who": "u", "item_id": "i"}\n', "--columns user=KEY"),
        ('{"user_id": null, "item_id": "i"}\n', "line 1: no user_id"),
    ],
)
def test_bad_json_names_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_interactions(path)


def test_an_archive_is_read_like_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "kgat.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in (LAYOUTS / "kgat").glob("*.txt"):
            packed.write(file, f"amazon-book/{file.name}")
    assert histories(read_interactions(archive)[0]) == histories(read_interactions(LAYOUTS / "kgat")[0])


@pytest.mark.parametrize("columns", ["user=1,item=2", "user=who,item=what"])
def test_items_next_to_interactions_keep_their_headers(tmp_path: Path, columns: str) -> None:
    header = "" if "1" in columns else "who,what\n"
    (tmp_path / "plays.csv").write_text(header + "u,9\nu,8\n")
    (tmp_path / "items.csv").write_text("title,item_id\nNine,9\nTen,10\n")
    folder = DataFolder.read(tmp_path / "plays.csv", Reading.of(columns))
    assert sorted(folder.catalogue) == ["10", "8", "9"]


def test_numbers_are_not_used_for_a_file_with_a_header_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("item_id,user_id\n9,u\n")
    found, report = read_interactions(path, Reading.of("user=1,item=2"))
    assert histories(found) == {"u": ["9"]}
    assert "numbers of columns are not used" in report.layout


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("\n# a note\n\nuser,item\nu,a\n", ["a"]),
        ('"user","item","path"\n"u","a","C:\\dir\\"\n"u","b","x"\n', ["a", "b"]),
        ('"user","item","json"\n"u","a","{""k"": ""x\\""y""}"\n', ["a"]),
        ('"user","item","json"\n"u","a","{\\"k\\": \\"x, y\\"}"\n"u","b",""\n', ["a", "b"]),
    ],
)
def test_notes_and_backslashes(tmp_path: Path, text: str, items: list[str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert histories(read_interactions(path)[0]) == {"u": items}


WORDS = st.from_regex(r"[A-Za-z]{3,8}", fullmatch=True).filter(lambda word: not is_missing(word))
ROWS = st.lists(st.tuples(st.integers(1, 99), st.sampled_from("abcxyz"), st.integers(1, 5)), min_size=1, max_size=9)


@given(rows=ROWS, header=st.lists(WORDS, min_size=3, max_size=3, unique=True))
@pytest.mark.parametrize("mark", [",", "\t", "::"])
def test_a_header_line_is_no_event_where_columns_are_numbers(
    rows: list[tuple[int, str, int]], header: list[str], mark: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("numbered") / "x.dat"
    body = "".join(f"{mark.join(map(str, row))}\n" for row in rows)
    found = []
    for first in ("", f"{mark.join(header)}\n"):
        path.write_text(first + body)
        found.append(read_interactions(path, Reading.of("user=1,item=2")))
    assert histories(found[0][0]) == histories(found[1][0])
    assert f"line 1 is a header line: {', '.join(header)}" in found[1][1].layout
    assert "header line" not in found[0][1].layout
    assert f"first row: {', '.join(map(str, rows[0]))}" in found[0][1].layout


@pytest.mark.parametrize("prefix", ["", "date_", "event_"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_date_in_several_columns_is_a_time(tmp_path: Path, prefix: str, suffix: str) -> None:
    frame = pd.DataFrame({"user_id": ["1", "1", "1"], "item_id": ["a", "b", "c"]})
    for part, values in (("day", [2, 30, 2]), ("month", [3, 12, 3]), ("year", [2012, 2011, 2012]), ("hour", [9, 0, 8])):
        frame[prefix + part] = values
    path = tmp_path / f"x.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    found, report = read_interactions(path)
    assert report.timed
    assert histories(found) == {"1": ["b", "c", "a"]}
    assert found.time.tolist() == [1325203200, 1330675200, 1330678800]


def test_a_date_in_several_columns_that_is_none_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("user_id,item_id,year,month,day\n1,2,2012,3,4\n1,3,2012,13,4\n")
    with pytest.raises(DataError, match="line 3: timestamp '2012-13-04' is neither a number nor a date"):
        read_interactions(path)


def test_with_several_dates_of_several_columns_none_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("user_id,item_id,a_year,a_month,a_day,b_year,b_month,b_day\n1,2,2012,3,4,2013,4,5\n")
    layout = read_interactions(path)[1].layout
    assert "no time is read: there are several dates" in layout
    assert "--columns time=" not in layout


@pytest.mark.parametrize("word", ["BZh", "BZh9", "BZh91", "PK", "ORC", "Obj"])
def test_a_text_that_begins_like_a_packed_file_is_a_text(tmp_path: Path, word: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{word},user_id,item_id\n1,u,i\n")
    assert histories(read_interactions(path)[0]) == {"u": ["i"]}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_bad_rows_are_skipped_and_counted_when_asked(tmp_path: Path, suffix: str) -> None:
    rows = [("u", "a", "3"), ("", "b", "1"), ("u", "NULL", "1"), ("u", "c", ""), ("u", "d", "2")]
    path = tmp_path / f"x.{suffix}"
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if suffix == "csv" else "\t")
    with pytest.raises(DataError, match=r"correct it, or skip such rows \(--skip-bad-rows"):
        read_interactions(path)
    found, report = read_interactions(path, Reading(skip_bad_rows=True))
    assert histories(found) == {"u": ["d", "a"]}
    assert "3 rows without a user, an item or a time skipped" in report.layout


def test_rows_of_another_width_are_skipped_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("user_id,item_id,timestamp\nu,a,2\nu,b\nu,c,1\n")
    settings = load_config(overrides={"data.skip_bad_rows": True}, environ={}).data
    found, report = read_interactions(path, reading_of(settings))
    assert histories(found) == {"u": ["c", "a"]}
    assert report.layout == "a table with a header line; 1 row skipped"


@pytest.mark.parametrize("clock", ["", " 8:26", " 08:26:01", " 8:26 PM", " 8:26:01 AM"])
@pytest.mark.parametrize("day", ["12/1/2010", "1.12.2010", "13/1/2010", "2010/12/1", "Dec 1, 2010"])
def test_the_form_of_a_date_that_is_offered_reads_it(day: str, clock: str) -> None:
    form = advice_for(day + clock).split("'")[1]
    assert np.isfinite(seconds_of(np.array([day + clock], dtype=object), form)).all()


@pytest.mark.parametrize("finer", ["time_ms", "event_time", "datetime"])
def test_a_finer_time_is_read_where_there_is_a_date_too(tmp_path: Path, finer: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"user_id,item_id,date,{finer}\n1,a,20220408,1649412000123\n1,b,20220408,1649411000123\n")
    assert histories(read_interactions(path)[0]) == {"1": ["b", "a"]}


@pytest.mark.parametrize("values", [("2016-05-09", "2016-05-08"), ("1500000001", "1500000000")])
@pytest.mark.parametrize("header", ["play_ts", "tstamp", "x"])
def test_a_column_of_times_that_is_not_read_is_said(tmp_path: Path, header: str, values: tuple[str, str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"user_id,item_id,{header}\n1,2,{values[0]}\n1,3,{values[1]}\n")
    assert f"if {header} is one, give --columns time={header}" in read_interactions(path)[1].layout
    path.write_text(f"user_id,item_id,{header},timestamp\n1,2,{values[0]},1\n")
    assert "no time is read" not in read_interactions(path)[1].layout


@pytest.mark.parametrize("header", ["saledate", "soldDate", "readOn"])
def test_a_date_that_is_not_read_is_said(tmp_path: Path, header: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"user_id,item_id,{header}\n1,2,2016-05-09\n1,3,2016-05-08\n")
    assert f"--columns time={header}" in read_interactions(path)[1].layout
    assert histories(read_interactions(path, Reading.of(f"time={header}"))[0]) == {"1": ["3", "2"]}


@given(lists=st.lists(st.lists(st.integers(0, 99), max_size=6, unique=True), min_size=2, max_size=9))
@pytest.mark.parametrize("ending", ["txt", "dat"])
def test_a_number_of_items_is_no_user(
    lists: list[list[int]], ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lists = [*lists, [*range(7)]]  # lines of different lengths
    path = tmp_path_factory.mktemp("counted") / f"users.{ending}"
    path.write_text("".join(f"{' '.join(map(str, [len(items), *items]))}\n" for items in lists))
    expected = {str(line): [*map(str, items)] for line, items in enumerate(lists, 1) if items}
    assert histories(read_interactions(path)[0]) == expected


def test_numbers_of_any_length_are_ids(tmp_path: Path) -> None:
    """Python turns no text of more than 4,300 digits into an integer."""
    path = tmp_path / "users.txt"
    long = "1" * 5000
    path.write_text(f"{long} 4 5\n2 6\n")
    assert histories(read_interactions(path)[0]) == {long: ["4", "5"], "2": ["6"]}
