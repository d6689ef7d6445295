"""Drafts of graphs in the shape of public ones: what is an item, an event and a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner
from worlds.marks import STORES

from kptoolkit.cli.app import app
from kptoolkit.config import GraphConfig, load_config
from kptoolkit.data.checking.checks import stats
from kptoolkit.data.data_folder import DataFolder
from kptoolkit.errors import InputError
from kptoolkit.graph.database import Graph
from kptoolkit.graph.foreign.cypher_draft import draft_cypher
from kptoolkit.graph.foreign.inspection import inspect
from kptoolkit.graph.foreign.roles import Roles, Through, find_roles
from kptoolkit.graph.foreign.schema import read_schema
from kptoolkit.graph.queries import QuerySet

pytestmark = pytest.mark.embedded

NORTHWIND = """
CREATE (tea:Product {productID: '1', productName: 'Chai', supplierID: '1', quantityPerUnit: '10 bags'}),
  (ale:Product {productID: '2', productName: 'Chang', supplierID: '1', quantityPerUnit: '24 bottles'}),
  (drinks:Category {categoryID: '1', categoryName: 'Beverages', description: 'Soft drinks', picture: '0x15'}),
  (tea)-[:PART_OF]->(drinks), (ale)-[:PART_OF]->(drinks),
  (s:Supplier {supplierID: '1', city: 'London', companyName: 'Exotic Liquids', contactName: 'Ann', country: 'UK'}),
  (s)-[:SUPPLIES]->(tea), (s)-[:SUPPLIES]->(ale),
  (c:Customer {customerID: 'ALFKI', city: 'Berlin', companyName: 'Alfreds', contactName: 'Maria'}),
  (o:Order {orderID: '10248', customerID: 'ALFKI', orderDate: '1996-07-04 00:00:00.000', shipName: 'Alfreds'}),
  (p:Order {orderID: '10249', customerID: 'ALFKI', orderDate: '1996-07-05 00:00:00.000', shipName: 'Alfreds'}),
  (c)-[:PURCHASED]->(o), (c)-[:PURCHASED]->(p), (o)-[:ORDERS {quantity: 2}]->(tea), (p)-[:ORDERS {quantity: 1}]->(ale)
"""
N10S = """
CREATE (h:Resource:ns0__Film {uri: 'http://ex.org/Heat', rdfs__label: ['Hitze@de', 'Heat@en']}),
  (c:Resource:ns0__Film {uri: 'http://ex.org/Casino', rdfs__label: ['Casino']}),
  (m:Resource:ns0__Person {uri: 'http://ex.org/Mann', rdfs__label: ['Michael Mann@mul', 'Mann@fr']}),
  (k:Resource:owl__Class {uri: 'http://ex.org/Film', rdfs__label: 'Film'}), (x:Resource {uri: 'http://ex.org/x'}),
  (:_GraphConfig {_handleVocabUris: 0}), (h)-[:ns0__director]->(m), (c)-[:ns0__director]->(m), (h)-[:rdf__type]->(k),
  (c)-[:ns0__sees]->(x), (u:User {userId: 'u'})-[:WATCHED {date: date('2020-01-01')}]->(h),
  (u)-[:WATCHED {date: date('2020-01-02')}]->(c)
"""
GRAPHRAG = """
CREATE (a:`__Entity__`:`__KGBuilder__` {id: 'a1', name: 'Ada', description: 'A mathematician', human_readable_id: 1}),
  (b:`__Entity__`:`__KGBuilder__` {id: 'b2', name: 'Babbage', description: 'An engineer', human_readable_id: 2}),
  (t:`__Chunk__` {id: 'c1', text: 'Ada wrote to Babbage.'}), (d:`__Document__` {id: 'd1', title: 'Letters.txt'}),
  (a)-[:RELATED {description: 'wrote to'}]->(b), (t)-[:HAS_ENTITY]->(a), (t)-[:HAS_ENTITY]->(b), (t)-[:PART_OF]->(d)
"""
STACKOVERFLOW = """
CREATE (q:Question {uuid: 1, title: 'How to merge?', body_markdown: 'x', creation_date: 1590000000}),
  (r:Question {uuid: 2, title: 'How to match?', body_markdown: 'y', creation_date: 1590000001}),
  (t:Tag {name: 'cypher', link: 'https://e/t'}), (q)-[:TAGGED]->(t), (r)-[:TAGGED]->(t),
  (u:User {uuid: 7, display_name: 'Ann'}), (v:User {uuid: 8, display_name: 'Bob'}),
  (a:Answer {uuid: 3, title: 'Answer', score: 2}), (a)-[:ANSWERED]->(q), (v)-[:PROVIDED]->(a),
  (u)-[:ASKED]->(q), (v)-[:ASKED]->(r), (k:Comment {uuid: 4, score: 1}), (u)-[:COMMENTED]->(k), (k)-[:COMMENTED_ON]->(q)
