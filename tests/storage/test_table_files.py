"""Tables are written in the format of the suffix, and every format holds the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from kptoolkit.errors import InputError
from kptoolkit.storage.table_files import check_table_file, write_table_file

TITLES = ["Emma", 'a "quoted", one', "tab\tand\nbreak", "ß 東京 🎻", ""]
FRAME = pd.DataFrame(
    {"user_id": list("aabbc"), "rank": [1, 2, 1, 2, 1], "title": TITLES, "score": [0.1, -2.5, 1, 2, 3]}
)


def in_two_parts() -> Iterator[pd.DataFrame]:
    yield FRAME[:3]
    yield FRAME[3:]


def read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    if path.suffix.lower() == ".jsonl":
        return pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    return pd.read_csv(path, sep=separator, keep_default_na=False, dtype={"user_id": str, "title": str})


@pytest.mark.parametrize("name", ["recs.csv", "recs.tsv", "recs.jsonl", "recs.parquet", "RECS.CSV"])
def test_every_format_holds_the_same_rows(tmp_path: Path, name: str) -> None:
    write_table_file(tmp_path / name, in_two_parts())
    found = read(tmp_path / name)
    assert found.to_dict(orient="records") == FRAME.to_dict(orient="records")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["recs", "recs.xlsx", "recs.csv.gz", ".csv", "recs.json"])
def test_another_suffix_is_an_error_before_anything_is_computed(tmp_path: Path, name: str) -> None:
    def never() -> Iterator[pd.DataFrame]:
        raise AssertionError("computed")
        yield FRAME

    with pytest.raises(InputError, match=rf"{name}: the name must end in \.csv, \.tsv, \.jsonl or \.parquet"):
        write_table_file(tmp_path / name, never())
    with pytest.raises(InputError, match="there is no folder"):
        check_table_file(tmp_path / "no" / "recs.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_failure_leaves_the_older_file(tmp_path: Path, suffix: str) -> None:
    def failing() -> Iterator[pd.DataFrame]:
        yield FRAME
        raise KeyboardInterrupt

    path = tmp_path / f"recs{suffix}"
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt):
        write_table_file(path, failing())
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(path.name, "older")]
