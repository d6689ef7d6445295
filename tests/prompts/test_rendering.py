"""Sentences: names stay text, the segments are the sentence, filters work, the fallback has words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.errors import TemplateError
from kptoolkit.prompts import Segment, TemplatePack, choose_variant, clean_name, relation_words

HEAD_TAIL = "{{ head }} likes {{ tail }}."
FILTERED = (
    HEAD_TAIL,
    "{{ head | upper }} likes {{ tail | lower }}.",
    "{{ tail | truncate(9) }} is liked by {{ head | title }}",
    "{% if head | length > 3 %}{{ head }}{% else %}Short {{ head }}{% endif %} likes {{ tail[:2] }}",
    "{{ head ~ tail }}, {{ head if head == tail else tail }}",
    "{{ head | reverse }}{{ tail }}{{ head | e }}",
)


GENERIC = TemplatePack.load("generic")


def pack_with(text: str) -> TemplatePack:
    return TemplatePack("test").with_relation("likes", forward=text)


names = st.one_of(
    st.text(),
    st.sampled_from(["{{ head }}", "{% if x %}", "{# #}", "}}", "\ufdd0\ufdd1", "{{ ''.__class__ }}", "\ud800"]),
)


@given(head=names, tail=names, inverse=st.booleans())
def test_any_name_stays_text(head: str, tail: str, inverse: bool) -> None:
    pack = GENERIC if inverse else pack_with(HEAD_TAIL)
    relation = "author" if inverse else "likes"
    segments = pack.render(head, relation, tail, inverse=inverse)
    text = "".join(segment.text for segment in segments)
    assert [s.text for s in segments if s.role == "head"] == [clean_name(head)]
    assert [s.text for s in segments if s.role == "tail"] == [clean_name(tail)]
    assert text == pack.sentence(head, relation, tail, inverse=inverse)
    assert len(text.splitlines()) == 1
    text.encode("utf-8")


@pytest.mark.parametrize("source", FILTERED)
@given(head=names, tail=names)
def test_segments_are_what_jinja_renders(source: str, head: str, tail: str) -> None:
    pack = pack_with(source)
    said = pack._environment.from_string(source).render(head=clean_name(head), tail=clean_name(tail))
    assert "".join(segment.text for segment in pack.render(head, "likes", tail)) == said


def test_segments_mark_head_and_tail_under_a_filter() -> None:
    pack = pack_with("{{ tail | upper }} pleases {{ head }}, says {{ head }}.")
    assert pack.render("Ann", "likes", "tea") == (
        Segment("TEA", "tail"),
        Segment(" pleases ", "text"),
        Segment("Ann", "head"),
        Segment(", says ", "text"),
        Segment("Ann", "head"),
        Segment(".", "text"),
    )


def test_a_filter_that_breaks_the_marks_gives_one_segment() -> None:
    pack = pack_with("{{ head | truncate(5, True, '...', 0) }} likes {{ tail }}.")
    assert pack.render("Alexandrina", "likes", "tea") == (Segment("Al... likes tea.", "text"),)


def test_a_failing_filter_is_a_template_error() -> None:
    pack = TemplatePack("test").with_filter(lambda name: {"Ann": "A."}.get(name, name), "brief")
    pack = pack.with_relation("likes", forward="{{ head | brief }} likes {{ tail }}.")
    assert pack.sentence("Ann", "likes", "tea") == "A. likes tea."

    def fragile(name: str) -> str:
        if name == "boom":
            raise RuntimeError("no such name")
        return name

    fragile_pack = pack.with_filter(fragile).with_relation("likes", forward="{{ head | fragile }} likes {{ tail }}.")
    with pytest.raises(TemplateError, match=r"pack test, relations.yaml, 'likes': .*RuntimeError: no such name"):
        fragile_pack.sentence("boom", "likes", "tea")


def test_an_unsafe_expression_in_a_branch_not_taken_on_load_is_still_stopped() -> None:
    with pytest.raises(TemplateError, match="unsafe"):
        pack_with("{% if head == 'now' %}{{ ''.__class__ }}{% endif %}" + HEAD_TAIL)
    sneaky = pack_with("{% if head == 'now' %}{{ head['__cla' ~ 'ss__'] }}{% endif %}" + HEAD_TAIL)
    assert sneaky.sentence("later", "likes", "tea") == "later likes tea."
    with pytest.raises(TemplateError, match="rendering failed"):
        sneaky.sentence("now", "likes", "tea")


BOMBS = ["{{ '%0999999999d' % 1 }}", "{{ '{:999999999}'.format(1) }}", "{{ '%0999999999d' | format(1) }}"]


@pytest.mark.parametrize(
    "bomb", [*BOMBS, "{{ 'a' * 9999 * 9999 }}", "{{ 9 ** 9 ** 9 }}", "{{ 'a' | center(999999999) }}"]
)
def test_a_template_cannot_exhaust_the_memory(bomb: str) -> None:
    with pytest.raises(TemplateError):
        pack_with(HEAD_TAIL + bomb)


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ("film.film.directed_by", "directed by"),
        ("film.film.directedBy", "directed by"),
        ("/award/nominee/nominations./award/nomination/award", "award"),
        ("http://www.w3.org/2000/01/rdf-schema#subClassOf", "sub class of"),
        ("hasHTTPServer", "has http server"),
        ("Directed By", "directed by"),
        ("isbn13", "isbn13"),
        ("is_a", "is a"),
        ("导演", "导演"),
        ("निर्देशक_का_नाम", "निर्देशक का नाम"),
        ("http://example.org/имеетЖанр", "имеет жанр"),
        ("ผู้กำกับ", "ผู้กำกับ"),
        ("father.", "father"),
        ("P57", ""),
        ("http://www.wikidata.org/prop/direct/P57", ""),
        ("m.0abc", ""),
        ("42", ""),
        ("...", ""),
        ("", ""),
        ("r" * 300, ""),
    ],
)
def test_words_of_a_relation_id(relation: str, words: str) -> None:
    assert relation_words(relation) == words


def test_words_of_a_long_id_end_at_a_word() -> None:
    assert relation_words("_".join(["word"] * 50)) == " ".join(["word"] * 12)


@given(st.text(min_size=1))
def test_the_fallback_shows_words_only(relation: str) -> None:
    words = relation_words(relation)
    pack = GENERIC
    if not pack.has(relation):
        expected = pack.fallback if words else pack.neutral
        said = pack.sentence("Alpha", relation, "Beta")
        template = expected.forward[0]
        for name, value in {"head": "Alpha", "tail": "Beta", "relation": words}.items():
            template = template.replace(f"{{{{ {name} }}}}", value)
        assert said == template
        assert pack.variants(relation, inverse=True) == 1


def test_the_fallback_never_shows_the_id() -> None:
    pack = TemplatePack.load("generic")
    for relation in ("film.film.directedBy", "P57", "x" * 300, "`quoted`.likedBy", "a/b/likedBy, truly"):
        assert relation not in pack.sentence("Alpha", relation, "Beta")


@given(
    count=st.integers(1, 9),
    key=st.text(),
    epoch=st.integers(0, 50),
    policy=st.sampled_from(["first", "hash", "epoch"]),
)
def test_a_chosen_variant_exists(count: int, key: str, epoch: int, policy: str) -> None:
    assert 0 <= choose_variant(policy, count, key, epoch) < count  # type: ignore[arg-type]


def test_policies_of_variants() -> None:
    keys = [f"a{i}\tlikes\tb" for i in range(60)]
    assert {choose_variant("first", 3, key, 5) for key in keys} == {0}
    assert {choose_variant("hash", 3, key, 5) for key in keys} == {0, 1, 2}
    assert all(choose_variant("hash", 3, key, 0) == choose_variant("hash", 3, key, 7) for key in keys)
    assert all({choose_variant("epoch", 3, key, epoch) for epoch in range(3)} == {0, 1, 2} for key in keys)
    assert choose_variant("hash", 1000, "a\tlikes\tb") == 216