"""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("public") / "kg"
    with Graph.open(f"embedded:{folder}", config=GraphConfig()) as graph:
        yield graph


@pytest.fixture(params=[pytest.param("neo4j", marks=pytest.mark.graph), "embedded"])
def database(request: pytest.FixtureRequest) -> Iterator[Graph]:
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    server = request.getfixturevalue("empty_neo4j")
    access = {"username": server.username, "password": server.password, "database": server.database}
    with Graph.open(server.uri, **access, config=GraphConfig()) as graph:
        yield graph


def drafted(
    graph: Graph, statement: str, folder: Path, language: str = "en", item: str | None = None, event: str | None = None
) -> tuple[Roles, Graph]:
    """Make a graph, draft files for it, and read it through them."""
    graph.store.write("MATCH (n) DETACH DELETE n", {})
    graph.store.write(statement, {})

    def distinct(label: str, key: str) -> tuple[int, int, int]:
        row = graph.queries["survey_values"].read(graph.store, label=label, key=key).dicts()[0]
        return row["nodes"], row["filled"], row["distinct_values"]

    schema = read_schema(graph.store, graph.queries)
    roles = find_roles(schema, distinct, item_label=item, event_label=event).in_language(language)
    folder.mkdir()
    for name, text in draft_cypher(schema, roles).items():
        (folder / f"{name}.cypher").write_text(text, encoding="utf-8")
    return roles, Graph(graph.store, QuerySet(folder, embedded=graph.store.dialect == "embedded"), graph.config)


def entity_names(graph: Graph, roles: Roles) -> set[str]:
    return {row["name"] for row in graph.queries["entity_names"].read(graph.store, prefix="", limit=99).dicts()}


def test_an_order_is_an_event_between_customers_and_products(database: Graph, tmp_path: Path) -> None:
    roles, graph = drafted(database, NORTHWIND, tmp_path / "cypher")
    assert roles.item.label == "Product"
    assert roles.events is not None
    assert roles.events.through == Through("Order", "ORDERS", to_item=True)
    assert roles.events.user.label == "Customer"
    assert set(roles.relations) == {"PART_OF", "SUPPLIES"}
    assert entity_names(graph, roles) == {"Chai", "Chang", "Beverages", "Exotic Liquids"}
    events = graph.queries["interactions"].read(graph.store).dicts()
    assert sorted((row["user"], row["item"], row["time"][:10]) for row in events) == [
        ("ALFKI", "1", "1996-07-04"),
        ("ALFKI", "2", "1996-07-05"),
    ]
    assert all(check.ok for check in inspect(graph))


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", {"Heat", "Casino", "Michael Mann", "Film", ""}),
        ("de", {"Hitze", "Casino", "Michael Mann", "Film", ""}),
        ("fr", {"Hitze", "Casino", "Mann", "Film", ""}),
    ],
)
def test_labels_name_resources_and_uris_do_not(database: Graph, tmp_path: Path, language: str, names: set[str]) -> None:
    roles, graph = drafted(database, N10S, tmp_path / "cypher", language)
    assert (roles.item.label, roles.item.key) == ("ns0__Film", "uri")
    assert entity_names(graph, roles) == names
    assert sorted(graph.items().name) == sorted(names & {"Heat", "Hitze", "Casino"})


def test_addresses_are_no_names(database: Graph, tmp_path: Path) -> None:
    bare = N10S.replace("rdfs__label", "note").replace("['Casino']", "['x', 'y']").replace("note: ", "list: 1, n: ")
    roles, graph = drafted(database, bare, tmp_path / "cypher")
    assert roles.item.key == "uri"
    found = {check.what: check for check in inspect(graph)}
    assert not found["items"].ok
    assert "2 of 2 have no name" in found["items"].seen


@pytest.mark.parametrize("item", [None, "__Entity__"])
def test_entities_of_graphrag_are_entities(database: Graph, tmp_path: Path, item: str | None) -> None:
    roles, graph = drafted(database, GRAPHRAG, tmp_path / "cypher", item=item)
    assert {"RELATED", "HAS_ENTITY", "PART_OF"} == set(roles.relations) == set(graph.relation_counts())
    assert sorted(graph.items().name) == ["Ada", "Babbage"]
    assert roles.events is None


@pytest.mark.parametrize("event", [None, "ASKED"])
def test_a_user_is_never_the_item(database: Graph, tmp_path: Path, event: str | None) -> None:
    roles, graph = drafted(database, STACKOVERFLOW, tmp_path / "cypher", event=event)
    assert roles.item.label == "Question"
    assert roles.events is not None
    assert (roles.events.user.label, roles.events.type) == ("User", "ASKED")
    assert sorted(graph.items().name) == ["How to match?", "How to merge?"]


def test_a_person_decides_what_is_an_item_and_an_event(database: Graph, tmp_path: Path) -> None:
    roles, graph = drafted(database, STACKOVERFLOW, tmp_path / "cypher", item="Question", event="Answer")
    assert roles.events is not None
    assert roles.events.through == Through("Answer", "ANSWERED", to_item=True)
    events = graph.queries["interactions"].read(graph.store).dicts()
    assert [(row["user"], row["item"]) for row in events] == [("8", "1")]


@pytest.mark.parametrize("given", [{"item": "Qestion"}, {"event": "ASKD"}])
def test_a_label_that_is_not_there_is_an_error(database: Graph, tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"is not in the graph; nearest: (Question|ASKED)"):
        drafted(database, STACKOVERFLOW, tmp_path / "cypher", **given)


@pytest.mark.parametrize("language", ["", "de' OR 1=1", "english", "d"])
def test_a_language_is_a_code(database: Graph, tmp_path: Path, language: str) -> None:
    with pytest.raises(InputError, match="no language code"):
        drafted(database, N10S, tmp_path / "cypher", language)


PUBLIC = {"Northwind": NORTHWIND, "n10s": N10S, "GraphRAG": GRAPHRAG, "StackOverflow": STACKOVERFLOW}
#: Options that decide what the guess cannot, by graph; and the numbers of items, users and events.
CHOSEN: list[tuple[str, list[str], tuple[int, int, int]]] = [
    ("Northwind", ["--item-label", "Product", "--event-label", "Order"], (2, 1, 2)),
    ("n10s", [], (2, 1, 2)),
    ("GraphRAG", ["--item-label", "__Entity__"], (2, 0, 0)),
    ("StackOverflow", ["--item-label", "Question", "--event-label", "ASKED"], (2, 2, 2)),
]


@pytest.fixture(params=STORES)
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of an empty database that a command can reach."""
    if request.param == "embedded":
        return f"embedded:{tmp_path / 'kg'}"
    server = request.getfixturevalue("empty_neo4j")
    for name in ("username", "password", "database"):
        monkeypatch.setenv(f"NEO4J_{name.upper()}", getattr(server, name))
    return str(server.uri)


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*words])
    return done.exit_code, " ".join(done.stdout.split()), " ".join(done.stderr.split())


