"""Cypher files drafted from a foreign graph: the guessed roles, and the files in use on both stores."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kptoolkit.config import GraphConfig
from kptoolkit.errors import DataError, InputError, LoadError, UnknownNameError
from kptoolkit.graph.clauses import writing_clause
from kptoolkit.graph.database import Graph
from kptoolkit.graph.foreign.cypher_draft import draft_cypher, quoted
from kptoolkit.graph.foreign.inspection import inspect
from kptoolkit.graph.foreign.roles import Roles, find_roles, time_key
from kptoolkit.graph.foreign.schema import GraphSchema, Property, RelationshipKind, read_schema
from kptoolkit.graph.queries import Query, QuerySet
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.graph.write_back import Recommendation, write_recommendations
from kptoolkit.testing.graph_store_suite import rows_of

#: Labels inside labels, equal ids of different labels, a label of texts without an id, users who are no knowledge.
SHOP = """
CREATE (a:Product {sku: 1, title: 'Kettle'}), (b:Product:Sale {sku: 2, title: 'Teapot'}), (c:Product {sku: 3}),
  (acme:Brand {id: 1, name: 'Acme', note: 'x'}), (bolt:Brand {id: 2, name: 'Bolt', note: 'x'}),
  (tea:Category {name: 'Tea'}), (a)-[:MADE_BY]->(acme), (b)-[:MADE_BY]->(acme), (c)-[:MADE_BY]->(bolt),
  (a)-[:IN_CATEGORY]->(tea), (b)-[:IN_CATEGORY]->(tea), (bolt)-[:OWNED_BY]->(acme),
  (u:Customer {code: 'u1'}), (v:Customer {code: 'v2'}), (u)-[:FRIEND_OF]->(v),
  (u)-[:BOUGHT {on: date('2024-01-02')}]->(a), (u)-[:BOUGHT {on: date('2024-01-03')}]->(b), (u)-[:BOUGHT]->(c),
  (:_Settings {x: 1})
"""
#: By language: a library whose labels, types and properties are not English; item, events and user; time; name.
LIBRARIES = {
    "fr": (
        """
CREATE (a:Livre {isbn: '1', titre: 'Le Mépris'}), (b:Livre {isbn: '2', titre: 'Manon'}),
  (x:Genre {id: 'g1', nom: 'drame'}), (y:Genre {id: 'g2', nom: 'roman'}), (z:Genre {id: 'g3', nom: 'conte'}),
  (a)-[:A_POUR_GENRE]->(x), (b)-[:A_POUR_GENRE]->(y), (b)-[:A_POUR_GENRE]->(z),
  (u:Abonné {numero: 1}), (v:Abonné {numero: 2}),
  (u)-[:A_EMPRUNTÉ {jour: 1}]->(a), (v)-[:A_EMPRUNTÉ {jour: 2}]->(b)
""",
        ("Livre", "titre", "A_EMPRUNTÉ", "Abonné", "jour"),
    ),
    "de": (
        """
CREATE (a:Buch {isbn: '1', Titel: 'Faust'}), (b:Buch {isbn: '2', Titel: 'Die Räuber'}),
  (x:Gattung {id: 'g1', Bezeichnung: 'Drama'}), (y:Gattung {id: 'g2', Bezeichnung: 'Roman'}),
  (z:Gattung {id: 'g3', Bezeichnung: 'Sage'}),
  (a)-[:HAT_GATTUNG]->(x), (b)-[:HAT_GATTUNG]->(y), (b)-[:HAT_GATTUNG]->(z),
  (u:Käufer {nummer: 1}), (v:Käufer {nummer: 2}),
  (u)-[:HAT_GEKAUFT {zeit: 1}]->(a), (v)-[:HAT_GEKAUFT {zeit: 2}]->(b)
""",
        ("Buch", "Titel", "HAT_GEKAUFT", "Käufer", "zeit"),
    ),
}
#: Words of Cypher, quotes and backticks as names, and a label without a safe spelling.
ODD = """
CREATE (a:`Order` {`end`: 1, `SET`: 'first'}), (b:`Order` {`end`: 2, `SET`: 'second'}),
  (c:`it's a "label"` {`match (n) delete id`: 7, `name`: 'far'}), (a)-[:`CREATE`]->(c),
  (a)-[:`dots.and spaces, {braces}`]->(b), (b)-[:`CREATE`]->(c), (:`back\\slash` {id: 1})
