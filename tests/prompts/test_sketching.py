"""Packs drafted from the relations of a graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from kptoolkit.prompts import TemplatePack, check_pack
from kptoolkit.prompts.sketching import sketch_pack


@pytest.mark.parametrize(
    ("relation", "sentence"),
    [
        ("WORKS_AT", "A works at B."),
        ("SOLD", "A sold B."),
        ("OWNED_BY", "A was owned by B."),
        ("IN_SERIES", "A is in series B."),
        ("HAS_FLAVOUR", "The flavour of A is B."),
        ("shop.flavour", "The flavour of A is B."),
        ("{{ maker }}", "The maker of A is B."),
    ],
)
def test_a_first_sentence_is_made_of_the_words(relation: str, sentence: str) -> None:
    pack, drafted = sketch_pack("own", {relation: 3})
    assert drafted == (relation,)
    assert pack.sentence("A", relation, "B") == sentence


def test_known_relations_keep_their_sentences(tmp_path: Path) -> None:
    counts = {"ACTED_IN": 9, "SPONSORED": 2, "P9999": 1, "sequel": 1, "prequel": 1}
    pack, drafted = sketch_pack("own", counts)
    movies = TemplatePack.load("movies")
    assert list(pack.relations) == ["ACTED_IN", "SPONSORED", "prequel", "sequel"]
    assert pack.relations["ACTED_IN"] == movies.relations["ACTED_IN"]
    assert pack.relations["sequel"] == movies.relations["film.film.sequel"]
    assert ("prequel", "sequel") in pack.mirrored
    assert drafted == ("SPONSORED",)
    assert pack.coverage(counts).fallbacks == ("P9999",)
    assert check_pack(pack.save(tmp_path / "own")) == []
    assert TemplatePack.load(tmp_path / "own") == pack
    like, _ = sketch_pack("own", counts, TemplatePack.load("generic"))
    assert like.mpp == TemplatePack.load("generic").mpp
