"""Cells are cleaned of what cannot be part of an id, and of nothing else."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data import read_interactions
from kptoolkit.errors import DataError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.survey import survey
from kptoolkit.storage.values.cells import (
    MISSING,
    are_plain,
    clean_id,
    fault_of,
    is_missing,
    nearly_equal,
    unclean,
    values_in,
)

AROUND = st.text(" \t\u00a0\u200b\ufeff\u2060", max_size=3)
PLAIN = st.from_regex(r"[A-Za-z][A-Za-z_:/.-]{0,8}[A-Za-z]", fullmatch=True).filter(
    lambda one: MISSING.isdisjoint((one, f"<{one}>"))
)


@given(before=AROUND, one=PLAIN, after=AROUND)
def test_what_surrounds_an_id_is_removed(before: str, one: str, after: str) -> None:
    assert clean_id(before + one + after) == one
    assert clean_id(f'{before}"{one}"{after}') == one
    assert clean_id(f"{before}<http://{one}>{after}") == f"http://{one}"
    assert clean_id(f"{before}<{one}>{after}") == one
    assert unclean([before + one + after]) == ([before + one + after] if before + after else [])


@pytest.mark.parametrize("text", sorted(MISSING - {"", "\\N"}))
def test_what_stands_for_no_value_keeps_its_brackets(text: str) -> None:
    assert clean_id(f"<{text}>") == f"<{text}>"
    assert clean_id(text) == text


@given(st.text(max_size=12))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_id(text)
    assert clean_id(once) == once or '"' in text
    assert is_missing(text) == is_missing(clean_id(text, number=False)) or '"' in text or "<" in text


@given(st.lists(st.text(st.characters(max_codepoint=127), max_size=6) | st.sampled_from(sorted(MISSING)), max_size=4))
def test_plain_texts_need_no_cleaning(texts: list[str]) -> None:
    if are_plain(set(texts)):
        assert not unclean(texts)
        assert not any(fault_of("tail", one) for one in texts)


@given(st.integers(0, 10**12))
def test_a_whole_number_is_the_same_id_with_and_without_point(number: int) -> None:
    assert clean_id(f"{number}.0") == clean_id(str(number)) == str(number)
    assert clean_id(f"{number}.5") == f"{number}.5"
    assert clean_id(f"{number}.0", number=False) == f"{number}.0"


@given(st.text(st.characters(categories=["Ll", "Lu", "Mn"]), min_size=1))
def test_unicode_forms_of_one_text_are_one_id(text: str) -> None:
    assert clean_id(unicodedata.normalize("NFD", text)) == clean_id(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize("word", sorted(MISSING - {""}))
def test_words_for_no_value_are_faults_and_said(word: str) -> None:
    assert fault_of("tail", f" {word} ") == f"the tail is empty ({word} stands for no value)"


@pytest.mark.parametrize("word", ["none", "NA", "Nan Goldin", "nullable", "0", "-", "N/A", "Null Island"])
def test_other_words_are_values(word: str) -> None:
    assert fault_of("tail", word) is None
    assert clean_id(word) == word


@pytest.mark.parametrize(
    ("text", "mark", "values"),
    [
        ("['Action', 'Comedy']", "", ["Action", "Comedy"]),
        ('["Action"]', "", ["Action"]),
        ("[\"it's\", 'a']", "|", ["it's", "a"]),
        ("['a', None]", "", ["['a', None]"]),
        ("['a', 'nan']", "", ["a"]),
        ("[1, 2]", "", ["[1, 2]"]),
        ("[REC]", "", ["[REC]"]),
        ("['unclosed]", "", ["['unclosed]"]),
        ("Action|Comedy", "", ["Action|Comedy"]),
        ("Action| Comedy|", "|", ["Action", "Comedy"]),
    ],
)
def test_lists_in_a_cell(text: str, mark: str, values: list[str]) -> None:
    assert values_in(text, mark) == values


def test_ids_that_differ_in_case_or_form_are_found() -> None:
    assert nearly_equal(["Genre", "genre", "GENRE", "other", "1", "1.0"]) == [("Genre", "genre", "GENRE"), ("1", "1.0")]
    assert nearly_equal(["a", "b", "a"]) == []


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_events_and_triples_are_cleaned_in_the_same_way(tmp_path: Path, suffix: str) -> None:
    cells = [("a ", "\u200bb"), ("<http://x/1>", '"q"'), ("1.0", "2.0"), ("Ame\u0301lie", "\u00a0c")]
    expected = {("a", "b"), ("http://x/1", "q"), ("1", "2"), ("Am\u00e9lie", "c")}
    events, graph = tmp_path / f"events{suffix}", tmp_path / f"graph{suffix}"
    _write(events, ["user_id", "item_id"], cells)
    _write(graph, ["head", "tail", "relation"], [(*pair, "r") for pair in cells])
    found = read_interactions(events)[0]
    users, items = found.user_ids[found.user], found.item_ids[found.item]
    assert set(zip(users.tolist(), items.tolist(), strict=True)) == expected
    loaded = survey(open_source([graph]))
    names = loaded.entities
    assert {(names[head], names[tail]) for head, tail in zip(loaded.head, loaded.tail, strict=True)} == expected


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_no_value_is_an_error_with_its_row_in_events_and_triples(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    line = 2 if suffix == ".parquet" else 3
    _write(path, ["user_id", "item_id"], [("u", "a"), ("u", "NULL"), ("u", "nan")])
    with pytest.raises(
        DataError, match=r"no item_id in this row \(NULL stands for no value\); 1 more row likewise"
    ) as caught:
        read_interactions(path)
    assert caught.value.line == line
    _write(path, ["head", "relation", "tail"], [("a", "r", "b"), ("a", "r", "None")])
    with pytest.raises(DataError, match="the tail is empty") as caught:
        survey(open_source([path]))
    assert caught.value.line == line


def _write(path: Path, header: list[str], rows: Sequence[tuple[str, ...]]) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=header)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        mark = "," if path.suffix == ".csv" else "\t"
        path.write_text("".join(mark.join(row) + "\n" for row in [header, *rows]), encoding="utf-8")