def counted(pattern: str, text: str) -> list[int]:
    found = re.search(pattern, text)
    return [] if found is None else [int(number.replace(",", "")) for number in found.groups()]


@pytest.fixture
def project(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a graph, and return the folder that ``kptool init --from-graph`` made; its commands run there."""

    def made(name: str, *options: str) -> Path:
        with Graph.open(address) as graph:
            graph.store.write(PUBLIC[name], {})
        code, _, said = run("init", str(tmp_path / "project"), "--from-graph", "--graph", address, *options)
        assert code == 0, said
        assert all(Path(file).is_file() for file in re.findall(r"[^ ]*/cypher/\w+\.cypher", said)), said
        monkeypatch.chdir(tmp_path / "project")
        return tmp_path / "project" / "cypher"

    return made


@pytest.mark.parametrize(("name", "options", "expected"), CHOSEN)
def test_init_runs_and_doctor_and_stats_agree(
    project: Callable[..., Path], name: str, options: list[str], expected: tuple[int, int, int]
) -> None:
    text = (project(name, *options) / "interactions.cypher").read_text()
    assert ("None were found" in text) == (expected[2] == 0)
    assert expected[2] or "MATCH (u:Customer)-[:PURCHASED]->(x:Order)-[:ORDERS]->(i:Product)" in text
    with Graph.open(config=load_config().graph, create=False) as graph:
        counts, folder = stats(DataFolder.of_graph(graph)), DataFolder.of_graph(graph, with_triples=True)
        lines = {line.what.split(" ")[0]: line.seen for line in inspect(graph)}
    sizes = counted(r"([\d,]+) entities, ([\d,]+) relationships, ([\d,]+) items", lines["graph"])
    assert sizes == [counts["entities"], counts["triples"], counts["catalogue items"]]
    events = counted(r"([\d,]+) of ([\d,]+) users? on ([\d,]+) items?", lines["interactions"]) or [0, 0, 0]
    assert events == [counts.get(key, 0) for key in ("events", "users", "items with events")]
    assert (counts["catalogue items"], counts.get("users", 0), counts.get("events", 0)) == expected
    assert folder.triples is not None
    assert len(folder.triples.head) <= counts["triples"]


def test_both_say_what_to_do_and_name_the_files_of_the_user(
    project: Callable[..., Path], address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cypher = project("Northwind")
    monkeypatch.chdir(tmp_path)
    for words in (("data", "stats", "graph:"), ("doctor",)):
        assert "kptool init DIR --from-graph drafts the Cypher files" in " ".join(run(*words, "--graph", address)[1:])
    monkeypatch.chdir(cypher.parent)
    file = cypher / "interactions.cypher"
    file.write_text(re.sub(r"x\.orderDate AS time", "'soon' AS time", file.read_text()))
    code, _, said = run("data", "stats", "graph:")
    assert code == 2
    assert "cypher/interactions.cypher: column 'time' holds 'soon'" in said
    for name in ("interactions", "counts", "items"):
        (cypher / f"{name}.cypher").unlink()
    code, *output = run("data", "stats", "graph:")
    assert code == 2
    assert "do not find; correct them, first counts.cypher and items.cypher" in " ".join(output)
    with Graph.open(config=load_config().graph, create=False) as graph:
        assert "do not find; correct them, first counts.cypher" in inspect(graph)[0].advice
