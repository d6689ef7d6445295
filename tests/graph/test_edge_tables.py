"""Tables of edges: the column with their relation is found, or has to be named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from worlds.surveyed import read, triples

from kptoolkit.errors import DataError
from kptoolkit.graph import open_source

ROWS = [
    ("Ann", "works at", "Acme"),
    ("Bob", "works at", "Globex"),
    ("Ann", "lives in", "Rome"),
    ("Bob", "lives in", "Oslo"),
]
RELATIONS = ["Property", "relationship_type", "relation_name", "verb", "RelType", "predicateName"]
ENDS = [("source", "target"), ("Subject", "Object"), ("from", "to")]


def table(folder: Path, header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Path:
    path = folder / "edges.csv"
    path.write_text("".join(";".join(row) + "\n" for row in [header, *rows]))
    return path


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_has_many_headers(tmp_path: Path, ends: tuple[str, str], relation: str) -> None:
    path = table(tmp_path, [ends[0], relation, ends[1]], ROWS)
    assert triples(read(path)) == set(ROWS)
    assert triples(read(tmp_path)) == set(ROWS)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("extra", [[], ["weight"]])
def test_a_column_that_may_be_the_relation_has_to_be_named(
    tmp_path: Path, ends: tuple[str, str], extra: list[str]
) -> None:
    rows = [(*row, *("1.5" for _ in extra)) for row in ROWS]
    path = table(tmp_path, [ends[0], "how", ends[1], *extra], rows)
    for at in (path, tmp_path):
        with pytest.raises(DataError, match=r"how may be their relation; give --columns relation=how, or .* head="):
            open_source([at])
    assert triples(read(path, columns="relation=how")) == set(ROWS)
    without = triples(read(path, columns=f"head={ends[0]},tail={ends[1]}"))
    assert without == {(head, "related_to", tail) for head, _, tail in ROWS}


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("weight", ["1", "1", "2", "2"]),
        ("since", ["2020-01-01", "2020-01-01", "2020-01-02", "2020-01-02"]),
        ("directed", ["true", "true", "false", "false"]),
        ("source_type", ["Person", "Person", "Person", "Person"]),
        ("note", ["a", "b", "c", "d"]),
        ("empty", ["", "", "", ""]),
    ],
)
def test_other_columns_are_no_relation(tmp_path: Path, header: str, cells: list[str]) -> None:
    rows = [(head, tail, cell) for (head, _, tail), cell in zip(ROWS, cells, strict=True)]
    found = read(table(tmp_path, ["source", "target", header], rows))
    assert triples(found) == {(head, "related_to", tail) for head, _, tail in ROWS}
