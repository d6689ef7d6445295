from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.prompts import Segment
from kptoolkit.tree import WordTokenizer, cap_name


def test_words_are_cut_from_the_whole_text_not_from_its_parts() -> None:
    encoded = WordTokenizer().encode(
        (Segment("Emma", "head"), Segment("'s author is ", "text"), Segment("J A", "tail"))
    )
    assert encoded.texts == ("Emma's", "author", "is", "J", "A")
    assert len(encoded) == 5
    assert encoded.starts.all()


def test_equal_words_have_equal_ids_and_none_is_special() -> None:
    tokenizer = WordTokenizer()
    first = tokenizer.encode((Segment("a b a </s>", "text"),)).ids.tolist()
    again = tokenizer.encode((Segment("b", "text"),)).ids.tolist()
    assert first[0] == first[2] != first[1] == again[0]
    assert not {tokenizer.pad_id, tokenizer.eos_id, tokenizer.mask_id} & set(first)


def test_no_words_make_no_tokens() -> None:
    assert len(WordTokenizer().encode((Segment("  ", "text"),))) == 0


def test_short_names_stay_as_they_are() -> None:
    assert cap_name("Pride and Prejudice", 3) == "Pride and Prejudice"


def test_long_names_end_in_an_ellipsis() -> None:
    assert cap_name("one two three four", 3) == "one two three…"
    assert cap_name("長" * 100, 2) == "長" * 24 + "…"


@given(st.text(), st.integers(1, 5))
def test_a_capped_name_has_at_most_so_many_words(name: str, limit: int) -> None:
    assert len(cap_name(name, limit).split()) <= limit