"""


def guess(graph: Graph) -> tuple[GraphSchema, Roles]:
    """Return what ``kptool init --from-graph`` finds."""

    def distinct(label: str, key: str) -> tuple[int, int, int]:
        row = graph.queries["survey_values"].read(graph.store, label=label, key=key).dicts()[0]
        return row["nodes"], row["filled"], row["distinct_values"]

    schema = read_schema(graph.store, graph.queries)
    return schema, find_roles(schema, distinct)


def adapt(graph: Graph, folder: Path) -> tuple[Roles, Graph]:
    """Draft files into a folder, and read the graph through them."""
    schema, roles = guess(graph)
    folder.mkdir()
    for name, text in draft_cypher(schema, roles).items():
        (folder / f"{name}.cypher").write_text(text, encoding="utf-8")
    return roles, Graph(graph.store, QuerySet(folder, embedded=graph.store.dialect == "embedded"), graph.config)


def recommended(graph: Graph, run: str) -> list[tuple[str, int, int, float]]:
    """Return what a run recommends in the shop: customer, product, rank, score."""
    asked = """MATCH (c:Customer)-[r:RECOMMENDED]->(p:Product) WHERE r.run = $run
    RETURN c.code, p.sku, r.rank, r.score ORDER BY c.code"""
    return [(row[0], row[1], row[2], row[3]) for row in graph.store.read(asked, {"run": run}).rows]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("drafting") / "kg"
    with Graph.open(f"embedded:{folder}", config=GraphConfig()) as graph:
        yield graph


@pytest.fixture(params=[pytest.param("neo4j", marks=pytest.mark.graph), pytest.param("embedded")])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Graph]]:
    """Return a function that empties a database and runs a statement in it."""
    if request.param == "neo4j":
        server = request.getfixturevalue("empty_neo4j")
        access = {"username": server.username, "password": server.password, "database": server.database}
        graph = Graph.open(server.uri, **access, config=GraphConfig())
    else:
        graph = request.getfixturevalue("embedded")

    def made(statement: str) -> Graph:
        graph.store.write("MATCH (n) DETACH DELETE n", {})
        graph.store.write(statement, {})
        return graph

    yield made
    if request.param == "neo4j":
        graph.close()


@pytest.mark.embedded
def test_a_shop_is_read_through_drafted_files(make: Callable[[str], Graph], tmp_path: Path) -> None:
    roles, graph = adapt(make(SHOP), tmp_path / "cypher")
    assert {(known.label, known.key, known.name) for known in roles.entities} == {
        ("Product", "sku", "title"),
        ("Brand", "id", "name"),
        ("Category", "name", "name"),
    }
    assert set(roles.relations) == {"MADE_BY", "IN_CATEGORY", "OWNED_BY"}
    assert roles.events is not None
    assert (roles.events.type, roles.events.user.key, roles.events.time) == ("BOUGHT", "code", "on")
    assert graph.counts() == {"entities": 6, "relationships": 6, "items": 3}
    assert graph.relation_counts() == {"IN_CATEGORY": 2, "MADE_BY": 3, "OWNED_BY": 1}
    items = graph.items()
    assert items.item_id == ["1", "2", "3"]
    assert items.entity_id == ["Product:1", "Product:2", "Product:3"]
    assert items.name == ["Kettle", "Teapot", ""]
    found = graph.neighbourhoods(["Product:1", "Product:9", "Brand:2"], 2)
    assert rows_of(found) == {
        ("Product:1", "MADE_BY", "Brand:1", True),
        ("Product:1", "IN_CATEGORY", "Category:Tea", True),
        ("Brand:2", "OWNED_BY", "Brand:1", True),
        ("Brand:2", "MADE_BY", "Product:3", False),
        ("Brand:1", "MADE_BY", "Product:1", False),
        ("Brand:1", "MADE_BY", "Product:2", False),
        ("Brand:1", "OWNED_BY", "Brand:2", False),
        ("Category:Tea", "IN_CATEGORY", "Product:1", False),
        ("Category:Tea", "IN_CATEGORY", "Product:2", False),
        ("Product:3", "MADE_BY", "Brand:2", True),
    }
    assert dict(zip(found.ids, found.degrees.tolist(), strict=True))["Brand:1"] == 3
    for name in ("2", "Product:2", "teapot"):
        assert (graph.resolve(name).item_id, graph.resolve(name).entity_id) == ("2", "Product:2")
    assert graph.resolve("acme").entity_id == "Brand:1"
    events = graph.queries["interactions"].read(graph.store).dicts()
    assert sorted((event["user"], event["item"]) for event in events) == [("u1", "1"), ("u1", "2")]
    said = "1 of 3 BOUGHT looked at have no on; interactions.cypher leaves out interactions without it"
    assert [note for note in roles.notes if "BOUGHT" in note] == [said]
    assert [look.what for look in inspect(graph) if not look.ok] == ["items"], "one of three products has no title"


@pytest.mark.embedded
@pytest.mark.parametrize("language", LIBRARIES)
def test_labels_and_types_of_other_languages(make: Callable[[str], Graph], tmp_path: Path, language: str) -> None:
    statement, (item, name, event, user, time) = LIBRARIES[language]
    roles, graph = adapt(make(statement), tmp_path / "cypher")
    assert roles.events is not None
    assert (roles.item.label, roles.item.name) == (item, name)
    assert (roles.events.type, roles.events.user.label, roles.events.time) == (event, user, time)
    assert graph.counts() == {"entities": 5, "relationships": 3, "items": 2}
    assert {row["item"] for row in graph.queries["interactions"].read(graph.store).dicts()} == {"1", "2"}


@pytest.mark.embedded
def test_a_name_that_is_missing_or_blank_is_none(make: Callable[[str], Graph], tmp_path: Path) -> None:
    created = """CREATE (a:Road {id: 1, name: 'M 1'}), (b:Road {id: 2}), (a)-[:NEXT_TO]->(b),
    (c:Town {id: 1, name: ' A  town\u2028 '}), (d:Town {id: 2, name: ' '}), (c)-[:ON]->(a), (d)-[:ON]->(b)"""
    _, graph = adapt(make(created), tmp_path / "cypher")
    found = graph.neighbourhoods(["Road:1", "Road:2", "Town:1", "Town:2"], 1)
    names = dict(zip(found.ids, found.names, strict=True))
    assert names == {"Road:1": "M 1", "Road:2": "", "Town:1": "A town", "Town:2": ""}


@pytest.mark.embedded
def test_names_are_compared_by_case_folding(make: Callable[[str], Graph], tmp_path: Path) -> None:
    created = "CREATE (a:Road {id: 1, name: 'Große Straße'}), (b:Road {id: 2, name: 'Οδυσσεύς'}), (a)-[:NEXT_TO]->(b)"
    _, graph = adapt(make(created), tmp_path / "cypher")
    for name, item in (("GROSSE STRASSE", "1"), ("große straße", "1"), ("ΟΔΥΣΣΕΎΣ", "2")):
        assert graph.resolve(name).item_id == item
    with pytest.raises(UnknownNameError, match="Große Straße"):
        graph.resolve("GROSSE STRASE")


@pytest.mark.embedded
@pytest.mark.parametrize(("number", "key"), [(", nr: 7", "nr"), ("", None)])
def test_e_mail_addresses_are_no_ids(
    make: Callable[[str], Graph], tmp_path: Path, number: str, key: str | None
) -> None:
    created = f"""CREATE (u:User {{email: 'ann@example.org'{number}}}), (b:Book {{id: 1, name: 'A'}}),
    (c:Book {{id: 2, name: 'B'}}), (u)-[:READ {{at: 1}}]->(b), (b)-[:NEXT]->(c)"""
    roles, graph = adapt(make(created), tmp_path / "cypher")
    assert roles.events is not None
    assert (roles.events.user.key, roles.events.user.name) == (key, None)
    assert [note for note in roles.notes if "User.email looks like e-mail addresses" in note]
    (event,) = graph.queries["interactions"].read(graph.store).dicts()
    assert "@" not in str(event["user"])
    assert "email" not in "".join(file.read_text() for file in (tmp_path / "cypher").iterdir())


PLAIN = """// The items with a name.
// parameters: name_lower
// columns: item_id, entity_id, name
MATCH (i:Road) WHERE toLower(i.name) = $name_lower
RETURN toString(i.id) AS item_id, toString(i.id) AS entity_id, i.name AS name
"""
NAMES = ("Große Straße", "Οδυσσεύς", "Oﬃce", "ŉ", "Straſſe", "µ", "Café", "Cafe\u0301 2", "İstanbul", "Ἀθῆναι ᾳ", "և")


@pytest.mark.embedded
def test_every_name_is_found_where_a_file_of_the_user_folds_fewer_letters(
    make: Callable[[str], Graph], tmp_path: Path
) -> None:
    """Also as the tool itself suggests it, in capitals, and composed or not."""
    nodes = ", ".join(f"(n{number}:Road {{id: {number}, name: '{name}'}})" for number, name in enumerate(NAMES))
    _, drafted = adapt(make(f"CREATE {nodes}, (n0)-[:NEXT_TO]->(n1)"), tmp_path / "cypher")
    (tmp_path / "cypher" / "items_by_name.cypher").write_text(PLAIN, encoding="utf-8")
    files = QuerySet(tmp_path / "cypher", embedded=drafted.store.dialect == "embedded")
    graph = Graph(drafted.store, files, drafted.config)
    for number, name in enumerate(NAMES):
        for spelling in (name, name.upper(), name.casefold(), unicodedata.normalize("NFD", name), f" {name} "):
            assert graph.resolve(spelling).item_id == str(number), spelling
        with pytest.raises(UnknownNameError) as refused:
            graph.resolve(f"{name}?")
        assert all(graph.resolve(suggested).name == suggested for suggested in refused.value.nearest)


@pytest.mark.parametrize("make", [pytest.param("neo4j", marks=pytest.mark.graph)], indirect=True)
def test_names_that_look_like_cypher_stay_names(make: Callable[[str], Graph], tmp_path: Path) -> None:
    graph = make(ODD)
    before = graph.store.read("MATCH (n) RETURN count(n) AS nodes", {}).rows
    roles, adapted = adapt(graph, tmp_path / "cypher")
    assert [note for note in roles.notes if "back" in note] == [
        "label 'back\\\\slash' was left out: its name cannot be quoted safely"
    ]
    assert roles.events is None
    assert set(adapted.relation_counts()) == {"CREATE", "dots.and spaces, {braces}"}
    assert adapted.counts()["entities"] == 3
    assert rows_of(adapted.neighbourhoods(["Order:1"], 1)) == {
        ("Order:1", "CREATE", "it_s_a__label_:7", True),
        ("Order:1", "dots.and spaces, {braces}", "Order:2", True),
    }
    assert adapted.resolve("FAR").entity_id == "it_s_a__label_:7"
    assert graph.store.read("MATCH (n) RETURN count(n) AS nodes", {}).rows == before
    writes = {path.stem for path in (tmp_path / "cypher").iterdir() if writing_clause(Query.read_file(path).text)}
    assert writes == {"delete_recommendations", "create_recommendations"}


@pytest.mark.embedded
def test_nodes_with_two_labels_and_nodes_without_ids(make: Callable[[str], Graph], tmp_path: Path) -> None:
    """A node with both labels counts once; nodes without a distinct property get the database's element ids."""
    roles, graph = adapt(
        make(
            "CREATE (a:Writer {id: 'w1', name: 'A'}), (b:Writer:Painter {id: 'x1', name: 'B'}), "
            "(c:Painter {id: 'p1', name: 'C'}), (d:Painter {id: 'p2', name: 'D'}), (w:Work {name: 'Same'}), "
            "(x:Work {name: 'Same'}), (a)-[:MADE]->(w), (b)-[:MADE]->(w), (c)-[:MADE]->(x), (d)-[:KNEW]->(b)"
        ),
        tmp_path / "cypher",
    )
    assert [note for note in roles.notes if "element ids" in note]
    assert graph.counts()["entities"] == 6
    assert [entity.label for entity in roles.entities][:1] == ["Painter"]
    assert graph.resolve("B").entity_id == "Painter:x1"
    assert rows_of(graph.neighbourhoods(["Painter:p2"], 1)) == {("Painter:p2", "KNEW", "Painter:x1", True)}
    assert len(graph.neighbourhoods(["Painter:p2"], 3).ids) == 4
    assert graph.neighbourhoods(["Writer:x1"], 1).roots.tolist() == [-1]


