"""Rules that rewrite ids, and the search for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.errors import ConfigError
from kptoolkit.storage.values.id_rules import IdRules, propose

IDS = st.lists(st.from_regex(r"[1-9]\d{2,8}", fullmatch=True), min_size=1, max_size=20, unique=True)
FRONTS = st.sampled_from(["tt", "http://www.wikidata.org/entity/Q", "http://rdf.freebase.com/ns/m.", "movie:", "x#"])


@given(ids=IDS, front=FRONTS, width=st.sampled_from([0, 10, 12]))
def test_ids_that_differ_by_a_front_and_by_zeros_are_matched(ids: list[str], front: str, width: int) -> None:
    known = {front + one.zfill(width) for one in ids} | {"Comedy", "http://example.org/x"}
    found = propose(ids, known)
    assert found is not None
    assert found.matched == len(ids)
    assert {found.rules(one) for one in ids} <= known
    assert IdRules.of(str(found.rules)) == found.rules


@given(ids=IDS, front=FRONTS)
def test_a_front_that_only_the_links_have_is_removed(ids: list[str], front: str) -> None:
    found = propose([front + one for one in ids], set(ids))
    assert found is not None
    assert found.matched == len(ids)


@pytest.mark.parametrize(
    ("missing", "known", "rules"),
    [
        (["0114709", "0113228"], {"114709", "113228"}, "zeros"),
        (["451526538"], {"0451526538"}, "zeros=10"),
        (["q42"], {"Q42"}, "upper"),
        (["M.0DYB1"], {"m.0dyb1"}, "lower"),
        (["a"], {"b"}, None),
        ([], {"b"}, None),
    ],
)
def test_the_simplest_rules_are_proposed(missing: list[str], known: set[str], rules: str | None) -> None:
    found = propose(missing, known)
    assert (None if found is None else str(found.rules)) == rules


@pytest.mark.parametrize("text", ["trim", "prefix", "prefix=", "zeros=x", "zeros=0", "lower=3"])
def test_a_wrong_rule_is_an_error_that_lists_the_rules(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--link-ids .*rules are prefix=TEXT, without=TEXT, zeros"):
        IdRules.of(text)
