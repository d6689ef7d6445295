"""Drafts in the language of the names, and names of library catalogues."""

from __future__ import annotations

import pytest

from kptoolkit.prompts import TemplatePack, draft_pack, load_auto
from kptoolkit.prompts.drafting.language import language_of
from kptoolkit.prompts.headings import heading

NAMES = {
    "fr": ["Le Petit Prince", "Les Misérables", "À la recherche du temps perdu", "Voyage au bout de la nuit"],
    "de": ["Der Prozess", "Die Verwandlung", "Im Westen nichts Neues", "Das Parfum", "Der Name der Rose"],
    "en": ["The Name of the Rose", "Of Mice and Men", "A Tale of Two Cities", "War and Peace"],
}


@pytest.mark.parametrize(("language", "names"), NAMES.items())
def test_the_language_of_names(language: str, names: list[str]) -> None:
    assert language_of(names) == language


@pytest.mark.parametrize("names", [[], ["Emma"], ["Amélie"], ["42", "x"], 2 * (NAMES["fr"][:2] + NAMES["de"][:3])])
def test_english_where_names_do_not_tell(names: list[str]) -> None:
    assert language_of(names) == "en"


@pytest.mark.parametrize("language", ["de", "fr"])
def test_a_draft_is_in_the_language_of_the_names(language: str, tmp_path: object) -> None:
    counts = {"author": 9, "genre": 5, "shop.sells_to": 2}
    like = load_auto(counts, language)
    assert (like.name, like.language) == (f"generic-{language}", language)
    draft = draft_pack("own", counts, like, language=like.language)
    sentences = [relation.templates.sentences(False)[0] for relation in draft.relations]
    assert not [text for text in sentences if " is " in text or " was " in text], "none is English"
    assert load_auto(counts).language == "en"
    assert load_auto(counts, "xx").language == "en"


def test_packs_of_a_language_know_the_relations_of_the_english_one() -> None:
    english = TemplatePack.load("generic")
    for language in ("de", "fr"):
        pack = TemplatePack.load(f"generic-{language}")
        assert pack.relations.keys() == english.relations.keys()
        assert all(pack.has(alias) for alias in english.aliases)
        assert len(pack.mpp) == len(english.mpp)


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("Bablet, Mathieu, 1987-", "Mathieu Bablet"),
        ("Hugo, Victor, 1802-1885", "Victor Hugo"),
        ("Hugo, Victor (1802-1885)", "Victor Hugo"),
        ("Dumas, Alexandre", "Alexandre Dumas"),
        ("Twain, Mark, 1835-1910 [Auteur]", "Mark Twain"),
        ("Martin du Gard, Roger, 1881-1958", "Roger Martin du Gard"),
        ("Mathieu Bablet", "Mathieu Bablet"),
        ("Acme, Inc.", "Acme, Inc."),
        ("Smith, John, Jr.", "Smith, John, Jr."),
        ("Here, There,and Back", "Here, There,and Back"),
        ("Stockholm, 1912", "Stockholm, 1912"),
        ("", ""),
    ],
)
def test_headings_of_libraries(name: str, spoken: str) -> None:
    assert heading(name) == spoken


def test_the_filter_is_in_the_shipped_packs_of_both_languages() -> None:
    pack = TemplatePack.load("generic-fr").with_relation("author", forward="{{ head }} est de {{ tail | heading }}.")
    assert pack.sentence("Shangri-La", "author", "Bablet, Mathieu, 1987-") == "Shangri-La est de Mathieu Bablet."
