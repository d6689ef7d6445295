"""The shipped packs, by the shipped suite; against the relations of real sets where KPTOOL_DATA names them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from kptoolkit.graph import open_source
from kptoolkit.graph.loading.survey import survey
from kptoolkit.prompts import TemplatePack, load_auto, pack_names
from kptoolkit.testing.template_pack_suite import TemplatePackSuite

FREQUENT = 0.05
RARE = 20
FILES = {"movies-freebase": "ml-100k.kg"}


class TestMovies(TemplatePackSuite):
    pack = "movies"


class TestBooks(TemplatePackSuite):
    pack = "books"


class TestGeneric(TemplatePackSuite):
    pack = "generic"


class TestMusic(TemplatePackSuite):
    pack = "music"


class TestFreebase(TemplatePackSuite):
    pack = "freebase"


class TestGenericDe(TemplatePackSuite):
    pack = "generic-de"


class TestGenericFr(TemplatePackSuite):
    pack = "generic-fr"


class TestMoviesDe(TemplatePackSuite):
    pack = "movies-de"


def test_every_shipped_pack_is_under_test() -> None:
    assert set(pack_names()) == {
        suite.pack for suite in TemplatePackSuite.__subclasses__() if suite.pack in pack_names()
    }


def relation_counts(domain: str) -> Counter[str]:
    if "KPTOOL_DATA" not in os.environ:
        pytest.skip("KPTOOL_DATA is not set")
    path = Path(os.environ["KPTOOL_DATA"]) / domain / FILES.get(domain, f"{domain}.kg")
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return Counter(relation for _, relation, _ in rows)


@pytest.mark.parametrize(
    ("domain", "name"), [("movies", "movies"), ("books", "books"), ("music", "music"), ("movies-freebase", "freebase")]
)
def test_every_relation_of_the_real_set_has_sentences_and_auto_finds_the_pack(domain: str, name: str) -> None:
    counts = relation_counts(domain)
    pack = TemplatePack.load(name)
    assert [relation for relation in pack.coverage(counts).fallbacks if counts[relation] > RARE] == []
    for relation in pack.relations.keys() & counts:
        templates = pack.relations[relation]
        least = 2 if counts[relation] >= FREQUENT * counts.total() else 1
        assert min(len(templates.forward), len(templates.inverse)) >= least, relation
    assert load_auto(counts).name == name


def test_the_mirrored_pairs_of_the_real_set_are_listed() -> None:
    if "KPTOOL_DATA" not in os.environ:
        pytest.skip("KPTOOL_DATA is not set")
    pairs = survey(
        open_source([Path(os.environ["KPTOOL_DATA"]) / "movies-freebase" / FILES["movies-freebase"]])
    ).mirrored()
    found = {frozenset((pair.relation, pair.inverse)) for pair in pairs}
    assert len(found) == 9
    assert found <= {frozenset(pair) for pair in TemplatePack.load("freebase").mirrored}


def test_a_language_is_data() -> None:
    english, german = TemplatePack.load("movies"), TemplatePack.load("movies-de")
    assert (english.language, german.language) == ("en", "de")
    assert english.domain == german.domain
    assert english.relations.keys() == german.relations.keys()
    assert (english.aliases, english.mirrored) == (german.aliases, german.mirrored)
    assert [(t.split, t.has_user) for t in english.mpp] == [(t.split, t.has_user) for t in german.mpp]
    for relation in (*english.relations, "unheard.of", "P9"):
        for inverse in (False, True):
            sentences = [pack.sentence("A", relation, "B", inverse=inverse) for pack in (english, german)]
            assert sentences[0] != sentences[1]
    assert german.sentence("Alien", "director", "Ridley Scott") == "Regie bei Alien führte Ridley Scott."
    assert german.mpp_template("movies-de-08").render(["Alien", "Fargo"]) == (
        "Wer Alien und Fargo gesehen hat, wählt danach wohl ___."
    )
