"""Packs as values: loading, saving, changing, finding."""

from __future__ import annotations

import doctest
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from jinja2 import Environment

from kptoolkit.errors import InputError, TemplateError, UnknownNameError
from kptoolkit.prompts import MppTemplate, Slot, TemplatePack, load_auto, pack_names
from kptoolkit.prompts import pack as pack_module
from kptoolkit.prompts.reading.pack_reader import read_unchecked
from kptoolkit.prompts.reading.pack_sources import find_pack
from kptoolkit.prompts.templating.relations import FALLBACK, NEUTRAL


def loud(name: str) -> str:
    return name.upper() + "!"


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(pack_module) == (0, 2)


class TestChanges:
    def test_the_example_of_the_design(self) -> None:
        movies = TemplatePack.load("movies")
        pack = movies.with_relation("film.film.directed_by", forward="{{ head }} is {{ tail }}'s work.")
        assert pack.sentence("A", "film.film.directed_by", "B") == "A is B's work."
        assert pack.variants("film.film.directed_by") == 1
        inverse = [pack.sentence("A", "film.film.directed_by", "B", inverse=True) for pack in (movies, pack)]
        assert inverse[0] == inverse[1]
        assert movies.sentence("A", "film.film.directed_by", "B") == "A was directed by B."

    def test_a_pack_does_not_change(self) -> None:
        pack = TemplatePack.load("generic")
        with pytest.raises(FrozenInstanceError):
            pack.name = "other"  # type: ignore[misc]
        with pytest.raises(TypeError):
            pack.relations["new"] = pack.fallback  # type: ignore[index]

    def test_sentences_of_one_direction_serve_both(self) -> None:
        pack = TemplatePack("mine").with_relation("likes", forward=["{{ head }} likes {{ tail }}."])
        assert pack.sentence("Ann", "likes", "tea", inverse=True) == "Ann likes tea."
        both = pack.with_relation("likes", inverse="{{ tail }} is liked by {{ head }}.")
        assert both.sentence("Ann", "likes", "tea", inverse=True) == "tea is liked by Ann."
        assert both.sentence("Ann", "likes", "tea") == "Ann likes tea."

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"forward": "{{ head }} likes {{ tial }}."}, r"'likes', column 21: .*undeclared variable 'tial'"),
            ({"inverse": "{{ head }} likes"}, r"inverse sentence 1: \{\{ tail \}\} is missing"),
            ({}, "no sentence"),
        ],
    )
    def test_a_wrong_relation_is_refused(self, arguments: dict[str, str], message: str) -> None:
        with pytest.raises(TemplateError, match=message):
            TemplatePack("mine").with_relation("likes", **arguments)

    def test_mpp_templates_are_added_with_the_separators_of_the_pack(self) -> None:
        pack = TemplatePack("mine", separator=" / ", last_separator=" // ").with_mpp("a", "{{ history }}? {{ mask }}")
        assert pack.mpp_template("a").render(["x", "y", "z"]) == "x / y // z? ___"
        with pytest.raises(TemplateError, match=r"pack mine, mpp.yaml, 'a': duplicate id"):
            pack.with_mpp("a", "{{ mask }} follows {{ history }}")
        with pytest.raises(TemplateError, match=r"pack mine, mpp.yaml, 'b': 0 of the slot \{\{ mask \}\}"):
            pack.with_mpp("b", "{{ history }}")
        with pytest.raises(InputError, match=r"with_mpp\(split=…\): 'train' or 'held_out' is needed, not 'test'"):
            pack.with_mpp("b", "{{ history }} {{ mask }}", split="test")  # type: ignore[arg-type]
        with pytest.raises(UnknownNameError, match="no MPP template 'aa'; nearest: a"):
            pack.mpp_template("aa")

    def test_a_variant_that_is_not_there(self) -> None:
        with pytest.raises(IndexError, match="variant 9 of relation 'author': there are 2"):
            TemplatePack.load("generic").render("a", "author", "b", variant=9)


