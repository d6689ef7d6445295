from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kptoolkit.data import Catalogue, Interactions, find_items
from kptoolkit.errors import AmbiguousNameError, DataError, RunError, UnknownNameError


@dataclass(frozen=True)
class Rows:
    item_id: list[str | None]
    entity_id: list[str | None]
    name: list[str | None]


def catalogue(tmp_path: Path) -> Catalogue:
    items = tmp_path / "x.item"
    items.write_text('item_id:token\ttitle:token_seq\n2\tTwo\n3\t\n9\tNine "IX"\n4\ttwo\n')
    found = Interactions.of(["u", "u", "v"], ["3", "1", "2"])
    graph = Rows(["1", "2", "3", "77"], ["e:1", "e:2", "e:1", "e:77"], ["One", "Zwei", None, "Other"])
    return Catalogue.build(found, items, graph)


def test_union_begins_with_the_interactions_items(tmp_path: Path) -> None:
    found = catalogue(tmp_path)
    assert found.item_ids.tolist() == ["1", "2", "3", "9", "4"]
    assert found.titles.tolist() == ["One", "Two", "", 'Nine "IX"', "two"]
    assert found.names.tolist() == ["One", "Two", "3", 'Nine "IX"', "two"]
    assert found.entity_ids.tolist() == ["e:1", "e:2", "e:1", None, None]
    assert found.linked.tolist() == [True, True, True, False, False]


def test_resolve(tmp_path: Path) -> None:
    found = catalogue(tmp_path)
    assert [found.resolve(name) for name in ("9", "e:2", 'NINE "ix"', " one ")] == [3, 1, 3, 0]
    assert found.rows_of(["2", "One"]).tolist() == [1, 0]
    with pytest.raises(AmbiguousNameError, match="names 2 items: 2, 4"):
        found.resolve("TWO")
    with pytest.raises(AmbiguousNameError, match="names 2 items: 1, 3"):
        found.resolve("e:1")
    with pytest.raises(UnknownNameError, match="no item 'Ninee'; nearest: Nine"):
        found.resolve("Ninee")


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = catalogue(tmp_path)
    found.save(tmp_path / "run" / "catalogue.parquet")
    again = Catalogue.load(tmp_path / "run" / "catalogue.parquet")
    for name in ("item_ids", "titles", "entity_ids"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    with pytest.raises(RunError, match="missing or damaged"):
        Catalogue.load(tmp_path / "nothing.parquet")


def test_sources_may_be_missing(tmp_path: Path) -> None:
    assert Catalogue.build(Interactions.of(["u"], ["b"])).names.tolist() == ["b"]
    (tmp_path / "items.csv").write_text("id,name\n5,Five\n")
    assert Catalogue.build(None, tmp_path / "items.csv").names.tolist() == ["Five"]
    with pytest.raises(DataError, match="the catalogue is empty"):
        Catalogue.build(None)


def test_find_items(tmp_path: Path) -> None:
    assert find_items(tmp_path) is None
    (tmp_path / "items.csv").write_text("id,name\n5,Five\n")
    assert find_items(tmp_path) == tmp_path / "items.csv"
    (tmp_path / "x.item").write_text("")
    assert find_items(tmp_path / "x.inter") == tmp_path / "x.item"
    (tmp_path / "y.item").write_text("")
    with pytest.raises(DataError, match=r"several item files: x\.item, y\.item"):
        find_items(tmp_path)


def test_a_refreshed_catalogue_has_the_names_and_links_that_the_graph_has_now() -> None:
    columns = (["i1", "i2", "i3", "i4"], ["Own title", "Name 2", "Name 3", ""], ["e1", "e2", "e3", None])
    before = Catalogue(*(np.array(column, dtype=object) for column in columns))
    items = Rows(["i9", "i1", "i2", "i4"], ["e9", "e1", "e7", "e4"], ["Nine", "One now", "Two now", "Four"])
    after = before.refreshed(items, {"e1": "Name 1", "e2": "Name 2", "e3": "Name 3"})
    assert after.item_ids.tolist() == ["i1", "i2", "i3", "i4", "i9"]
    assert after.titles.tolist() == ["Own title", "Two now", "Name 3", "Four", "Nine"]
    assert after.entity_ids.tolist() == ["e1", "e7", "e3", "e4", "e9"]