def test_a_text_that_no_index_takes_is_not_chosen_as_an_id() -> None:
    """A property with long plots is distinct on every film, but too long for an index."""

    def properties(length: int) -> list[Property]:
        plots = tuple(letter * length for letter in "ab")
        return [Property("id", frozenset({"str"}), 2, plots), Property("row", frozenset({"int"}), 2, (1, 2))]

    film = frozenset({"Film"})
    ends = (RelationshipKind("SEQUEL_OF", film, film, 1),)
    schemas = [GraphSchema({film: 2}, ends, {"Film": properties(length)}, {}, {"Film": 2}) for length in (8000, 8001)]
    assert [find_roles(schema, lambda label, key: (2, 2, 2)).item.key for schema in schemas] == ["id", "row"]


@pytest.mark.embedded
def test_recommendations_connect_the_users_and_items_of_a_foreign_graph(
    make: Callable[[str], Graph], tmp_path: Path
) -> None:
    foreign = make(SHOP)
    roles, graph = adapt(foreign, tmp_path / "cypher")
    before = (graph.counts(), graph.fingerprint())
    sent = [Recommendation("u1", "3", 1, -0.5), Recommendation("u1", "9", 2, -1.5), Recommendation("v2", "1", 1, -0.25)]
    kept = [("u1", 3, 1, -0.5), ("v2", 1, 1, -0.25)]
    for _ in range(2):
        said = write_recommendations(graph.store, graph.queries, "run-1", sent, 100)
        assert (said.users, said.recommendations, said.left_out) == (2, 2, 1)
        assert recommended(graph, "run-1") == kept
    write_recommendations(graph.store, graph.queries, "run-2", sent[:1], 100)
    write_recommendations(graph.store, graph.queries, "run-1", [Recommendation("v2", "2", 1, -0.5)], 100)
    assert recommended(graph, "run-1") == [kept[0], ("v2", 2, 1, -0.5)]
    assert recommended(graph, "run-2") == kept[:1]
    assert (graph.counts(), graph.fingerprint()) == before
    assert guess(foreign)[1] == roles, "what was recommended becomes neither knowledge nor interactions"
    with pytest.raises(LoadError, match=r"of 1 recommendation sent 0 were written.*create_recommendations\.cypher"):
        write_recommendations(graph.store, graph.queries, "run-1", [Recommendation("nobody", "1", 1, 0.0)], 100)
    assert graph.store.read("MATCH (c:Customer) RETURN count(c) AS customers", {}).rows == [[2]], "nobody is added"


