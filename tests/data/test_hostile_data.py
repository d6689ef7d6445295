"""Data folders of any content: columns of any type, dates of any year, damaged files. All are read or named."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.data import read_interactions
from kptoolkit.data.interactions import notice_of
from kptoolkit.errors import DataError
from kptoolkit.storage.values.times import seconds_of

FAR = 2**62
COLUMNS: dict[str, pa.Array] = {
    **{f"timestamp {unit}": pa.array([0, FAR, -FAR], pa.timestamp(unit)) for unit in ("ms", "us", "ns")},
    "timestamp with a zone": pa.array([0, 1, 2], pa.timestamp("us", tz="Asia/Tokyo")),
    "date32": pa.array([0, 2**31 - 1, -(2**31)], pa.date32()),
    "date64": pa.array([0, 86_400_000 * 10**7, -86_400_000 * 10**6], pa.date64()),
    "time": pa.array([0, 1, 2], pa.time32("s")),
    "duration": pa.array([0, 1, FAR], pa.duration("ns")),
    "decimal": pa.array([Decimal("1e30"), Decimal(1), Decimal("-1e30")], pa.decimal128(38, 2)),
    "binary": pa.array([b"a", b"\xff", b""], pa.binary()),
    "list": pa.array([[1], [], None], pa.list_(pa.int64())),
    "struct": pa.array([{"x": 1}, {"x": 2}, None], pa.struct([("x", pa.int64())])),
    "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
    "bool": pa.array([True, False, None]),
    "null": pa.nulls(3),
    "float": pa.array([float("nan"), float("inf"), 1e308]),
    "half": pa.array(np.array([1, 2, np.nan], np.float16)),
    "whole": pa.array([0, 2**63 - 1, -(2**63)], pa.int64()),
    "unsigned": pa.array([0, 2**64 - 1, 1], pa.uint64()),
    "text": pa.array(["9999-12-31", "1500-01-01T00:00:00Z", "0001-01-01"]),
    "big text": pa.array(["99999-01-01", "-4713-11-24", "1e400"], pa.large_string()),
}
GOOD = {"user_id": pa.array(["a", "a", "b"]), "item_id": pa.array(["x", "y", "x"]), "timestamp": pa.array([1, 2, 3])}


def named(folder: Path) -> object:
    """Read a folder; the file that was read, or that the error names."""
    try:
        found, report = read_interactions(folder)
    except DataError as error:
        return error.path
    assert len(found)
    assert np.isfinite(found.time).all()
    return report.path


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("place", GOOD)
def test_columns_of_any_type(tmp_path: Path, kind: str, place: str) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({**GOOD, place: COLUMNS[kind]}), path)
    assert named(tmp_path) == path


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_dates_of_any_year_keep_their_order(tmp_path: Path, suffix: str) -> None:
    dates = [datetime.datetime(year, 1, 1) for year in (9999, 1500, 1, 2000)]
    if suffix == "parquet":
        column = {"timestamp": pa.array(dates, pa.timestamp("us"))}
        ids = {"user_id": pa.array(["u"] * 4), "item_id": pa.array(list("wxyz"))}
        pq.write_table(pa.table({**ids, **column}), tmp_path / "x.parquet")
    else:
        rows = "".join(f"u,{item},{date.isoformat()}\n" for item, date in zip("wxyz", dates, strict=True))
        (tmp_path / "x.csv").write_text("user_id,item_id,timestamp\n" + rows)
    found, _ = read_interactions(tmp_path)
    assert "".join(found.item_ids[found.item]) == "yxzw"
    epoch = datetime.datetime(1970, 1, 1)
    assert found.time.tolist() == sorted((date - epoch).total_seconds() for date in dates)


@given(st.lists(st.dates().map(str) | st.datetimes().map(str) | st.floats().map(str) | st.text(max_size=8), min_size=1))
def test_seconds_are_numbers_or_not_a_number(values: list[str]) -> None:
    seconds = seconds_of(np.array(values, dtype=object))
    assert seconds.dtype == np.float64
    assert len(seconds) == len(values)


@given(st.dates() | st.datetimes())
def test_any_date_is_its_seconds(date: datetime.date) -> None:
    (found,) = seconds_of(np.array([date.isoformat()], dtype=object))
    moment = date if isinstance(date, datetime.datetime) else datetime.datetime(date.year, date.month, date.day)
    assert found == pytest.approx((moment - datetime.datetime(1970, 1, 1)).total_seconds(), rel=1e-12, abs=1e-5)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    path, draw = tmp_path / "x.parquet", random.Random(16)
    pq.write_table(pa.table(GOOD), path)
    whole = path.read_bytes()
    for _ in range(60):
        at = draw.randrange(len(whole))
        path.write_bytes(
            draw.choice([whole[:at], whole[:at] + draw.randbytes(9) + whole[at + 9 :], draw.randbytes(at)])
        )
        assert named(tmp_path) == path


@pytest.mark.parametrize("words", [["data", "check"], ["data", "stats"]])
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("NOTICE", b"\xff\xfe bad", "NOTICE, line 1: not UTF-8 text"),
        ("x.item", b"item_id\ttitle\nx\t\xff\n", "x.item, line 2: not UTF-8 text"),
    ],
)
def test_a_bad_file_next_to_good_ones_is_named(
    tmp_path: Path, words: list[str], name: str, content: bytes, says: str
) -> None:
    (tmp_path / "x.inter").write_text("user_id\titem_id\n" + "".join(f"u\ti{n}\n" for n in range(5)))
    (tmp_path / name).write_bytes(content)
    done = CliRunner().invoke(app, [*words, str(tmp_path)])
    assert done.exit_code == 2, done.output
    assert says in done.stderr


def test_a_damaged_parquet_file_alone_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 damaged PAR1")
    done = CliRunner().invoke(app, ["data", "stats", str(tmp_path)])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "x.parquet: is not a Parquet file, or is damaged" in done.stderr


@given(st.binary(max_size=200))
def test_a_notice_is_one_line_or_an_error(content: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        Path(folder, "NOTICE").write_bytes(content)
        said: Any = ""
        try:
            said = notice_of(Path(folder))
        except DataError as error:
            said = error
        assert len(str(said).splitlines()) <= 1


def test_a_huge_notice_is_read_in_part(tmp_path: Path) -> None:
    (tmp_path / "NOTICE").write_text("é" * 1_000_000)
    assert 1000 < len(notice_of(tmp_path)) < 4000


@pytest.mark.parametrize("value", ["\\ud800", "a\\u0000", "\\udc00\\ud800"])
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("row", ['{"user_id": "u", "item_id": "VALUE"}', "{'user_id': 'VALUE', 'item_id': 'i'}"])
def test_escapes_in_json_are_characters(tmp_path: Path, value: str, listed: bool, row: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(f"[{row}]".replace("VALUE", value) if listed else row.replace("VALUE", value))
    assert named(path) == path
    path.write_text(row.replace("VALUE", r"\\u0000 \u00e9"))
    found, _ = read_interactions(path)
    assert r"\u0000 é" in str(found.user_ids[0] + found.item_ids[0])
