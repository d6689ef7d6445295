"""Texts keep the number of their first occurrence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.storage.vocabulary import Vocabulary


@given(st.lists(st.lists(st.text(max_size=2), max_size=6), max_size=4))
def test_numbers_are_those_of_the_first_occurrence(parts: list[list[str]]) -> None:
    vocabulary = Vocabulary()
    numbers = [vocabulary.add(part) for part in parts]
    texts = list(dict.fromkeys(text for part in parts for text in part))
    assert list(vocabulary) == texts
    assert len(vocabulary) == len(texts)
    for part, found in zip(parts, numbers, strict=True):
        assert found.dtype == np.int32
        assert [texts[number] for number in found] == part
    assert all(vocabulary[text] == vocabulary.get(text) == number for number, text in enumerate(texts))


def test_an_unknown_text_has_no_number() -> None:
    vocabulary = Vocabulary()
    vocabulary.add(["a"])
    assert "a" in vocabulary
    assert "b" not in vocabulary
    assert vocabulary.get("b") is None
    with pytest.raises(KeyError):
        vocabulary["b"]
