"""Ratings of events: which say that nothing happened, and the setting that leaves such events out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kptoolkit.config import load_config
from kptoolkit.data.checking.checks import check
from kptoolkit.data.event_files import reading_of
from kptoolkit.data.interactions import read_interactions
from kptoolkit.errors import ConfigError, DataError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.load_interactions import read_events
from kptoolkit.knowledge.prepare import data_dir
from kptoolkit.storage.dialects import Reading

SUFFIXES = ["csv", "tsv", "jsonl", "parquet"]


def events(folder: Path, ratings: list[str], suffix: str = "csv", name: str = "rating") -> Path:
    """A file with an event per rating."""
    rows = [("u", f"i{at}", rating, str(at)) for at, rating in enumerate(ratings)]
    frame, path = pd.DataFrame(rows, columns=["user_id", "item_id", name, "timestamp"]), folder / f"events.{suffix}"
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if suffix == "csv" else "\t")
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["rating", "label"])
@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        (["0", "3", "5", "4"], "events with a rating of 0 or less"),
        (["-1", "3", "5", "4"], "events with a rating of 0 or less"),
        (["0", "1", "1", "0"], "ratings have two values only, 0 and 1"),
        (["0,5", "1", "1", "1"], "ratings have two values only, 0.5 and 1"),
        (["1", "2", "3", "4"], ""),
        (["1", "1", "1", "1"], ""),
        (["good", "bad", "good", "bad"], ""),
    ],
)
def test_ratings_that_are_probably_no_likes_are_found(
    tmp_path: Path, suffix: str, name: str, ratings: list[str], said: str
) -> None:
    found = [one for one in check(events(tmp_path, ratings, suffix, name)) if "rating" in one.what]
    assert [one.what for one in found] == [said] * bool(said)
    assert all(one.level == "warning" and "data.min_rating=" in one.advice for one in found)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["rating", "label"])
def test_events_with_a_low_rating_are_left_out_and_counted(tmp_path: Path, suffix: str, name: str) -> None:
    path = events(tmp_path, ["1", "4", "5", "3.9", "", "4.0"], suffix, name)
    settings = load_config(overrides={"data.min_rating": 4}, environ={}).data
    found, report = read_interactions(path, reading_of(settings))
    assert found.item_ids[found.history_of("u")].tolist() == ["i1", "i2", "i5"]
    assert "3 events with a rating below 4, or without one, left out" in report.layout
    assert len(read_interactions(path)[0]) == 6
    if suffix != "jsonl":
        (tmp_path / "kg.csv").write_text("head,relation,tail\ni1,likes,i2\n")
        source = open_source([tmp_path], interactions=True, min_rating=4)
        assert [event[1] for table in read_events(source) for event in table] == ["i1", "i2", "i5"]
        assert "3 events with a rating below 4, or without one, left out" in source.warnings()


@pytest.mark.parametrize(
    ("name", "ratings", "said"),
    [("stars", ["1", "2"], "no ratings are read"), ("rating", ["4", "good"], "line 3: the rating 'good' is no number")],
)
def test_ratings_that_are_needed_and_not_there_are_an_error(
    tmp_path: Path, name: str, ratings: list[str], said: str
) -> None:
    path = events(tmp_path, ratings, name=name)
    (tmp_path / "kg.csv").write_text("head,relation,tail\ni1,likes,i2\n")
    source = open_source([tmp_path], interactions=True, min_rating=4)
    for attempt in (lambda: read_interactions(path, Reading(min_rating=4)), lambda: read_events(source)):
        with pytest.raises(DataError, match=f"{said}.*--columns rating=HEADER"):
            attempt()


def test_a_rating_is_no_setting_of_a_graph() -> None:
    config = load_config(overrides={"data.dir": "graph:", "data.min_rating": 4}, environ={})
    with pytest.raises(ConfigError, match=r"data\.min_rating is for interactions of files"):
        data_dir(config)


def test_what_is_done_with_ratings_is_said(tmp_path: Path) -> None:
    path = events(tmp_path, ["1", "0"], name="label")
    assert "label: not used, every event counts" in read_interactions(path)[1].layout
    assert "label: events below 1 are left out" in read_interactions(path, Reading(min_rating=1))[1].layout
