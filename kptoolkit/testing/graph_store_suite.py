"""Conformance suite of graph stores.

To test a :class:`~kptoolkit.graph.store.GraphStore` of your own, subclass :class:`GraphStoreSuite` in a test module and
define the fixture ``make_graph``::

    class TestMyStore(GraphStoreSuite):
        @pytest.fixture
        def make_graph(self, tmp_path):
            def make() -> Graph:                     # a graph in an empty database; the same one when called again
                store = MyStore(tmp_path)
                return Graph(store, QuerySet(embedded=store.dialect == "embedded"), GraphConfig())
            return make

All stores that pass return equal rows for equal graphs; compare them by :func:`fingerprint_of_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from kptoolkit.errors import AmbiguousNameError, DataError, GraphError, GraphNotEmptyError, LoadError, UnknownNameError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.loading.load_checkpoint import LoadCheckpoint
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.graph.store import GraphStore, GraphTransaction, Records, StatementError, WriteCounters
from kptoolkit.storage.arrays import json_hash
from kptoolkit.testing.interrupted_store import Interrupted, InterruptedStore
from kptoolkit.testing.small_graph import HUB_SIZE as HUB_SIZE
from kptoolkit.testing.small_graph import ODD_RELATIONS as ODD_RELATIONS
from kptoolkit.testing.small_graph import small_world as small_world

T = TypeVar("T")
MakeGraph = Callable[[], Graph]


def fingerprint_of_rows(neighbourhoods: Neighbourhoods) -> str:
    """Hash all arrays of a neighbourhood; equal for all stores that contain the same graph."""
    columns = ("ids", "names", "degrees", "indptr", "relation", "far", "forward", "dropped", "roots")
    values: list[Any] = [getattr(neighbourhoods, name).tolist() for name in columns]
    return json_hash([*values, neighbourhoods.relations])


def expected_rows(source: MemorySource, roots: Sequence[str], hops: int, max_degree: int) -> set[tuple[Any, ...]]:
    """Compute rows ``(near, relation, far, forward)`` by a plain walk over the triples, without a database."""
    triples = {tuple(map(str, triple)) for triple in source.triples_}
    around: dict[str, set[tuple[str, str, str, bool]]] = {}
    for head, relation, tail in triples:
        around.setdefault(head, set()).add((head, relation, tail, True))
        if head != tail:
            around.setdefault(tail, set()).add((tail, relation, head, False))
    rows: set[tuple[Any, ...]] = set()
    frontier, seen = set(roots), set(roots)
    for hop in range(hops):
        asked = {node for node in frontier if hop == 0 or len(around.get(node, ())) <= max_degree}
        found = {row for node in asked for row in around.get(node, ())}
        rows |= found
        frontier = {row[2] for row in found} - seen
        seen |= frontier
    return rows


def rows_of(neighbourhoods: Neighbourhoods) -> set[tuple[Any, ...]]:
    """List the rows ``(near, relation, far, forward)`` of a neighbourhood."""
    return {
        (
            str(neighbourhoods.ids[neighbourhoods.near[row]]),
            neighbourhoods.relations[neighbourhoods.relation[row]],
            str(neighbourhoods.ids[neighbourhoods.far[row]]),
            bool(neighbourhoods.forward[row]),
        )
        for row in range(len(neighbourhoods.far))
    }


class GraphStoreSuite:
    """Tests that every store must pass; see the docstring of the module."""

    @pytest.fixture
    def make_graph(self) -> MakeGraph:
        """Return a function that opens the graph of one empty database, the same one at each call."""
        raise NotImplementedError("define the fixture make_graph")

    @pytest.fixture
    def graph(self, make_graph: MakeGraph) -> Iterator[Graph]:
        """An empty graph."""
        with make_graph() as graph:
            yield graph

    @pytest.fixture
    def loaded(self, graph: Graph) -> Graph:
        """The small world."""
        graph.load(small_world(), batch_size=17)
        return graph

    def test_it_is_a_store(self, graph: Graph) -> None:
        """It has the members of the protocol."""
        assert isinstance(graph.store, GraphStore)
        assert graph.store.dialect in ("neo4j", "embedded")

    def test_a_refused_statement_is_an_error_and_writes_nothing(self, graph: Graph) -> None:
        """Syntax errors are raised, and a transaction takes effect as a whole or not at all."""
        with pytest.raises(StatementError):
            graph.store.read("MATCH (n RETURN", {})

        def work(transaction: GraphTransaction) -> None:
            transaction.write("CREATE (:Entity {id: $id})", {"id": "half"})
            transaction.write("CREATE (:Entity {id:", {})

        with pytest.raises(StatementError):
            graph.store.transact(work)
        assert graph.counts()["entities"] == 0

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE (:Entity {id: 'x'})",
            "MATCH (n) SET n.name = 'x' RETURN n.name AS name",
            "MATCH (n) CALL (n) { MERGE (m:Entity {id: 'x'}) } RETURN n.id AS id",
            "FOREACH (id IN ['x'] | CREATE (:Entity {id: id}))",
            "MATCH (n) DETACH DELETE n",
            "CALL db.createLabel('X')",
        ],
    )
    def test_a_read_never_writes(self, graph: Graph, statement: str) -> None:
        """A statement that would write is refused as a read, and changes nothing."""
        graph.load(MemorySource([("a", "r", "b")], {"a": "Alpha"}))
        before = graph.store.read("MATCH (n) RETURN n.id AS id, n.name AS name, labels(n) AS labels ORDER BY id", {})
        with pytest.raises(StatementError):
            graph.store.read(statement, {})
        after = graph.store.read("MATCH (n) RETURN n.id AS id, n.name AS name, labels(n) AS labels ORDER BY id", {})
        assert after == before

    def test_values_come_back_as_they_were_sent(self, graph: Graph) -> None:
        """Parameters are data, whatever they contain."""
        values = [*ODD_RELATIONS, "", "line\nbreak\ttab", None, 2**40, 0.1, True, [1, 2], {"a": "b"}]
        found = graph.store.read(
            "UNWIND range(0, size($values) - 1) AS i RETURN i, $values[i] AS value", {"values": values}
        )
        assert [value for _, value in sorted(found.rows, key=lambda row: row[0])] == values

    def test_several_threads_read_at_once(self, graph: Graph) -> None:
        """Each thread gets its own result."""
        with ThreadPoolExecutor(4) as threads:
            found = threads.map(lambda n: graph.store.read("RETURN $n AS n", {"n": n}).column("n"), range(40))
            assert list(found) == [[n] for n in range(40)]

    def test_an_empty_graph(self, graph: Graph) -> None:
        """All methods work on a graph without nodes."""
        assert graph.counts() == {"entities": 0, "relationships": 0, "items": 0}
        assert len(graph.items()) == 0
        assert graph.relation_counts() == {}
        assert graph.neighbourhoods(["nobody"], 2).roots.tolist() == [-1]

    def test_counts_are_those_of_the_source(self, graph: Graph) -> None:
        """Repeated triples count once, items that share an entity or have none are items."""
        report = graph.load(small_world(), batch_size=17)
        distinct = {tuple(map(str, triple)) for triple in small_world().triples_}
        ends = {end for triple in distinct for end in (triple[0], triple[2])} | {"lonely"}
        assert graph.counts() == {"entities": len(ends), "relationships": len(distinct), "items": 7}
        assert report.graph == graph.counts()
        assert (report.duplicates, report.self_loops) == (1, 1)
        assert (report.unlinked_items, report.shared_entity_items, report.entities_without_triples) == (1, 1, 1)
        assert sum(graph.relation_counts().values()) == len(distinct)
        assert set(graph.relation_counts()) == {triple[1] for triple in distinct}

    def test_odd_relation_ids_are_stored_as_data(self, loaded: Graph) -> None:
        """Dots, spaces, backticks, commas, quotes, unicode and 300 characters come back unchanged."""
        assert set(ODD_RELATIONS) <= set(loaded.relation_counts())

    def test_equal_ids_are_one_entity_whatever_their_type(self, graph: Graph) -> None:
        """1 and "1" are one entity."""
        graph.load(MemorySource([(1, "r", "2"), ("1", "r", 2)]))
        assert graph.counts()["entities"] == 2

    def test_missing_ids_are_refused(self, graph: Graph) -> None:
        """An id that is None or empty never reaches the database."""
        for bad in (None, "", " ", 1.5):
            with pytest.raises(Exception, match="ids are texts"):
                graph.load(MemorySource([("a", "r", bad)]))
        assert graph.counts()["entities"] == 0

    def test_ids_are_unique(self, loaded: Graph) -> None:
        """The uniqueness constraints of the schema are in force."""
        for query in ("CREATE (:Entity {id: 'film:1'})", "CREATE (:Item {item_id: 'u'})"):
            with pytest.raises(GraphError):
                loaded.store.write(query, {})

    def test_degrees_count_relationships_between_entities(self, loaded: Graph) -> None:
        """A self loop counts once, an interaction not at all."""
        loaded.load(
            MemorySource([("film:1", "next", "film:3")], interactions_=[("ann", "1", 5.0, None)]), interactions=True
        )
        found = loaded.store.read(
            "MATCH (n:Entity) OPTIONAL MATCH (n)-[r]-(:Entity) WITH n, count(DISTINCT r) AS c "
            "WHERE n.degree <> c RETURN n.id AS id",
            {},
        )
        assert found.rows == []

    def test_a_second_upsert_writes_nothing(self, loaded: Graph) -> None:
        """Loading the same again changes no node, relationship or property, and not the fingerprint."""
        before = loaded.fingerprint()
        report = loaded.load(small_world(), batch_size=23)
        assert not report.written
        assert loaded.fingerprint() == before

    def test_an_upsert_adds_what_is_new(self, loaded: Graph) -> None:
        """New triples, names and links are added to what is there."""
        before = loaded.counts()
        fingerprint = loaded.fingerprint()
        new = MemorySource([("film:1", "new", "person:0"), ("film:2", "genre", "genre:drama")], {"person:3": "Third"})
        new.links_, new.items_ = [("u", "film:5")], [("u", "Linked now")]
        new.names_ = {"person:0": "Renamed"}
        report = loaded.load(new)
        assert report.written.relationships_created == 1
        assert loaded.counts()["relationships"] == before["relationships"] + 1
        assert loaded.counts()["items"] == before["items"]
        assert loaded.resolve("u").entity_id == "film:5"
        assert loaded.resolve("Linked now").item_id == "u"
        assert loaded.resolve("Renamed").item_id == "p0"
        assert loaded.fingerprint() != fingerprint

    def test_replace_deletes_what_kptool_loaded(self, loaded: Graph) -> None:
        """Afterwards the graph contains the new source and nothing else."""
        report = loaded.load(MemorySource([("a", "r", "b")]), mode="replace", batch_size=7)
        assert loaded.counts() == {"entities": 2, "relationships": 1, "items": 0}
        assert report.written.relationships_deleted > len(ODD_RELATIONS)

    def test_nodes_of_others_are_refused_and_kept(self, graph: Graph) -> None:
        """Without ``into_existing`` nothing is written; with it, replace does not change foreign nodes."""
        graph.store.write("CREATE (a:Person {name: 'x', id: 'film:1'})-[:KNOWS]->(:Person)", {})
        with pytest.raises(GraphNotEmptyError, match="--into-existing"):
            graph.load(small_world())
        graph.load(small_world(), into_existing=True)
        graph.load(MemorySource([("a", "r", "b")]), mode="replace", into_existing=True)
        people = graph.store.read(
            "MATCH (p:Person) OPTIONAL MATCH (p)-[r:KNOWS]->() RETURN count(p) AS p, count(r) AS r", {}
        )
        assert people.rows == [[2, 1]]
        theirs = graph.store.read("MATCH (n:Person {id: 'film:1'}) RETURN keys(n) AS keys", {})
        assert [sorted(keys) for (keys,) in theirs.rows] == [["id", "name"]]
        assert graph.counts()["entities"] == 2

    @pytest.mark.parametrize("label", ["Entity", "Item", "User"])
    def test_nodes_of_others_with_our_labels_are_never_changed(self, graph: Graph, label: str) -> None:
        """Loading is refused, whatever is asked for: nothing about them is written, and nothing is left."""
        graph.store.write(f"CREATE (:{label} {{id: 'film:1', item_id: '1', name: 'Theirs'}})", {})
        with pytest.raises(GraphNotEmptyError, match="would be changed"):
            graph.load(small_world(), into_existing=True)
        with pytest.raises(GraphNotEmptyError, match="would be changed"):
            graph.load(small_world(), mode="replace", into_existing=True)
        found = graph.store.read("MATCH (n) OPTIONAL MATCH (n)-[r]-() RETURN keys(n) AS keys, count(r) AS r", {})
        assert [(sorted(keys), r) for keys, r in found.rows] == [(["id", "item_id", "name"], 0)]

    def test_users_of_others_are_never_merged_into(self, graph: Graph) -> None:
        """Also after a first load: one with interactions is refused, one without leaves the users as they are."""
        graph.load(small_world())
        graph.store.write("CREATE (:User {id: 'u1', name: 'Theirs'})", {})
        world = small_world()
        for mode in ("upsert", "replace"):
            with pytest.raises(GraphNotEmptyError, match="would be changed"):
                graph.load(world, mode=mode, into_existing=True, interactions=True)
        graph.load(world, into_existing=True)
        found = graph.store.read("MATCH (u:User) OPTIONAL MATCH (u)-[r]-() RETURN keys(u) AS keys, count(r) AS r", {})
        assert [(sorted(keys), r) for keys, r in found.rows] == [(["id", "name"], 0)]

    @pytest.mark.parametrize("writes", [0, 3, 6, 7, 9, 11, 13])
    def test_an_interrupted_load_is_resumed(self, graph: Graph, writes: int) -> None:
        """Wherever it stopped, the same load leads to the same graph; until then, reading is refused."""
        broken = Graph(InterruptedStore(graph.store, writes), graph.queries, graph.config)
        with pytest.raises(Interrupted):
            broken.load(small_world(), batch_size=30)
        if writes > 6:
            with pytest.raises(GraphError, match="load-kg"):
                graph.neighbourhoods(["film:1"], 1)
        report = graph.load(small_world(), batch_size=30)
        assert report.resumed == (writes > 6)
        found = graph.neighbourhoods(["film:1", "person:0"], 2, max_degree=1000)
        assert rows_of(found) == expected_rows(small_world(), ["film:1", "person:0"], 2, 1000)
        self.test_degrees_count_relationships_between_entities(graph)

    @pytest.mark.parametrize("held", [False, True])
    def test_it_resumes_at_the_first_unacknowledged_batch(self, graph: Graph, held: bool) -> None:
        """Batches that the database acknowledged are not sent again, whatever the batches were and are."""
        if held:
            graph.load(MemorySource([("film:1", "genre", "genre:drama"), ("other", "r", "film:1")]))
        broken = Graph(InterruptedStore(graph.store, 13), graph.queries, graph.config)
        with pytest.raises(Interrupted):
            broken.load(small_world(), batch_size=30)
        known = LoadCheckpoint.read(graph.store, graph.queries)
        assert known is not None
        assert known.triples >= 30
        report = graph.load(small_world(), batch_size=17)
        counts = report.by_relation.values()
        assert report.acknowledged_before == known.triples
        assert sum(one.sent for one in counts) == report.relationships - known.triples
        assert sum(one.created for one in counts) == report.written.relationships_created
        assert graph.counts()["relationships"] == report.relationships + held
        self.test_degrees_count_relationships_between_entities(graph)

    def test_a_note_that_does_not_fit_the_graph_is_not_believed(self, graph: Graph) -> None:
        """Triples that were deleted in the meantime are written again."""
        broken = Graph(InterruptedStore(graph.store, 13), graph.queries, graph.config)
        with pytest.raises(Interrupted):
            broken.load(small_world(), batch_size=30)
        graph.store.write("MATCH (:Entity)-[r]->(:Entity) WITH r LIMIT 2 DELETE r", {})
        report = graph.load(small_world(), batch_size=30)
        assert (report.acknowledged_before, report.resumed) == (0, True)
        assert graph.counts()["relationships"] == report.relationships
        assert sum(one.sent for one in report.by_relation.values()) == report.relationships
        assert 0 < sum(one.matched for one in report.by_relation.values()) < report.relationships
        self.test_degrees_count_relationships_between_entities(graph)

    def test_the_report_counts_by_relation(self, graph: Graph) -> None:
        """What was sent, and of it what was new."""
        graph.load(MemorySource([("a", "r", "b"), ("a", "s", "b")]))
        report = graph.load(MemorySource([("a", "r", "b"), ("a", "r", "c"), ("a", "r", "c"), ("b", "t", "c")]))
        found = {name: (one.sent, one.created, one.matched) for name, one in report.by_relation.items()}
        assert found == {"r": (2, 1, 1), "t": (1, 1, 0)}

    def test_another_source_does_not_finish_an_interrupted_load(self, graph: Graph) -> None:
        """Half of one source and all of another would be neither."""
        broken = Graph(InterruptedStore(graph.store, 12), graph.queries, graph.config)
        with pytest.raises(Interrupted):
            broken.load(small_world(), batch_size=30)
        other = MemorySource([("a", "r", "b")])
        with pytest.raises(GraphError, match="another source was interrupted"):
            graph.load(other)
        assert graph.load(other, mode="replace").graph == {"entities": 2, "relationships": 1, "items": 0}

    def test_bad_interactions_stop_a_load_before_it_writes(self, graph: Graph) -> None:
        """A file that cannot be read leaves nothing behind."""
        source = MemorySource([("a", "r", "b")], interactions_=[("u", "i", "soon", None)])
        with pytest.raises(DataError, match="neither a number nor a date"):
            graph.load(source, interactions=True)
        assert graph.counts() == {"entities": 0, "relationships": 0, "items": 0}
        graph.check_complete()

    def test_an_interrupted_replace_is_resumed(self, loaded: Graph) -> None:
        """What was already written is not deleted again."""
        other = MemorySource([(f"n{number}", "r", f"n{number + 1}") for number in range(100)])
        broken = Graph(InterruptedStore(loaded.store, 30), loaded.queries, loaded.config)
        with pytest.raises(Interrupted):
            broken.load(other, mode="replace", batch_size=10)
        written = loaded.counts()["relationships"] + loaded.counts()["entities"]
        report = loaded.load(other, mode="replace", batch_size=10)
        assert loaded.counts() == {"entities": 101, "relationships": 100, "items": 0}
        assert report.written.nodes_created + report.written.relationships_created == 201 - written
        assert written > 0

    def test_a_difference_is_an_error(self, graph: Graph) -> None:
        """Triples that are lost between sending and counting are detected."""

        class Forgetful:
            def __init__(self, behind: Any) -> None:
                self.behind, self.dialect, self.uri = behind, graph.store.dialect, graph.store.uri

            def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
                return self.behind.read(query, parameters)  # type: ignore[no-any-return]

            def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
                rows = parameters.get("rows")
                kept = {"rows": rows[:-1]} if rows and "head" in rows[0] else {}
                return self.behind.write(query, {**parameters, **kept})  # type: ignore[no-any-return]

            def transact(self, work: Callable[[GraphTransaction], T]) -> T:
                return self.behind.transact(lambda transaction: work(Forgetful(transaction)))  # type: ignore[no-any-return]

            def close(self) -> None:
                self.behind.close()

        with pytest.raises(LoadError):
            Graph(Forgetful(graph.store), graph.queries, graph.config).load(small_world())

    def test_items(self, loaded: Graph) -> None:
        """Two items on one entity stay two, an unlinked one has no entity; each has its own name."""
        items = loaded.items()
        assert dict(zip(items.item_id, zip(items.entity_id, items.name, strict=True), strict=True)) == {
            "1": ("film:1", "Film One"),
            "1b": ("film:1", "Film One, again"),
            "2": ("film:2", "Film 2"),
            "9": ("lonely", "Lonely"),
            "p0": ("person:0", "Same Name"),
            "p1": ("person:1", "Same Name"),
            "u": (None, "Unlinked"),
        }

    def test_items_are_found_by_id_entity_and_name(self, loaded: Graph) -> None:
        """In this order, names without case; several are an error with ids, none one with the nearest names."""
        assert loaded.resolve("1").name == "Film One"
        assert loaded.resolve("film:2").item_id == "2"
        assert loaded.resolve("FILM ONE, again").item_id == "1b"
        assert loaded.resolve("u").entity_id is None
        assert (loaded.resolve("genre:drama").item_id, loaded.resolve("drama").entity_id) == (None, "genre:drama")
        with pytest.raises(AmbiguousNameError, match="p0, p1"):
            loaded.resolve("same name")
        with pytest.raises(AmbiguousNameError, match="1, 1b"):
            loaded.resolve("film:1")
        with pytest.raises(UnknownNameError, match="Unlinked"):
            loaded.resolve("unlinkt")

    def test_names_in_a_graph_without_items(self, graph: Graph) -> None:
        """Entities are found by name, and the nearest names are those of entities."""
        graph.load(MemorySource([("a", "r", "b")], {"a": "Alpha", "b": "Alpine"}))
        assert graph.resolve("ALPHA").entity_id == "a"
        with pytest.raises(UnknownNameError, match="Alpha"):
            graph.resolve("alpa")

    @pytest.mark.parametrize("hops", [1, 2, 3])
    @pytest.mark.parametrize("max_degree", [5, 1000])
    def test_neighbourhoods_are_those_of_a_plain_walk(self, loaded: Graph, hops: int, max_degree: int) -> None:
        """All rows up to the hops, both directions, hubs named and not expanded."""
        roots = ["film:1", "film:2", "person:0", "lonely"]
        found = loaded.neighbourhoods([*roots, "nobody"], hops, max_degree=max_degree)
        assert rows_of(found) == expected_rows(small_world(), roots, hops, max_degree)
        assert [str(found.ids[number]) for number in found.roots[:4]] == roots
        assert found.roots[4] == -1
        assert found.truncated == 0

    def test_a_cap_takes_turns_over_relations(self, loaded: Graph) -> None:
        """Each relation gives one row before any gives a second; rows left out are counted."""
        whole = loaded.neighbourhoods(["film:1"], 1)
        found = loaded.neighbourhoods(["film:1"], 1, cap=10)
        assert len(found.far) == 10
        assert len({row[1] for row in rows_of(found)}) == 10
        assert found.truncated == len(whole.far) - 10
        hub = loaded.neighbourhoods(["genre:drama"], 1, cap=10)
        assert [str(hub.ids[far]) for far in hub.far] == sorted(f"film:{number}" for number in range(HUB_SIZE))[:10]

    def test_the_order_of_rows_is_that_of_code_points(self, loaded: Graph) -> None:
        """Also beyond the basic plane, where UTF-16 order differs."""
        found = loaded.neighbourhoods(["film:1"], 1, cap=1000)
        assert sorted(found.ids) == list(found.ids)
        few = loaded.queries["neighbours"].read(loaded.store, frontier=["film:1"], max_degree=None, cap=1)
        assert "ﬀ ligature" in few.column("other")
        assert "😀 astral" not in few.column("other")

    def test_interactions_are_no_knowledge(self, loaded: Graph) -> None:
        """They change neither neighbourhoods nor fingerprint, and are written once."""
        before = loaded.fingerprint(), fingerprint_of_rows(loaded.neighbourhoods(["film:1"], 2))
        source = small_world()
        source.interactions_ = [("ann", "1", 5.0, 4.0), ("ann", "1", 6.0, None), ("bob", "u", None, None)]
        assert loaded.load(source, interactions=True).written.relationships_created == 3
        assert not loaded.load(source, interactions=True).written
        assert (loaded.fingerprint(), fingerprint_of_rows(loaded.neighbourhoods(["film:1"], 2))) == before

    def test_what_was_written_is_there_after_reopening(self, make_graph: MakeGraph) -> None:
        """Closing loses nothing."""
        with make_graph() as graph:
            graph.load(small_world())
            before = graph.counts(), graph.fingerprint()
        with make_graph() as graph:
            assert (graph.counts(), graph.fingerprint()) == before

    def test_paths_are_the_shortest_and_true(self, loaded: Graph) -> None:
        """Of one length, through nodes that are no hubs, by triples of the graph, whichever way they are stored."""
        sources, targets = ["film:30", "film:1"], ["film:2", "person:2", "8", "film:30", "lonely", "nobody"]
        found = loaded.paths(sources, targets, limit=3)
        assert [[len(path) for path in paths] for paths in found] == [[1, 1, 1], [1], [], [], [], []]
        assert {path.triples for path in found[0]} == {(("film:2", r, "film:1"),) for r in ODD_RELATIONS[:3]}
        assert found[1][0].names[1] == small_world().names_["person:2"]
        known = {tuple(map(str, triple)) for triple in small_world().triples_}
        for path in loaded.paths(["person:0"], ["genre:drama", "person:1", "😀 astral"]):
            assert path
            assert set(path[0].triples) <= known
        assert [len(p) for p in loaded.paths(["film:30"], ["film:31"], limit=1)[0]] == [2], "by their genre"
        loaded.config = loaded.config.model_copy(update={"max_degree": HUB_SIZE - 1})
        assert loaded.paths(["film:30"], ["film:31"]) == [[]], "which is a hub now"
        assert [len(p) for p in loaded.paths(["film:30"], ["genre:drama"])[0]] == [1], "but can be the end of a path"

    def test_users_are_in_no_path(self, loaded: Graph) -> None:
        """Interactions and recommendations are no knowledge."""
        write = loaded.store.write
        write(
            "MATCH (a:Item {item_id: '1'}) MATCH (b:Item {item_id: '9'}) CREATE (a)<-[:INTERACTED]-(:User {id: 'u'}), "
            "(b)<-[:RECOMMENDED]-(:User {id: 'v'})",
            {},
        )
        write("MATCH (u:User {id: 'u'}) MATCH (b:Item {item_id: '9'}) CREATE (u)-[:RECOMMENDED]->(b)", {})
        assert loaded.paths(["film:1"], ["lonely"]) == [[]]
