"""The known names nearest to one that does not exist."""

from __future__ import annotations

import pytest

from kptoolkit.names import LIKELY, nearest


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