@pytest.mark.embedded
def test_recommendations_where_the_graph_knows_no_users(make: Callable[[str], Graph], tmp_path: Path) -> None:
    _, graph = adapt(make("CREATE (:Book {id: 'b1', name: 'One'})-[:BY]->(:Author {id: 'a1'})"), tmp_path / "cypher")
    for _ in range(2):
        write_recommendations(graph.store, graph.queries, "run-1", [Recommendation("ada", "b1", 1, -0.5)], 100)
    found = graph.store.read("MATCH (u:User)-[r:RECOMMENDED]->(b:Book) RETURN u.id, u.source, b.id, r.source", {}).rows
    assert [list(row) for row in found] == [["ada", "kptool", "b1", "kptool"]]


@pytest.mark.embedded
def test_recommendations_by_files_that_look_for_other_labels(make: Callable[[str], Graph], tmp_path: Path) -> None:
    """A user's folder with the reading files, but without those that write back."""
    _, graph = adapt(make(SHOP), tmp_path / "cypher")
    for name in ("merge_users", "delete_recommendations", "create_recommendations"):
        (tmp_path / "cypher" / f"{name}.cypher").unlink()
    queries = QuerySet(tmp_path / "cypher", embedded=graph.store.dialect == "embedded")
    with pytest.raises(LoadError) as caught:
        write_recommendations(graph.store, queries, "run-1", [Recommendation("u1", "1", 1, 0.0)], 100)
    for words in ("of 1 recommendation sent 0", "merge_users.cypher, delete_recommendations.cypher", "graph.cypher"):
        assert words in str(caught.value)
    assert graph.store.read("MATCH (u:User) RETURN count(u) AS users", {}).rows == [[0]], "nothing of it was kept"


