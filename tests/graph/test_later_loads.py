"""A second load into a graph: what it may change of the first, and after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kptoolkit.errors import GraphError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.testing.interrupted_store import Interrupted, InterruptedStore

pytestmark = [pytest.mark.embedded]


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with Graph.open(f"embedded:{tmp_path / 'kg'}") as opened:
        yield opened


def named(graph: Graph, *ids: str) -> dict[str, str | None]:
    found = graph.store.read(
        "MATCH (n:Entity) WHERE n.id IN $ids RETURN n.id AS id, n.name AS name", {"ids": list(ids)}
    )
    return dict(found.rows)


ALIEN, SCOTT, FOX = (f"http://dbpedia.org/resource/{name}" for name in ("Alien_(film)", "Ridley_Scott", "20th_Fox"))


def test_names_taken_from_ids_replace_no_name(graph: Graph) -> None:
    """A second file of triples without names gives new entities the names of their ids, and others keep theirs."""
    graph.load(MemorySource([(ALIEN, "director", SCOTT)], {ALIEN: "Alien", SCOTT: "Ridley Scott"}))
    graph.load(MemorySource([(ALIEN, "studio", FOX), (ALIEN, "director", SCOTT)]))
    assert named(graph, ALIEN, SCOTT, FOX) == {ALIEN: "Alien", SCOTT: "Ridley Scott", FOX: "20th Fox"}
    graph.load(MemorySource([(ALIEN, "studio", FOX)], {ALIEN: "Alien (1979)"}))
    assert named(graph, ALIEN) == {ALIEN: "Alien (1979)"}, "names that a source gives still replace"


@pytest.mark.parametrize("names", [{}, {"e1": "Of the entity"}])
def test_linking_an_item_keeps_its_title(graph: Graph, names: dict[str, str]) -> None:
    graph.load(MemorySource([("e2", "r", "e3"), ("e4", "r", "e3")], {}, [("i2", "e2")], [("i1", "My Title")]))
    graph.load(MemorySource([("e1", "r", "e3"), ("e4", "r", "e1")], names, [("i1", "e1")]))
    item = graph.resolve("My Title")
    assert (item.item_id, item.entity_id) == ("i1", "e1")


def test_a_replacement_that_was_interrupted_while_it_deleted_is_finished_as_one(graph: Graph) -> None:
    """Without --replace, what is left of the old graph would stay next to the new triples."""
    old = MemorySource([(f"n{number}", "r", f"n{number + 1}") for number in range(100)])
    new = MemorySource([("a", "r", "b")])
    graph.load(old)
    for writes in range(1, 40):
        broken = Graph(InterruptedStore(graph.store, writes), graph.queries, graph.config)
        with pytest.raises(Interrupted):
            broken.load(new, mode="replace", batch_size=10)
        if 0 < graph.counts()["relationships"] < 100:
            break
    with pytest.raises(GraphError, match=r"interrupted while it deleted.*load again with --replace"):
        graph.load(new)
    graph.load(new, mode="replace")
    assert graph.counts() == {"entities": 2, "relationships": 1, "items": 0}
