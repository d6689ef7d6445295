"""Difficult graphs on both shipped stores: thousands of relations, a hub, long and equal names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.neo4j_server import Neo4jServer, login_of
from typer.testing import CliRunner
from worlds.marks import STORES

from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig
from kptoolkit.errors import AmbiguousNameError, DataError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.embedded import EmbeddedStore
from kptoolkit.graph.loading.load_report import LoadReport
from kptoolkit.graph.loading.survey import survey
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.testing.graph_store_suite import expected_rows, rows_of

RELATIONS, HUB = 2000, 100_000
LONG_NAME = "Ünï " * 200_000
Loaded = tuple[Graph, MemorySource, LoadReport]


def world() -> MemorySource:
    """Return one graph with all difficulties, so that it is loaded once."""
    triples: list[tuple[object, object, object]] = [
        ("many", f"ns{n % 40}.relation {n} of `{RELATIONS}`", f"end {n % 50}") for n in range(RELATIONS)
    ]
    triples += [(f"leaf {n}", "in", "hub") for n in range(HUB)]
    triples += [(f"parent {n}", "child of it", f"child {n}") for n in range(20)]
    triples += [(f"child {n}", "parent of it", f"parent {n}") for n in range(20)]
    triples += [("self", "next", "self"), ("a", "next", "b"), ("b", "next", "c"), ("c", "next", "a")]
    triples += [("a", "next", "b")] * 3 + [(1, "next", "a"), ("1", "next", "b"), ("leaf 0", "next", "a")]
    names = {"a": LONG_NAME, "1": "one", "b": "Emma", "c": "EMMA", "hub": "Everything"}
    names |= {"many": "Große Straße", "self": "Οδυσσεύς"}
    return MemorySource(triples, names, [("i1", "b"), ("i2", "c"), ("i3", "a")], label="hard world")


@pytest.fixture(scope="module", params=STORES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    source, config = world(), GraphConfig()
    if request.param == "embedded":
        graph = Graph.open(f"embedded:{tmp_path_factory.mktemp('hard') / 'kg'}", config=config)
    else:
        server: Neo4jServer = request.getfixturevalue("neo4j_server")
        server.clear()
        graph = Graph.open(
            server.uri, username=server.username, password=server.password, database=server.database, config=config
        )
    with graph:
        yield graph, source, graph.load(source)


@pytest.fixture
def access(loaded: Loaded, request: pytest.FixtureRequest) -> dict[str, str]:
    """Environment variables with which a command reaches the open graph."""
    store = loaded[0].store
    at = store._server if isinstance(store, EmbeddedStore) else request.getfixturevalue("neo4j_server")
    return login_of(at)


@pytest.mark.embedded
@pytest.mark.slow
class TestHardGraph:
    def test_two_thousand_relations_are_distinguished(self, loaded: Loaded) -> None:
        graph, source, report = loaded
        distinct = {tuple(map(str, triple)) for triple in source.triples_}
        counts = graph.relation_counts()
        assert len(counts) == RELATIONS + 4
        assert counts == report.relations
        assert sum(counts.values()) == report.relationships == len(distinct)
        found = graph.neighbourhoods(["many"], 1, cap=RELATIONS)
        assert rows_of(found) == expected_rows(source, ["many"], 1, 0)

    def test_a_hub_is_an_end_and_is_not_expanded(self, loaded: Loaded) -> None:
        graph, source, _ = loaded
        found = graph.neighbourhoods(["leaf 0"], 3)
        assert rows_of(found) == expected_rows(source, ["leaf 0"], 3, graph.config.max_degree)
        ids = found.ids.tolist()
        assert found.degrees[ids.index("hub")] == HUB
        assert found.names[ids.index("hub")] == "Everything"
        assert "leaf 1" not in ids
        asked = graph.neighbourhoods(["hub"], 1, cap=10)
        assert len(asked.far) == 10

    def test_loops_cycles_repetitions_and_mirrors(self, loaded: Loaded) -> None:
        graph, source, report = loaded
        assert (report.duplicates, report.self_loops) == (3, 1)
        assert [(pair.relation, pair.inverse) for pair in report.mirrored] == [("child of it", "parent of it")]
        roots = ["self", "a", "child 3"]
        found = graph.neighbourhoods(roots, 3)
        assert rows_of(found) == expected_rows(source, roots, 3, graph.config.max_degree)
        assert found.degrees[found.ids.tolist().index("self")] == 1

    def test_a_name_of_a_megabyte_comes_back_and_is_found(self, loaded: Loaded) -> None:
        graph = loaded[0]
        assert len(LONG_NAME.strip().encode()) > 1_000_000
        found = graph.resolve(LONG_NAME.strip().upper())
        assert (found.item_id, found.name) == ("i3", LONG_NAME.strip())

    def test_a_name_of_a_megabyte_is_cut_in_prompts(self, access: dict[str, str], tmp_path: Path) -> None:
        """It takes no more than its share of the budget: as an item, as the far end of a triple, and in ``compile``."""
        word = LONG_NAME.split()[0]
        (tmp_path / "x.inter").write_text(
            "user_id\titem_id\n" + "".join(f"u{user}\ti{item}\n" for user in range(5) for item in (1, 2, 3))
        )
        for item in ("i3", "i1"):
            done = CliRunner().invoke(app, ["render-prompts", "--item", item, "--json"], env=access)
            assert done.exit_code == 0, done.output
            assert len(done.output) < 10_000
            shown = json.loads(done.stdout)
            assert shown["tokens"]["count"] <= shown["tokens"]["budget"]
            assert word in str(shown["items"][0]["hops"]), "the triples with this name are in the prompt"
        compiled = CliRunner().invoke(app, ["compile", "--data", "x.inter", "--json", "-q"], env=access)
        assert compiled.exit_code == 0, compiled.output
        assert json.loads(compiled.stdout)["items_with_triples"] == 3

    def test_one_and_the_text_one_are_one_entity(self, loaded: Loaded) -> None:
        found = loaded[0].neighbourhoods(["1"], 1)
        assert {row[2] for row in rows_of(found)} == {"a", "b"}

    @pytest.mark.parametrize(
        ("name", "entity"), [("GROSSE STRASSE", "many"), ("große straße", "many"), ("ΟΔΥΣΣΕΎΣ", "self")]
    )
    def test_names_are_found_by_unicode_case_folding(self, loaded: Loaded, name: str, entity: str) -> None:
        assert loaded[0].resolve(name).entity_id == entity

    def test_names_that_differ_in_case_alone_are_ambiguous(self, loaded: Loaded) -> None:
        with pytest.raises(AmbiguousNameError, match="i1, i2"):
            loaded[0].resolve("emma")
        assert loaded[0].resolve("i2").name == "EMMA"


@pytest.mark.parametrize("wrong", [None, "", " ", 1.5, True])
def test_values_that_are_not_ids_are_errors(wrong: object) -> None:
    with pytest.raises(DataError, match="ids are texts"):
        survey(MemorySource([("a", "r", "b"), (wrong, "r", "b")]))


@pytest.mark.parametrize("long", ["x" * 8001, "名" * 2700])
def test_ids_too_long_for_an_index_are_errors(long: str) -> None:
    for triple in ((long, "r", "b"), ("a", "r", long)):
        with pytest.raises(DataError, match="8,000 bytes"):
            survey(MemorySource([triple]))
    with pytest.raises(DataError, match="8,000 bytes"):
        survey(MemorySource([("a", "r", "b")], items_=[(long, "")]))