@pytest.mark.embedded
def test_graphs_that_need_no_draft(embedded: Graph) -> None:
    embedded.store.write("MATCH (n) DETACH DELETE n", {})
    with pytest.raises(DataError, match="no nodes with a label"):
        guess(embedded)
    assert inspect(embedded)[0].advice == "the database is empty: kptool load-kg SOURCE fills it"
    embedded.store.write("CREATE (:A {id: 1}), (:B {id: 2})", {})
    with pytest.raises(DataError, match="no relationships that could be knowledge"):
        guess(embedded)
    assert "--from-graph" in inspect(embedded)[0].advice
    embedded.store.write("MATCH (n) DETACH DELETE n", {})
    embedded.load(MemorySource([("a", "r", "b")]))
    with pytest.raises(InputError, match="kptool loaded this graph"):
        guess(embedded)


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("name", "returned", "what", "advice"),
    [
        ("items", "UNWIND [] AS x RETURN x AS item_id, x AS entity_id, x AS name", "items", "must return"),
        ("items", "UNWIND [1, 2] AS x RETURN 'a' AS item_id, 'b' AS entity_id, 'A' AS name", "items", "one row"),
        ("items", "RETURN 'a' AS item_id, 'Product:9' AS entity_id, 'A' AS name", "entities", "must find"),
        ("items", "RETURN 1 AS item_id, 'x' AS entity_id, 'A' AS name", "graph", "fix the file"),
        (
            "entities_by_id",
            "UNWIND $ids AS id WITH id WHERE id STARTS WITH 'Product' RETURN id, 'A' AS name, 1 AS degree",
            "graph",
            "fix the file",
        ),
        *(
            ("entities_by_id", f"UNWIND $ids AS id RETURN id, {name} AS name, 1 AS degree", "far ends", "return a name")
            for name in ("''", "null", "' '")
        ),
        ("relation_counts", "RETURN 'OTHER' AS relation, 3 AS count", "relations", "must count every relation"),
        ("interactions", "RETURN 'u' AS user, 'none' AS item, 1 AS time", "interactions in the graph", "same item ids"),
    ],
)
def test_doctor_finds_files_that_do_not_agree(
    embedded: Graph, tmp_path: Path, name: str, returned: str, what: str, advice: str
) -> None:
    embedded.store.write("MATCH (n) DETACH DELETE n", {})
    embedded.store.write(SHOP.replace("{sku: 3}", "{sku: 3, title: 'Third'}"), {})
    _, good = adapt(embedded, tmp_path / "cypher")
    assert [look.what for look in inspect(good) if not look.ok] == []
    file = tmp_path / "cypher" / f"{name}.cypher"
    header = [line for line in file.read_text().splitlines() if line.startswith("//")]
    file.write_text("\n".join([*header, returned]))
    changed = Graph(embedded.store, QuerySet(tmp_path / "cypher", embedded=True), embedded.config)
    wrong = next(look for look in inspect(changed) if not look.ok)
    assert wrong.what == what
    assert advice in wrong.advice
    assert name in wrong.seen + wrong.advice


@pytest.mark.parametrize("name", ["", "a\nb", "back\\u0060slash", "zero\u200bwidth", "\x07"])
def test_what_cannot_be_quoted_safely_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be quoted safely"):
        quoted(name)
    assert quoted("a`b") == "`a``b`"
    assert (quoted("Movie"), quoted("order")) == ("Movie", "`order`")


def test_the_time_of_events_is_the_one_that_most_have() -> None:
    def filled(name: str, kind: str, count: int) -> Property:
        return Property(name, frozenset({kind}), count, ())

    ordered, cancelled = filled("orderDate", "DateTime", 200), filled("cancelledDate", "DateTime", 2)
    assert time_key([cancelled, ordered]) == "orderDate"
    assert time_key([filled("deletedAt", "DateTime", 1), filled("timestamp", "int", 200)]) == "timestamp"
    assert time_key([filled("timestamp", "int", 200), ordered]) == "orderDate", "a date before a number"
    assert time_key([filled("price", "float", 200)]) is None