class TestRelationIds:
    def test_ids_come_before_aliases(self) -> None:
        pack = TemplatePack("mine", aliases={"old": "new", "P1": "new"})
        pack = pack.with_relation("new", "{{ head }} new {{ tail }}").with_relation("old", "{{ head }} old {{ tail }}")
        assert [pack.sentence("a", relation, "b") for relation in ("new", "old", "P1")] == [
            "a new b",
            "a old b",
            "a new b",
        ]
        assert pack.has("P1")
        assert not pack.has("p1")
        assert pack.canonical("nothing") == "nothing"

    @pytest.mark.parametrize(
        ("pack", "relation", "sentences"),
        [
            ("movies", "http://www.wikidata.org/prop/direct/P57", "film.film.directed_by"),
            ("movies", "wdt:P57", "film.film.directed_by"),
            ("movies", "http://dbpedia.org/ontology/director", "film.film.directed_by"),
            ("movies", "dbo__director", "film.film.directed_by"),
            ("freebase", "http://rdf.freebase.com/ns/film.film.actor", "film.film.actor"),
            ("freebase", "<http://rdf.freebase.com/ns/film.film.actor>", "film.film.actor"),
            ("generic", "http://www.w3.org/2000/01/rdf-schema#subClassOf", "subclass_of"),
            ("generic", "https://schema.org/author/", "author"),
            ("generic", "LOCATED_IN", "located_in"),
            ("generic", "shop__LOCATED_IN", "located_in"),
            *(("generic", name, "located_in") for name in ("Located_In", "locatedIn", "Located In", "ex:located-in")),
            ("generic", "Genre", "genre"),
            ("generic-fr", "ÉCRIT_PAR", "author"),
            ("generic-fr", "A_POUR_GENRE", "genre"),
            ("generic-de", "GESCHRIEBEN_VON", "author"),
            ("movies", "ACTED_IN", "ACTED_IN"),
            ("generic", "made__by", "made__by"),
            ("generic", "http://nobody.org/", "http://nobody.org/"),
        ],
    )
    def test_the_local_name_of_an_id_in_small_letters_is_enough(self, pack: str, relation: str, sentences: str) -> None:
        assert TemplatePack.load(pack).canonical(relation) == sentences

    def test_mirrored_pairs_apply_to_every_id(self) -> None:
        pairs = TemplatePack.load("movies").mirrored
        assert ("film.film.prequel", "film.film.sequel") in pairs
        assert ("P155", "P156") in pairs
        assert ("film.film.sequel", "film.film.sequel") not in pairs

    def test_a_relation_mirrored_with_itself_survives_saving(self, tmp_path: Path) -> None:
        pack = replace(TemplatePack.load("generic"), mirrored=(("similar_to", "similar_to"),))
        assert ("similar_to", "similar_to") in TemplatePack.load(pack.save(tmp_path / "own")).mirrored

    @pytest.mark.parametrize("relation", ["P1040", "wdt:P1040", "http://www.wikidata.org/prop/direct/P1040"])
    def test_a_label_applies_to_every_namespace(self, relation: str) -> None:
        pack = replace(TemplatePack.load("generic"), labels={"P1040": "film editor"})
        assert pack.words(relation) == pack.with_labels({relation: "another"}).words(relation) == "film editor"

    @pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
    def test_unusual_line_breaks_survive_saving(self, tmp_path: Path, end: str) -> None:
        pack = replace(TemplatePack.load("generic"), description=f"one{end}two", separator=f"a{end}b")
        loaded = TemplatePack.load(pack.save(tmp_path / "own"))
        assert (loaded.description, loaded.separator) == (pack.description, pack.separator)

    def test_coverage_counts_triples(self) -> None:
        covered = TemplatePack.load("movies").coverage({"film.film.genre": 6, "P57": 3, "unheard.of": 1})
        assert [(row.relation, row.count, row.template) for row in covered.rows] == [
            ("film.film.genre", 6, "film.film.genre"),
            ("P57", 3, "film.film.directed_by"),
            ("unheard.of", 1, None),
        ]
        assert covered.share_of_triples == pytest.approx(0.9)
        assert covered.fallbacks == ("unheard.of",)

    def test_auto_takes_the_best_and_generic_among_equals(self) -> None:
        assert load_auto({"film.film.genre": 9, "author": 1}).name == "movies"
        assert load_auto({"book.book.genre": 9}).name == "books"
        assert load_auto({"nobody.knows.this": 9}).name == "generic"
        assert load_auto({"genre": 1}).name == "generic"
        assert load_auto({"film.film.genre": 1}).name == "movies"
        assert load_auto({"film.film.genre": 1, "film.film.cinematography": 1}).name == "freebase"
        assert load_auto({}).name == "generic"

    @pytest.mark.parametrize("name", pack_names())
    def test_what_a_choice_reads_of_a_pack_is_what_the_pack_says(self, name: str) -> None:
        pack, read = TemplatePack.load(name), TemplatePack(**vars(read_unchecked(find_pack(name))))
        counts = dict.fromkeys([*pack.relations, *pack.aliases, "nobody.knows.this"], 3)
        assert read.coverage(counts) == pack.coverage(counts)
        assert (read.name, read.language, read.relations) == (pack.name, pack.language, pack.relations)


