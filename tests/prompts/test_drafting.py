"""Packs drafted from a graph's relations are sound, show real triples, and mark what is a guess."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result
from worlds.examples import examples

from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig
from kptoolkit.errors import DataError, InputError
from kptoolkit.graph import Graph, MemorySource
from kptoolkit.graph.embedded import EmbeddedServer
from kptoolkit.prompts import Examples, TemplatePack, check_pack, draft_pack, find_examples
from kptoolkit.prompts.drafting.guessing import guess_sentences
from kptoolkit.prompts.drafting.sentence_files import read_sentences
from kptoolkit.prompts.templating.triplet_sentences import HOSTILE_NAMES
from kptoolkit.testing.template_pack_suite import TemplatePackSuite

GENERIC = TemplatePack.load("generic")
LAYOUTS = Path(__file__).resolve().parents[1] / "layouts"
GUESSES = [
    ("directed by", "A was directed by B.", "B directed A."),
    ("written by", "A was written by B.", "B wrote A."),
    ("acted in", "A acted in B.", "B is what A acted in."),
    ("born in", "A was born in B.", "B is what A was born in."),
    ("grown in", "A is grown in B.", "B is what A is grown in."),
    ("scented with", "A is scented with B.", "B is what A is scented with."),
    ("in", "A is in B.", "B is what A is in."),
    ("directed", "A directed B.", "B was directed by A."),
    ("has tag", "A has the tag B.", "B is a tag of A."),
    ("member of", "A is member of B.", "One member of B is A."),
    ("films in this genre", "The films in this genre of A is B.", "B is the films in this genre of A."),
    ("subjects", "One of the subjects of A is B.", "B is one of the subjects of A."),
    ("genre", "The genre of A is B.", "B is the genre of A."),
    ("by", "A is by B.", "B is what A is by."),
    ("music by", "The music of A is by B.", "B made the music of A."),
    ("owns", "A owns B.", "B is owned by A."),
    ("own", "A owns B.", "B is owned by A."),
    ("carries", "A carries B.", "B is carried by A."),
    ("owned", "A owned B.", "B was owned by A."),
    ("managed by", "A is managed by B.", "B manages A."),
    ("used by", "A is used by B.", "B uses A."),
    ("tagged", "A is tagged with B.", "B is what A is tagged with."),
    ("tagged with", "A is tagged with B.", "B is what A is tagged with."),
    ("is tagged with", "A is tagged with B.", "B is what A is tagged with."),
    ("tag", "The tag of A is B.", "B is the tag of A."),
    ("located in", "A is located in B.", "B is what A is located in."),
    ("listened to", "A listened to B.", "B is what A listened to."),
    ("made of", "A is made of B.", "B is what A is made of."),
    ("made in", "A was made in B.", "B is what A was made in."),
    ("directs", "A directs B.", "B is directed by A."),
    ("publishes", "A publishes B.", "B is published by A."),
    ("supplies", "A supplies B.", "B is supplied by A."),
    ("teach", "A teaches B.", "B is taught by A."),
    ("owned by", "A is owned by B.", "B owns A."),
    ("written in", "A is written in B.", "B is what A is written in."),
    ("written work", "The written work of A is B.", "B is the written work of A."),
    ("married to", "A is married to B.", "B is what A is married to."),
    ("worked for", "A worked for B.", "B is what A worked for."),
    ("based on novel", "A was based on novel B.", "B is what A was based on novel."),
    ("works at", "A works at B.", "B is what A works at."),
    ("sells to", "A sells to B.", "B is what A sells to."),
    ("likes", "A likes B.", "B is liked by A."),
    ("sold", "A sold B.", "B was sold by A."),
    ("wrote", "A wrote B.", "B was written by A."),
    ("sang on", "A sang on B.", "B is what A sang on."),
    ("is part of", "A is part of B.", "B is what A is part of."),
    ("in series", "A is in series B.", "B is the series that A is in."),
    ("in reply to", "A is in reply to B.", "B is what A is in reply to."),
    ("has alias", "A has the alias B.", "B is an alias of A."),
    ("has role in", "A has role in B.", "B is what A has role in."),
    ("speed", "The speed of A is B.", "B is the speed of A."),
    ("has", "A has B.", "B is what A has."),
    ("is", "A is B.", "B is what A is."),
]
SOURCE = MemorySource(
    [
        ("emma", "book.author", "austen"),
        ("persuasion", "book.author", "austen"),
        ("ulysses", "book.author", "joyce"),
        ("austen", "person.wrote", "emma"),
        ("austen", "person.wrote", "persuasion"),
        ("joyce", "person.wrote", "ulysses"),
        *((book, relation, "novel") for book in ("emma", "ulysses") for relation in ("book.kind", "book.form")),
        ("novel", "P999", "nameless"),
        ("emma", "[red]`x`: #{{ y }}", "joyce"),
        ("atoll", "place.lies_in", "ocean"),
    ],
    {"emma": "Emma\n", "persuasion": "Persuasion", "ulysses": "Ulysses: #1", "austen": "Jane Austen", "joyce": "J. J."}
    | {"novel": "{{ novel }}"},
    links_=[("i1", "emma")],
)


@pytest.mark.parametrize(("words", "forward", "inverse"), GUESSES)
def test_words_of_an_id_become_a_sentence(words: str, forward: str, inverse: str) -> None:
    pack = TemplatePack("mine", relations={"r": guess_sentences(words)})
    assert (pack.sentence("A", "r", "B"), pack.sentence("A", "r", "B", inverse=True)) == (forward, inverse)


def test_sentences_of_the_model_pack_are_copied_and_the_rest_is_guessed(tmp_path: Path) -> None:
    counts = {"author": 3, "shop.sells_to": 9, "P999": 1, "P57": 2}
    draft = draft_pack("mine", counts, GENERIC)
    assert [(r.relation, r.source) for r in draft.relations] == [
        ("shop.sells_to", "words"),
        ("author", "pack"),
        ("P57", "pack"),
        ("P999", "neutral"),
    ]
    draft.write(tmp_path / "mine")
    pack = TemplatePack.load(tmp_path / "mine")
    assert pack.coverage(counts).fallbacks == ()
    assert pack.relations["author"] == GENERIC.relations["author"]
    assert pack.relations["P57"] == GENERIC.relations["director"]
    assert pack.sentence("A", "shop.sells_to", "B") == "A sells to B."
    assert [template.text for template in pack.mpp] == [template.text for template in GENERIC.mpp]
    assert pack.mpp[0].id == "mine-01"
    text = (tmp_path / "mine" / "relations.yaml").read_text(encoding="utf-8")
    assert text.count("a guess from the words in the id") == text.count("the id has no words: say what it means") == 1
    with pytest.raises(InputError, match="is there already; nothing was written"):
        draft.write(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_sentences_of_a_file_come_first(tmp_path: Path) -> None:
    given = read_sentences(LAYOUTS / "kp4sr_authors" / "books" / "relation2template.json")
    counts = {"book.written_work.author": 2, "author": 1}
    draft = draft_pack("ours", counts, GENERIC, sentences=given)
    assert [relation.source for relation in draft.relations] == ["file", "pack"]
    draft.write(tmp_path / "ours")
    pack = TemplatePack.load(tmp_path / "ours")
    assert pack.sentence("Emma", "book.written_work.author", "Jane Austen") == "The author of Emma is Jane Austen."
    assert not any(finding.fatal for finding in check_pack(tmp_path / "ours"))


@pytest.mark.parametrize(
    "text", ["[1]", "{}", '{"r": "no place"}', '{"r": ["[X] [Y] [X]"]}', '{"r": "[X] {{ 1 }} [Y]"}', '{"r": 3}', "{"]
)
def test_a_wrong_file_of_sentences_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=r"x\.json"):
        read_sentences(tmp_path / "x.json")


def test_a_pack_in_another_language_has_the_words_between_the_names(tmp_path: Path) -> None:
    draft_pack("meins", {"sells_to": 1, "author": 2}, GENERIC, language="de").write(tmp_path / "meins")
    pack = TemplatePack.load(tmp_path / "meins")
    assert pack.language == "de"
    assert pack.sentence("Acme", "sells_to", "York") == "Acme – sells to: York."
    for file in ("pack.yaml", "mpp.yaml"):
        assert "translate them" in (tmp_path / "meins" / file).read_text(encoding="utf-8")


def test_mirrored_pairs_are_those_of_the_graph_and_those_the_pack_knows() -> None:
    movies = TemplatePack.load("movies")
    counts = {"sequel": 1, "prequel": 1, "ACTED_IN": 9, "CAST": 9}
    seen = Examples(mirrored=[("ACTED_IN", "CAST")])
    draft = draft_pack("own", counts, movies, examples=seen)
    known = [pair for pair in movies.mirrored if set(pair) == {"sequel", "prequel"}]
    assert len(known) == 1
    assert yaml.safe_load(draft.files["pack.yaml"])["mirrored"] == [["ACTED_IN", "CAST"], list(known[0])]
    notes = {drafted.relation: drafted.notes for drafted in draft.relations}
    assert notes["sequel"] == ("states the facts of prequel with head and tail swapped",)
    also = draft_pack("own", counts, movies, examples=Examples(mirrored=[known[0][::-1]]))
    assert yaml.safe_load(also.files["pack.yaml"])["mirrored"] == [list(known[0][::-1])], "once, as the graph has it"
    assert yaml.safe_load(draft_pack("own", {"sequel": 1}, movies).files["pack.yaml"])["mirrored"] == []
    spaced = {f"http://example.org/{relation}": 3 for relation in known[0]}
    assert yaml.safe_load(draft_pack("own", spaced, movies).files["pack.yaml"])["mirrored"] == [list(spaced)]


@settings(max_examples=examples(15))
@given(
    st.dictionaries(st.one_of(st.text(max_size=200), st.sampled_from(HOSTILE_NAMES)), st.integers(1, 9), max_size=5),
    st.lists(st.tuples(st.text(max_size=30), st.sampled_from(HOSTILE_NAMES)), max_size=3),
    st.sampled_from(["en", "de"]),
)
def test_whatever_relations_and_names_are_called_the_draft_is_sound(
    counts: dict[str, int], triples: list[tuple[str, str]], language: str
) -> None:
    seen = Examples(dict.fromkeys(counts, triples), entities=1)
    counts = {relation: count for relation, count in counts.items() if "\x00" not in relation and writable(relation)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine"
        draft_pack("mine", counts, GENERIC, examples=seen, language=language).write(path)
        assert [str(finding) for finding in check_pack(path)] == []
        assert set(TemplatePack.load(path).relations) == set(counts)


def writable(text: str) -> bool:
    """Whether UTF-8 has the text; a database cannot store other text."""
    return text.isascii() or not any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def kptool(server: EmbeddedServer, *words: str) -> Result:
    settings = {"URI": server.uri, "USERNAME": server.username, "PASSWORD": server.password}
    settings["DATABASE"] = server.database
    environment = {f"KPTOOL_GRAPH__{key}": value for key, value in settings.items()}
    return CliRunner().invoke(app, ["templates", *words], env=environment)


def opened(server: EmbeddedServer) -> Graph:
    config = GraphConfig(database=server.database)
    return Graph.open(server.uri, username=server.username, password=server.password, config=config)


@pytest.mark.embedded
class TestFromAGraph(TemplatePackSuite):
    pack = Path("set by the fixture")

    @pytest.fixture(scope="class")
    @staticmethod
    def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
        """One embedded graph that all commands share."""
        server = EmbeddedServer(tmp_path_factory.mktemp("graph") / "kg")
        with opened(server) as graph:
            graph.load(SOURCE, mode="replace")
        yield server
        server.close()

    @pytest.fixture(scope="class")
    @staticmethod
    def said(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Result:
        folder = tmp_path_factory.mktemp("packs") / "mine"
        TestFromAGraph.pack = folder
        return kptool(server, "new", str(folder), "--like", "generic", "--json")

    @pytest.fixture(autouse=True)
    def _drafted(self, said: Result) -> None:
        """The suite's own tests check what the command wrote."""
        assert said.exit_code == 0, said.output

    def test_the_command_reports_its_draft(self, said: Result) -> None:
        printed = json.loads(said.stdout)
        assert printed["like"] == "generic"
        rows = {row["relation"]: row for row in printed["relations"]}
        assert list(rows)[:2] == ["book.author", "person.wrote"]
        assert {tuple(pair) for pair in rows["book.author"]["examples"]} == {
            ("Emma", "Jane Austen"),
            ("Persuasion", "Jane Austen"),
            ("Ulysses: #1", "J. J."),
        }
        assert rows["book.author"]["notes"] == ["states the facts of person.wrote with head and tail swapped"]
        assert rows["book.kind"]["notes"] == ["states the same facts as book.form"]
        assert rows["P999"]["source"] == "neutral"
        assert rows["P999"]["examples"] == [["{{ novel }}", "nameless"]]

    def test_triples_are_above_their_relation(self) -> None:
        text = (Path(self.pack) / "relations.yaml").read_text(encoding="utf-8")
        block = text.partition("# 3 triples, such as\n")[2].partition("book.author:")[0]
        assert "#   Emma  ->  Jane Austen\n" in block
        assert "#   Ulysses: #1  ->  J. J.\n" in block
        assert TemplatePack.load(self.pack).mirrored == (("book.author", "person.wrote"),)

    def test_a_folder_that_is_there_is_left_alone(self, server: EmbeddedServer) -> None:
        Path("there").mkdir()
        refused = kptool(server, "new", "there")
        assert refused.exit_code == 2
        assert refused.stderr.startswith("error: there is there already; nothing was written")
        assert not list(Path("there").iterdir())

    def test_the_table_has_an_example_sentence(self, server: EmbeddedServer) -> None:
        shown = kptool(server, "new", "other", "--examples", "1")
        assert shown.exit_code == 0, shown.output
        assert "relations are guesses, correct them in other/relations.yaml" in shown.stdout
        assert "next: kptool templates check other" in " ".join(shown.stderr.split())
        assert not check_pack("other")

    def test_few_triples_are_enough(self, server: EmbeddedServer) -> None:
        """The item is sampled, then its neighbours, and other entities only if that is needed."""
        with opened(server) as graph:
            counts, entities = graph.relation_counts(), graph.counts()["entities"]
            seen = find_examples(graph, counts, each=1)
            near = find_examples(
                graph, {relation: n for relation, n in counts.items() if relation != "place.lies_in"}, each=1
            )
        assert seen.triples["place.lies_in"] == [("atoll", "ocean")]
        assert {len(triples) for triples in seen.triples.values()} == {1}
        assert seen.entities == entities == 9, "each once"
        assert near.entities == 1 + 3
