"""Words of texts in any script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.graph.sources.readable_ids import names_of_ids
from kptoolkit.storage.values.letters import camel_words, compared_words, is_letters, words_in

TITLES = {
    "Lord of the Rings: 2 — Die STRASSE!": ["lord", "of", "the", "rings", "2", "die", "strasse"],
    "«Война и мир»": ["война", "и", "мир"],
    "हिन्दी की किताब": ["हिन्दी", "की", "किताब"],
    "שָׁלוֹם עולם": ["שָׁלוֹם", "עולם"],
    "می\u200cخواهم": ["می\u200cخواهم"],
    "전쟁과 평화": ["전쟁과", "평화"],
    "战争与和平": ["战争", "争与", "与和", "和平"],
    "ハリー・ポッター 賢者": ["ハリ", "リー", "ポッ", "ッタ", "ター", "賢者"],
    "ABC戦争2": ["abc", "戦争", "2"],
    "สวัสดี": ["สวั", "วัส", "สดี"],
    "ＡＢＣ": ["abc"],
    " …?! ": [],
}


@pytest.mark.parametrize(("title", "words"), TITLES.items())
def test_words_of_titles(title: str, words: list[str]) -> None:
    assert compared_words(title) == [unicodedata.normalize("NFKC", word) for word in words]


@pytest.mark.parametrize("shorter", ["战争与和平", "ハリー・ポッター", "สวัสดี", "हिन्दी", "Straße"])
def test_a_longer_title_shares_words_with_a_shorter_one(shorter: str) -> None:
    assert set(compared_words(shorter)) <= set(compared_words(f"{shorter} 2"))
    assert set(compared_words(shorter)) & set(compared_words(f"新{shorter.upper()}之"))


@given(st.text(max_size=20))
def test_words_do_not_depend_on_case_width_or_normal_form(text: str) -> None:
    words = compared_words(text)
    assert all(word and not any(map(str.isspace, word)) for word in words)
    for form in ("NFC", "NFD", "NFKC"):
        assert compared_words(unicodedata.normalize(form, text)) == words


@given(st.text(st.characters(codec="latin-1"), max_size=20))
def test_runs_of_letters_are_those_of_python_where_letters_have_no_marks(text: str) -> None:
    plain = "".join(letter if letter.isalpha() or letter.isdecimal() or letter == "_" else " " for letter in text)
    assert words_in(text) == plain.split()


def test_words_of_ids() -> None:
    assert camel_words("hasHTTPServer") == ["has", "HTTP", "Server"]
    assert camel_words("имеетЖанр") == ["имеет", "Жанр"]
    assert is_letters("हिन्दी")
    assert not is_letters("ा")
    assert not is_letters("a1")
    assert not is_letters("")


@pytest.mark.parametrize("ids", [["戦争", "平和"], ["ไทย", "ลาว"], ["किताब_1", "लेखक"], ["كتاب", "قلم"]])
def test_short_ids_of_scripts_without_case_are_names(ids: list[str]) -> None:
    assert names_of_ids(ids) == [one.replace("_", " ") for one in ids]


def test_short_codes_are_no_names() -> None:
    assert names_of_ids(["Ж1", "Ж2", "m0", "é"]) == []