class TestFilters:
    def test_a_filter_is_saved_by_its_import_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "my_filters.py").write_text("def shout(name):\n    return name.upper() + '!'\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        import my_filters  # type: ignore[import-not-found]

        pack = TemplatePack.load("generic").with_filter(my_filters.shout)
        pack = pack.with_relation("likes", forward="{{ head | shout }} likes {{ tail }}.")
        folder = pack.save(tmp_path / "pack")
        assert "shout: my_filters:shout" in (folder / "pack.yaml").read_text(encoding="utf-8")
        again = TemplatePack.load(folder, trust_code=True)
        assert again == pack
        assert again.sentence("Ann", "likes", "tea") == "ANN! likes tea."
        monkeypatch.delitem(sys.modules, "my_filters")
        (tmp_path / "my_filters.py").unlink()
        with pytest.raises(TemplateError, match=r"pack generic, pack.yaml, 'shout': cannot import the filter"):
            TemplatePack.load(folder, trust_code=True)

    def test_a_filter_that_cannot_be_imported_is_not_saved(self, tmp_path: Path) -> None:
        def local(name: str) -> str:
            return name

        for function, name in ((lambda text: text, "nothing"), (local, None), ("".join, "joined")):
            with pytest.raises(TemplateError, match="filter"):
                TemplatePack.load("generic").with_filter(function, name).save(tmp_path / "pack")
        assert not (tmp_path / "pack").exists()

    def test_a_lambda_needs_a_name(self) -> None:
        with pytest.raises(TemplateError, match="'<lambda>' is not a name"):
            TemplatePack("mine").with_filter(lambda name: name)
        pack = TemplatePack("mine").with_filter(loud, "big").with_relation("r", "{{ head | big }} {{ tail }}")
        assert pack.sentence("a", "r", "b") == "A! b"


class TestMpp:
    def test_parts(self) -> None:
        template = MppTemplate(
            "a", "{{ mask }}: after {{ history }}, for {{user}}.{# who? #} {{ '{{' }}".removesuffix(" {{ '{{' }}")
        )
        assert template.parts == (Slot.MASK, ": after ", Slot.HISTORY, ", for ", Slot.USER, ".")
        assert template.has_user

    def test_a_name_is_not_taken_for_a_slot(self) -> None:
        template = MppTemplate("a", "{{ history }} then {{ mask }}")
        assert template.render(["{{ mask }}", "\ufdd1x\n"]) == "{{ mask }} and x then ___"
        assert template.render([]) == " then ___"

    def test_a_user_is_needed_where_one_is_named(self) -> None:
        template = MppTemplate("a", "{{ user }}: {{ history }}, {{ mask }}")
        assert template.render(["x"], user="7") == "7: x, ___"
        with pytest.raises(TemplateError, match="needs a user"):
            template.render(["x"])


class TestFinding:
    def test_an_unknown_pack(self) -> None:
        with pytest.raises(UnknownNameError, match=r"no template pack 'movie'; nearest: movies"):
            TemplatePack.load("movie")
        with pytest.raises(UnknownNameError, match="needs one"):
            TemplatePack.load("auto")

    def test_a_pack_of_an_installed_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = (
            TemplatePack.load("generic").with_relation("likes", "{{ head }} likes {{ tail }}").save(tmp_path / "data")
        )
        (tmp_path / "garden_words.py").write_text(f"def folder():\n    return {str(folder)!r}\n", encoding="utf-8")
        info = tmp_path / "garden_words-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: garden-words\nVersion: 1\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(
            "[kptoolkit.templates]\ngarden = garden_words:folder\n"
            "movies = garden_words:folder\nlost = garden_words:no\n",
            encoding="utf-8",
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        assert pack_names()[-2:] == ["garden", "lost"]
        assert TemplatePack.load("garden").has("likes")
        assert not TemplatePack.load("movies").has("likes")
        with pytest.raises(TemplateError, match="pack lost: entry point garden_words:no failed"):
            TemplatePack.load("lost")


@pytest.fixture
def jinja_calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[object]]:
    """What Jinja parses and compiles during a test."""
    calls: dict[str, list[object]] = {"_parse": [], "_generate": []}

    def counted(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def call(self: Environment, source: object, *args: object, **settings: object) -> object:
            calls[name].append(source)
            return original(self, source, *args, **settings)

        return call

    for name in calls:
        monkeypatch.setattr(Environment, name, counted(name, getattr(Environment, name)))
    return calls


@pytest.mark.parametrize("name", ["generic", "movies-de"])
def test_every_template_is_parsed_once(name: str, jinja_calls: dict[str, list[object]]) -> None:
    pack = TemplatePack.load(name)
    sides = [*pack.relations.values(), pack.fallback, pack.neutral]
    texts = {text for templates in sides for text in (*templates.forward, *templates.inverse)}
    for relation in (*pack.relations, "some.other_relation", "P57"):
        for inverse in (False, True):
            for variant in range(pack.variants(relation, inverse)):
                pack.sentence("A", relation, "B", inverse=inverse, variant=variant)
    changed = pack.with_relation("new", forward="{{ head }} to {{ tail }}").with_mpp("more", "{{ history }} {{ mask }}")
    changed.sentence("A", "new", "B")
    changed.sentence("A", next(iter(pack.relations)), "B")
    expected = texts | {template.text for template in changed.mpp} | {"{{ head }} to {{ tail }}"}
    assert Counter(jinja_calls["_parse"]).most_common(1)[0][1] == 1
    assert {*jinja_calls["_parse"]} - texts <= expected
    assert texts - {*FALLBACK.forward, *FALLBACK.inverse, *NEUTRAL.forward, *NEUTRAL.inverse} <= {
        *jinja_calls["_parse"]
    }
    assert jinja_calls["_generate"] == []


def test_a_template_with_expressions_is_compiled_once(jinja_calls: dict[str, list[object]]) -> None:
    text = "{{ head | upper }} is by {{ tail }}."
    pack = TemplatePack("mine").with_relation("by", forward=text)
    assert (
        pack.sentence("Emma", "by", "Jane") == pack.sentence("Emma", "by", "Jane", inverse=True) == "EMMA is by Jane."
    )
    assert jinja_calls["_parse"] == [text]
    assert len(jinja_calls["_generate"]) == 1
