"""The known names nearest to one that does not exist."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.names import LIKELY, compared, local_name, nearest


@pytest.mark.parametrize(
    ("name", "known", "first"),
    [
        ("TIME", ["rating", "time", "user_id"], "time"),
        ("straße", ["STRASSE", "Gasse", "Weg"], "STRASSE"),
        ("toy", ["Heat (1995)", "Toy Story (1995)", "Jumanji (1995)"], "Toy Story (1995)"),
        ("uper", ["e", "upper", "lower"], "upper"),
        ("hopps", ["hops", "degree", "ranking"], "hops"),
    ],
)
def test_the_best_comes_first(name: str, known: list[str], first: str) -> None:
    assert nearest(name, known)[0] == first


def test_names_that_differ_in_case_count_once() -> None:
    assert nearest("emma", ["Emma", "EMMA", "Ema", "", "Persuasion"], 2) == ["Emma", "Ema"]


def test_unlike_names_are_left_out_on_request() -> None:
    assert nearest("zzzz", ["hops", "degree"], min_score=LIKELY) == []
    assert len(nearest("zzzz", ["hops", "degree"])) == 2


@given(st.text(max_size=20))
def test_a_name_is_compared_without_case_spaces_around_it_and_normal_form(name: str) -> None:
    wanted = compared(name)
    assert compared(wanted) == wanted
    assert compared(f" {name}\n") == wanted
    assert compared(unicodedata.normalize("NFC", name).casefold()) == wanted
    assert compared(unicodedata.normalize("NFD", name)) == compared(unicodedata.normalize("NFC", name))


@pytest.mark.parametrize("title", ["Alien: Covenant", "Thor: Ragnarok", "X-Men: Apocalypse", "Dune: Part Two"])
def test_a_title_with_a_colon_is_no_short_iri(title: str) -> None:
    assert local_name(title) == title
