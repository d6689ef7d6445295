"""Interactions in the graph: the same events as in files, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds.ring import settings, write_world

from kptoolkit.config import GRAPH_DATA, GraphConfig
from kptoolkit.data import read_interactions
from kptoolkit.data.checking.checks import check, stats
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.data.graph_events import graph_interactions
from kptoolkit.errors import DataError, GraphError, QueryFileError
from kptoolkit.graph import Graph, open_source
from kptoolkit.graph.queries import QuerySet
from kptoolkit.knowledge.prepare import prepare

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("events") / "data")


@pytest.fixture(scope="module")
def graph(world: Path) -> Iterator[Graph]:
    with Graph.open(f"embedded:{world.parent / 'kg'}", config=GraphConfig()) as graph:
        graph.load(open_source([world], interactions=True), interactions=True)
        yield graph


def test_events_are_those_of_the_files(graph: Graph, world: Path) -> None:
    found, report = graph_interactions(graph)
    from_files, of_files = read_interactions(world)
    assert found.content_hash() == from_files.content_hash()
    assert found.time.tolist() == from_files.time.tolist()
    assert (report.events, report.users, report.items) == (of_files.events, of_files.users, of_files.items)
    assert report.timed


def test_a_run_is_prepared_from_the_graph_alone(graph: Graph, world: Path) -> None:
    config = settings(world, graph.uri, world.parent / "cache")
    from_files = prepare(config, graph=graph)
    in_graph = config.model_copy(update={"data": config.data.model_copy(update={"dir": GRAPH_DATA})})
    prepared = prepare(in_graph, graph=graph)
    assert prepared.interactions.content_hash() == from_files.interactions.content_hash()
    assert sorted(prepared.catalogue.item_ids) == sorted(from_files.catalogue.item_ids)
    assert prepared.catalogue.linked.sum() == from_files.catalogue.linked.sum()
    assert prepared.graph_fingerprint == from_files.graph_fingerprint


def test_the_graph_can_be_checked_like_a_folder(graph: Graph, world: Path) -> None:
    folder = DataFolder.of_graph(graph)
    of_files, of_graph = stats(world), stats(folder)
    assert of_graph == {name: value for name, value in of_files.items() if name in of_graph}
    assert {"users", "events", "catalogue items", "linked items"} <= of_graph.keys()
    what = {finding.what for finding in check(folder)}
    assert "items without a link to the graph" in what
    assert any(text.startswith("items that share their title") for text in what)


def test_what_orders_events_of_a_graph_at_the_same_time_is_said(graph: Graph, tmp_path: Path) -> None:
    rows = "UNWIND [['u', 'a', 1], ['u', 'b', 1]] AS row RETURN row[0] AS user, row[1] AS item, row[2] AS time"
    found = {finding.what: finding for finding in check(DataFolder.of_graph(returning(tmp_path, rows, graph)))}
    advice = found["events at the same time as the user's one before"].advice
    assert advice.startswith("their order is that of their item ids; ")


def returning(folder: Path, columns: str, graph: Graph) -> Graph:
    """The graph with a query of one's own for interactions."""
    folder.mkdir(exist_ok=True)
    text = f"// Theirs.\n// parameters: none\n// columns: user, item, time\n{columns}\n"
    (folder / "interactions.cypher").write_text(text)
    return Graph(graph.store, QuerySet(folder, embedded=True), graph.config)


@pytest.mark.parametrize(
    "times",
    [
        "date('2020-01-01'), date('2020-01-02')",
        "datetime('2020-01-01T01:00:00+01:00'), datetime('2020-01-02T00:00:00Z')",
        "localdatetime('2020-01-01T00:00:00'), localdatetime('2020-01-02T00:00:00')",
        "'2020-01-01', '2020-01-02T00:00:00Z'",
        "1577836800, 1577923200.0",
    ],
)
def test_times_are_numbers_dates_or_texts(graph: Graph, tmp_path: Path, times: str) -> None:
    query = (
        f"WITH [{times}] AS times UNWIND [['u', 'late', 1], ['u', 'early', 0], ['u', 'also early', 0]] AS row "
        "RETURN row[0] AS user, row[1] AS item, times[row[2]] AS time"
    )
    found, _ = graph_interactions(returning(tmp_path, query, graph))
    assert [str(found.item_ids[item]) for item in found.history_of("u")] == ["also early", "early", "late"]
    assert found.time.tolist() == [1577836800, 1577836800, 1577923200]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("'u', 'i', null", "'time' holds null in 1 of 2 rows"),
        ("'u', 'i', 'soon'", "'time' holds 'soon' in 1 of 2 rows"),
        ("'u', 'i', true", "'time' holds 'True' in 1 of 2 rows"),
        ("7, 'i', 1", r"'user' holds 7 \(int\)"),
    ],
)
def test_what_is_no_event_is_refused_with_the_file(graph: Graph, tmp_path: Path, values: str, words: str) -> None:
    query = f"UNWIND [['a', 'b', 3], [{values}]] AS row RETURN row[0] AS user, row[1] AS item, row[2] AS time"
    with pytest.raises(QueryFileError, match=rf"interactions\.cypher: column {words}"):
        graph_interactions(returning(tmp_path, query, graph))


def test_a_graph_without_interactions(graph: Graph, tmp_path: Path) -> None:
    none = returning(tmp_path, "UNWIND [] AS row RETURN row AS user, row AS item, row AS time", graph)
    with pytest.raises(DataError, match=r"holds no interactions; load them \(kptool load-kg SOURCE --interactions"):
        graph_interactions(none)


def test_a_graph_that_is_partly_loaded_does_not_give_part_of_its_interactions(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "meta.cypher").write_text(
        "// Theirs.\n// parameters: none\n// columns: revision, state, mode, source\n"
        "RETURN 'r' AS revision, 'loading' AS state, '' AS mode, '' AS source\n"
    )
    partly = Graph(graph.store, QuerySet(tmp_path, embedded=True), graph.config)
    with pytest.raises(GraphError, match=r"only partly loaded.*same `kptool load-kg` again"):
        graph_interactions(partly)
