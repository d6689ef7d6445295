"""Which columns are the time of events: others that look like one, dates and clocks, forms of dates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kptoolkit.data.checking.checks import check
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.interactions import Interactions, read_interactions
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.graph import FileSource, open_source
from kptoolkit.graph.loading.load_interactions import read_events
from kptoolkit.storage.dialects import Reading
from kptoolkit.storage.text_tables import BadRows
from kptoolkit.storage.values.times import advice_for

WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


def histories(found: Interactions) -> dict[str, list[str]]:
    return {user: [str(found.item_ids[item]) for item in found.history_of(user)] for user in found.user_ids}


def written(folder: Path, text: str, suffix: str = "csv") -> Path:
    """A file of a text with commas, in another form."""
    path = folder / f"x.{suffix}"
    rows = list(csv.reader(io.StringIO(text)))
    WRITERS[suffix](pd.DataFrame(rows[1:], columns=rows[0]), path)
    return path


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(
    ("one", "other", "rows"),
    [
        ("created_at", "applied_at", "u,a,2024-01-09 08:00:00,2024-03-01\nu,b,2024-01-08 08:00:00,2024-03-02\n"),
        ("date", "watched_at", "u,a,1999-01-01,2024-03-01T10:00:00\nu,b,1998-01-01,2024-03-02T10:00:00\n"),
        ("time", "date", "u,a,50,2024-03-01\nu,b,43,2024-03-02\n"),
        ("time", "played_on", "u,a,1,2024-03-05 10:00\nu,b,0,2024-03-06 10:00\n"),
        ("date", "x", "u,a,1999-01-01,2024-03-01\nu,b,1998-01-01,2024-03-02\n"),
        ("createdAt", "seen_ts", "u,a,1500000000,1700000000\nu,b,1400000000,1700000100\n"),
    ],
)
def test_two_times_that_differ_need_a_choice(tmp_path: Path, suffix: str, one: str, other: str, rows: str) -> None:
    path = written(tmp_path, f"user_id,item_id,{one},{other}\n{rows}", suffix)
    with pytest.raises(DataError, match=f"{one} and {other} may each be the time; say which it is with --columns time"):
        read_interactions(path)
    assert histories(read_interactions(path, Reading.of(f"time={other}"))[0]) == {"u": ["a", "b"]}
    (tmp_path / "kg.tsv").write_text("head\trelation\ttail\na\tr\tb\n")
    if suffix != "jsonl":
        source = open_source([tmp_path / "kg.tsv"])
        source.interaction_files = [path]
        with pytest.raises(DataError, match="may each be the time"):
            list(source.interactions())


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(
    "text",
    [
        "user_id,item_id,timestamp,date\nu,b,2,2024-01-01\nu,a,1,2024-03-01\n",  # timestamp is clear
        "user_id,item_id,date,time_ms\nu,b,20220408,1649412000123\nu,a,20220408,1649411000123\n",  # the same day
        "user_id,item_id,created_at,updated_at\nu,b,2024-01-02,2024-05-01\nu,a,2024-01-01,2024-06-01\n",
        "user_id,item_id,date,release_date\nu,b,2024-01-02,1998-05-01\nu,a,2024-01-01,1999-05-01\n",
        "user_id,item_id,date,birth_date\nu,b,2024-01-02,1998-05-01\nu,a,2024-01-01,1999-05-01\n",
        "user_id,item_id,date,year\nu,b,2024-01-02,1998\nu,a,2024-01-01,1999\n",
        "user_id,item_id,date,watch_time\nu,b,2024-01-02,35.2\nu,a,2024-01-01,9999.0\n",
        "user_id,item_id,date,isbn10\nu,b,2024-01-02,1402894626\nu,a,2024-01-01,1302894626\n",
        "user_id,item_id,date,read_at\nu,b,2024-01-02,\nu,a,2024-01-01,\n",
        "user_id,item_id,order_date,ship_date\nu,b,2024-01-02,2024-02-01\nu,a,2024-01-01,2024-03-01\n",
    ],
)
def test_a_time_that_is_clear_needs_no_choice(tmp_path: Path, suffix: str, text: str) -> None:
    assert histories(read_interactions(written(tmp_path, text, suffix))[0]) == {"u": ["a", "b"]}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(("date", "clock"), [("date", "time"), ("order_date", "order_time"), ("Datum", "Uhrzeit")])
@pytest.mark.parametrize(
    "rows",
    [
        "u,c,2024-03-05,10:05\nu,b,2024-03-05,9:59\nu,a,2024-03-04,23:00\n",
        "u,c,20240305,10:05:07\nu,b,20240305,09:59:00\nu,a,20240304,23:00:30\n",
        "u,c,2024-03-05,1:05 PM\nu,b,2024-03-05,11:59 AM\nu,a,2024-03-05,12:30 am\n",
    ],
)
def test_a_date_and_its_time_of_day_are_one_time(tmp_path: Path, suffix: str, date: str, clock: str, rows: str) -> None:
    path = written(tmp_path, f"user_id,item_id,{date},{clock}\n{rows}", suffix)
    reading = Reading.of(f"time={date}" if date == "Datum" else None)
    found, report = read_interactions(path, reading)
    assert histories(found) == {"u": ["a", "b", "c"]}
    assert f"{date} as date" in report.layout
    assert f"{clock} as clock" in report.layout
    assert found.time.min() > 1e9


def test_a_date_in_another_form_and_its_time_of_day_are_one_time(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,item_id,date,time\nu,b,5.3.2024,10:05\nu,a,5.3.2024,9:05\n")
    with pytest.raises(DataError, match=r"--date-format '%d\.%m\.%Y %H:%M'"):
        read_interactions(path)
    found = read_interactions(path, Reading.of(date_format="%d.%m.%Y %H:%M"))[0]
    assert histories(found) == {"u": ["a", "b"]}


@pytest.mark.parametrize("form", ["%H:%M", "%I:%M %p", "%H%M%S"])
def test_a_form_without_a_date_is_refused(form: str) -> None:
    with pytest.raises(ConfigError, match="has no date"):
        Reading.of(date_format=form)


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_column_that_may_be_the_time_is_said(tmp_path: Path, suffix: str) -> None:
    text = "user_id,item_id,release_date,zeitpunkt,watched\n" + "".join(
        f"u,i{n},1999-01-0{n},0{n}.03.2024 10:00,2024-03-0{n}\n" for n in range(1, 4)
    )
    layout = read_interactions(written(tmp_path, text, suffix))[1].layout
    assert "if zeitpunkt or watched or release_date is one, give --columns time=zeitpunkt" in layout


def test_keys_of_json_are_those_of_the_first_objects(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows: list[dict[str, object]] = [{"user_id": "u", "item_id": "c"}, {"user_id": "u", "item_id": "b", "timestamp": 2}]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {**rows[1], "item_id": "a", "timestamp": 1}]))
    assert histories(read_interactions(path, Reading(skip_bad_rows=True))[0]) == {"u": ["a", "b"]}


@pytest.mark.parametrize(
    ("days", "forms"),
    [
        (["02/05/2024", "13/05/2024"], ["%d/%m/%Y"]),
        (["02/05/2024", "02/13/2024"], ["%m/%d/%Y"]),
        (["02/05/2024", "03/04/2024"], ["%m/%d/%Y", "%d/%m/%Y"]),
        (["02-05-2024 10:05", "03-04-2024 10:05"], ["%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M"]),
        (["02-05-2024", "03-14-2024"], ["%m-%d-%Y"]),
        (["02.05.24", "03.04.24"], ["%d.%m.%y"]),
    ],
)
def test_the_whole_column_says_the_form_of_its_dates(tmp_path: Path, days: list[str], forms: list[str]) -> None:
    assert advice_for(days[0], days).split("'")[1::2] == forms
    path = written(tmp_path, "user_id,item_id,date\n" + "".join(f"u,i{n},{day}\n" for n, day in enumerate(days)))
    with pytest.raises(DataError) as error:
        read_interactions(path)
    assert all(f"'{form}'" in str(error.value) for form in forms)
    assert DataFolder.read(path, Reading.of(date_format=forms[0])).interactions is not None


TIMES = {
    "numbers": [str(1_700_000_000 + second) for second in range(9)],
    "dates": [f"2024-03-0{day}" for day in range(1, 10)],
    "days as numbers": [f"2024030{day}" for day in range(1, 10)],
    "stamps": [f"Tue Apr 03 18:00:0{second} +0000 2012" for second in range(9)],
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("place", [0, 4])
@pytest.mark.parametrize("bad", ["unbekannt", "0000-00-00"])
@pytest.mark.parametrize("name", TIMES)
def test_a_bad_time_is_skipped_when_asked(tmp_path: Path, name: str, bad: str, place: int, suffix: str) -> None:
    times = TIMES[name][::-1]
    times.insert(place, bad)
    text = "user_id,item_id,timestamp\n" + "".join(f"u,i{at},{time}\n" for at, time in enumerate(times))
    path = written(tmp_path, text, suffix)
    with pytest.raises(DataError, match=rf"'{bad}' is neither a number nor a date; correct it, or skip such rows"):
        read_interactions(path)
    found, report = read_interactions(path, Reading(skip_bad_rows=True))
    assert histories(found)["u"] == [f"i{at}" for at in reversed(range(10)) if at != place]
    assert "1 row without a user, an item or a time skipped" in report.layout
    if suffix != "jsonl":
        assert loaded(path, skip=True) == 9
        with pytest.raises(DataError, match=f"'{bad}' is neither a number nor a date; correct it"):
            loaded(path, skip=False)


def loaded(path: Path, *, skip: bool) -> int:
    """Number of events that ``load-kg --interactions`` reads."""
    return sum(map(len, read_events(FileSource(interaction_files=[path], bad_rows=BadRows(skip=skip)))))


@pytest.mark.parametrize("skip", [True, False])
def test_times_of_which_most_cannot_be_read_are_an_error(tmp_path: Path, skip: bool) -> None:
    path = written(tmp_path, "user_id,item_id,date\nu,a,1.3.2024\nu,b,2.3.2024\nu,c,2024-03-01\n")
    for attempt in (lambda: read_interactions(path, Reading(skip_bad_rows=skip)), lambda: loaded(path, skip=skip)):
        with pytest.raises(DataError, match=r"line 2: .*'1\.3\.2024' is neither .*--date-format '%d\.%m\.%Y'"):
            attempt()


@pytest.mark.parametrize("zero", ["0", "-1", "0.0"])
def test_a_time_of_0_is_found_and_skipped_when_asked(tmp_path: Path, zero: str) -> None:
    rows = [("u", "a", zero), *(("u", f"i{at}", str(1_700_000_000 - at)) for at in range(5))]
    path = written(tmp_path, "user_id,item_id,timestamp\n" + "".join(f"{','.join(row)}\n" for row in rows))
    finding = next(one for one in check(path) if one.what.startswith("events at time 0"))
    assert (finding.level, finding.count) == ("warning", 1)
    assert "a" in histories(read_interactions(path)[0])["u"]
    found = read_interactions(path, Reading(skip_bad_rows=True))[0]
    assert histories(found) == {"u": ["i4", "i3", "i2", "i1", "i0"]}
    assert loaded(path, skip=True) == 5


@pytest.mark.parametrize(
    "times", [["0", "1", "2"], ["1700000000000000001", "1700000000000000002", "1700000000000000003"]]
)
def test_other_times_are_not_skipped(tmp_path: Path, times: list[str]) -> None:
    path = written(tmp_path, "user_id,item_id,timestamp\n" + "".join(f"u,i{time},{time}\n" for time in times[::-1]))
    found = read_interactions(path, Reading(skip_bad_rows=True))[0]
    assert histories(found) == {"u": [f"i{time}" for time in times]}
    assert not any(one.what.startswith("events at time 0") for one in check(path))


@pytest.mark.parametrize(("start", "said"), [(0, True), (1, True), (1_700_000_000, False)])
def test_only_numbers_seem_to_number_a_history(tmp_path: Path, start: int, said: bool) -> None:
    rows = [(f"u{user}", f"i{at}", str(start + at)) for user in range(5) for at in range(5)]
    path = written(tmp_path, "user_id,item_id,timestamp\n" + "".join(f"{','.join(row)}\n" for row in rows))
    assert any(one.what.startswith("times begin at the same value") for one in check(path)) is said


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("by_user", [True, False])
@pytest.mark.parametrize("newest_first", [True, False])
def test_events_of_one_day_are_in_the_order_of_the_file(
    tmp_path: Path, newest_first: bool, by_user: bool, suffix: str
) -> None:
    rows = [(user, f"i{at:02}", f"2024-03-0{1 + at // 2}") for user in "uv" for at in range(10)]
    rows = rows[::-1] if newest_first else rows
    rows = sorted(rows, key=lambda row: row[0 if by_user else 2], reverse=newest_first)
    path = written(tmp_path, "user_id,item_id,date\n" + "".join(f"{','.join(row)}\n" for row in rows), suffix)
    found, report = read_interactions(path)
    assert histories(found) == {user: [f"i{at:02}" for at in range(10)] for user in "uv"}
    assert ("rows are newest first" in report.layout) is newest_first


def test_rows_in_no_order_keep_theirs_at_the_same_time(tmp_path: Path) -> None:
    rows = [("u", f"i{at}", f"2024-03-0{day}") for at, day in enumerate([3, 3, 1, 2, 5, 4, 6, 1, 2, 7])]
    path = written(tmp_path, "user_id,item_id,date\n" + "".join(f"{','.join(row)}\n" for row in rows))
    found, report = read_interactions(path)
    assert histories(found)["u"] == ["i2", "i7", "i3", "i8", "i0", "i1", "i5", "i4", "i6", "i9"]
    assert "newest first" not in report.layout
