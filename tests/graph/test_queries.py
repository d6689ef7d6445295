"""Cypher files: headers, the user's folder, columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from worlds.growth import assert_linear

from kptoolkit import resources
from kptoolkit.errors import QueryFileError
from kptoolkit.graph.clauses import reaching_clause, writing_clause
from kptoolkit.graph.queries import Query, QuerySet
from kptoolkit.graph.store import GraphTransaction, Records, StatementError, WriteCounters

T = TypeVar("T")
HEADER = "// Something.\n// parameters: frontier, max_degree, cap\n// columns: id, relation, other, forward\n"


class Canned:
    """Returns the same rows for every query, or refuses it."""

    dialect = "neo4j"
    uri = "bolt://canned"

    def __init__(self, records: Records | None) -> None:
        self.records = records

    def read(self, query: str, parameters: Mapping[str, Any]) -> Records:
        if self.records is None:
            raise StatementError("syntax")
        return self.records

    def write(self, query: str, parameters: Mapping[str, Any]) -> WriteCounters:
        raise StatementError("syntax")

    def transact(self, work: Callable[[GraphTransaction], T]) -> T:
        return work(self)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("embedded", [False, True])
def test_all_shipped_files_are_well_formed(embedded: bool) -> None:
    queries = list(QuerySet(embedded=embedded))
    assert len(queries) == len(list(resources.cypher_dir().glob("*.cypher")))
    assert all(query.description and query.text for query in queries)
    relationships = QuerySet(embedded=embedded)["create_relationships"]
    assert ("embedded" in relationships.path.parts) == embedded


def test_every_embedded_file_replaces_a_shipped_one() -> None:
    shipped = {path.name for path in resources.cypher_dir().glob("*.cypher")}
    assert {path.name for path in (resources.cypher_dir() / "embedded").glob("*.cypher")} <= shipped


def test_the_users_folder_comes_first(tmp_path: Path) -> None:
    (tmp_path / "neighbours.cypher").write_text(HEADER + "MATCH (n) RETURN n.x AS id")
    queries = QuerySet(tmp_path, embedded=True)
    assert queries["neighbours"].path == tmp_path / "neighbours.cypher"
    assert queries["items"].path == resources.cypher_dir() / "items.cypher"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("neighbours", "MATCH (n) RETURN n", "no header line `// parameters"),
        ("neighbours", "// parameters: none\nMATCH (n) RETURN n", "no header line `// columns"),
        ("neighbours", HEADER + "MATCH (n {id: $nobody}) RETURN n", r"\$nobody"),
        ("neighbours", HEADER.replace("frontier", "frontiers") + "RETURN 1", "frontiers"),
        ("neighbours", HEADER.replace(", forward", "") + "RETURN 1", "'forward'"),
        ("neighbors", HEADER + "RETURN 1", "no file of this name"),
        ("neighbours", HEADER.replace(", relation", "\trelation") + "RETURN 1", "line 3: 'id relation' is no name"),
        ("neighbours", HEADER.replace("cap", "c\x00ap") + "RETURN 1", r"line 2: not UTF-8 text \(it holds NUL"),
        ("neighbours", HEADER + "RETURN '\x00' AS id", r"line 4: not UTF-8 text \(it holds NUL"),
    ],
)
def test_errors_name_the_file(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / f"{name}.cypher").write_text(text)
    with pytest.raises(QueryFileError, match=words) as caught:
        QuerySet(tmp_path)
    assert str(tmp_path / f"{name}.cypher") in str(caught.value)


def test_tabs_around_names_do_not_matter(tmp_path: Path) -> None:
    header = HEADER.replace("parameters: ", "\tparameters\t:\t").replace(", cap", "\t,\tcap\t")
    (tmp_path / "neighbours.cypher").write_text(header + "MATCH (n) RETURN n.x AS id")
    assert QuerySet(tmp_path)["neighbours"].parameters == ("frontier", "max_degree", "cap")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(QueryFileError, match="no such folder"):
        QuerySet(tmp_path / "nothing")


def test_dollars_in_texts_and_comments_are_no_parameters(tmp_path: Path) -> None:
    path = tmp_path / "x.cypher"
    path.write_text("// What $x costs.\n// parameters: none\n// columns: a\nRETURN '$y' AS a // $z\n")
    assert Query.read_file(path).parameters == ()


def test_rows_that_lack_a_column(tmp_path: Path) -> None:
    query = QuerySet()["items"]
    with pytest.raises(QueryFileError, match=r"items\.cypher.*'entity_id'"):
        query.read(Canned(Records(("item_id", "name"), [["1", "One"]])))
    assert query.read(Canned(Records((), []))).column("entity_id") == []


def test_a_refused_statement_names_the_file() -> None:
    for run in (QuerySet()["items"].read, QuerySet()["set_meta"].write):
        with pytest.raises(QueryFileError, match=r"\.cypher: syntax"):
            run(Canned(None), revision=None, state=None, mode=None, source=None)


READS = (
    "MATCH (n:Create {set: 1}) RETURN n.set, n.`MERGE`, n . delete AS x",
    "MATCH (a)-[:SET|CREATE]->(b) WHERE b:!Drop RETURN 'CREATE (n)' AS a, \"DELETE\" AS b // SET\n",
    "MATCH (n) /* CREATE (m) */ RETURN n.created AS created, $set AS offset",
    "MATCH (n) CALL (n) { MATCH (n)--(m) RETURN m } CALL { RETURN 1 AS one } RETURN m",
    "CALL db.labels() YIELD label RETURN label",
)
WRITES = (
    ("create (n)", "CREATE"),
    ("MATCH (n)\nSET n.x = 1", "SET"),
    ("MATCH (n) SET n:Label", "SET"),
    ("MATCH (n:`A`)CREATE(m)", "CREATE"),
    ("MATCH (n) WHERE n.`x` MERGE (m)", "MERGE"),
    ("MATCH (n) RETURN n LIMIT 1. CREATE (m)", "CREATE"),
    ("RETURN 'a\\'b' AS x CREATE (m) // '", "CREATE"),
    ("MATCH (n) REMOVE n.x", "REMOVE"),
    ("FOREACH (x IN [1] | CREATE (n))", "FOREACH"),
    ("MATCH (n) \\u0043REATE (m)", "CREATE"),
    ("RETURN '\\u0027 CREATE (n) //' AS x", "CREATE"),
    ("// see\\u000aCREATE (n)", "CREATE"),
    ("/* open CREATE (n)", "CREATE"),
    ("INSERT (n)", "INSERT"),
)


REACHES = (
    ("LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line", "LOAD CSV"),
    ("MATCH (n) load /* x */\n  csv WITH HEADERS FROM $url AS line RETURN line.id AS id", "LOAD CSV"),
    ("\\u004cOAD CSV FROM 'http://x' AS line RETURN line", "LOAD CSV"),
    ("CALL { LOAD CSV FROM 'http://x' AS line RETURN line } RETURN line", "LOAD CSV"),
    ("CALL apoc.load.json('file:///x') YIELD value RETURN value", "CALL apoc.load.json"),
    ("CALL `apoc`.`load`.`json`('file:///x') YIELD value RETURN value", "CALL apoc.load.json"),
    ("CALL apoc . /* x */ cypher . run('LOAD CSV', {}) YIELD value RETURN value", "CALL apoc.cypher.run"),
    ("MATCH (n) CALL dbms.listConfig() YIELD name RETURN name", "CALL dbms.listConfig"),
    ("CALL gds.graph.export.csv('g', {}) YIELD x RETURN x", "CALL gds.graph.export.csv"),
    ("CALL somebody.fetch('http://x')", "CALL somebody.fetch"),
    ("RETURN apoc.cypher.runFirstColumnSingle('LOAD CSV FROM 1 AS x RETURN x', {}) AS x", "apoc.cypher.runFirstCol"),
    ("RETURN `apoc`.cypher . runFirstColumnMany ('RETURN 1', {}) AS x", "apoc.cypher.runFirstColumnMany()"),
    ("MATCH (n) RETURN genai.vector.encode(n.name, 'OpenAI', {}) AS v", "genai.vector.encode()"),
)
STAYS = (
    "CALL db.index.fulltext.queryNodes('names', $item) YIELD node RETURN node",
    "MATCH (n) CALL apoc.path.subgraphNodes(n, {maxLevel: 2}) YIELD node RETURN node",
    "CALL gds.pageRank.stream('g') YIELD nodeId, score RETURN nodeId, score",
    "MATCH (ai:Load {csv: 'LOAD CSV'}) WHERE ai.name IN (['a']) RETURN ai.load AS load, apoc.text.join(ai.x) AS csv",
    "RETURN date.truncate('year', date()) AS d, point.distance(a, b) AS far // LOAD CSV",
)


@pytest.mark.parametrize("text", [*READS, *STAYS])
def test_what_reads_the_graph_alone_is_let_through(text: str) -> None:
    assert reaching_clause(text) is None


@pytest.mark.parametrize(("text", "clause"), REACHES)
@pytest.mark.parametrize("embedded", [False, True])
def test_a_reading_file_that_reads_elsewhere_is_refused(tmp_path: Path, text: str, clause: str, embedded: bool) -> None:
    assert (reaching_clause(text) or "").startswith(clause)
    (tmp_path / "neighbours.cypher").write_text(HEADER + text.replace("$url", "$cap"))
    with pytest.raises(QueryFileError, match=r"neighbours\.cypher: .* may (read files or the network|write)"):
        QuerySet(tmp_path, embedded=embedded)


@pytest.mark.parametrize("text", READS)
def test_names_texts_and_comments_do_not_write(text: str) -> None:
    assert writing_clause(text, procedures=False) is None


@pytest.mark.parametrize(("text", "clause"), WRITES)
def test_statements_that_may_write_are_detected(text: str, clause: str) -> None:
    assert writing_clause(text) == clause


def test_procedures_are_let_through_where_the_server_guards_reads() -> None:
    text = "CALL apoc.create.node(['A'], {}) YIELD node RETURN node"
    assert writing_clause(text) is None
    assert writing_clause(text, procedures=False) == "CALL apoc.create.node"


def test_shipped_files_that_return_rows_only_read() -> None:
    for query in QuerySet(embedded=True):
        assert (writing_clause(query.text, procedures=False) is None) == bool(query.columns), query.path
        assert reaching_clause(query.text) is None, query.path


@pytest.mark.parametrize("embedded", [False, True])
def test_a_reading_file_that_writes_is_refused(tmp_path: Path, embedded: bool) -> None:
    (tmp_path / "neighbours.cypher").write_text(HEADER + "MATCH (n) CREATE (:Copy) RETURN n.x AS id")
    with pytest.raises(
        QueryFileError, match=r"neighbours\.cypher: CREATE may write, and neighbours\.cypher only reads"
    ):
        QuerySet(tmp_path, embedded=embedded)


@pytest.mark.parametrize(
    ("ids", "words"), [([7], r"'item_id' holds 7 \(int\).*toString"), (["a", None], "'item_id' holds null")]
)
def test_ids_that_are_not_texts_are_refused(ids: list[object], words: str) -> None:
    rows: list[list[Any]] = [[value, None, "name"] for value in ids]
    with pytest.raises(QueryFileError, match=rf"items\.cypher: column {words}"):
        QuerySet()["items"].read(Canned(Records(("item_id", "entity_id", "name"), rows)))


LISTS = HEADER.replace("relation, other, forward", "relation[], other[], forward[]")


def test_a_row_of_lists_is_as_many_rows(tmp_path: Path) -> None:
    (tmp_path / "neighbours.cypher").write_text(LISTS + "RETURN 1")
    query = QuerySet(tmp_path)["neighbours"]
    assert query.columns == ("id", "relation", "other", "forward")
    rows: list[list[Any]] = [["a", ["r", "s"], ["b", "c"], [True, False]], ["d", [], [], []], ["e", "r", "f", True]]
    found = query.read(Canned(Records(query.columns, rows)), frontier=[], max_degree=None, cap=1)
    assert found.rows == [["a", "r", "b", True], ["a", "s", "c", False], ["e", "r", "f", True]]
    assert found.columns == query.columns
    plain = Query.read_file(resources.cypher_dir() / "survey_nodes.cypher")
    labels = Records(plain.columns, [[["A", "B"], 1]])
    assert plain.read(Canned(labels)).rows == labels.rows, "a list elsewhere is a value"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["a", ["r"], ["b", "c"], [True, True]], r"lists of a row differ in length: forward, other, relation; collect"),
        (["a", ["r"], [None], [True]], "column 'other' holds null"),
        (["a", ["r"], [3], [True]], r"column 'other' holds 3 \(int\)"),
    ],
)
def test_lists_that_do_not_go_together(tmp_path: Path, row: list[Any], words: str) -> None:
    (tmp_path / "neighbours.cypher").write_text(LISTS + "RETURN 1")
    query = QuerySet(tmp_path)["neighbours"]
    with pytest.raises(QueryFileError, match=words):
        query.read(Canned(Records(query.columns, [row])), frontier=[], max_degree=None, cap=1)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "/*",
            "x.set ",
            ".set",
            "'",
            '"',
            "`",
            "//",
            "\\",
            "1.",
            "1 . set ",
            "& set :",
            "CALL ",
            "CALL a . ",
            "LOAD ",
        ),
        *("apoc.load.", "apoc . ", "db.labels", "\\u0041", " ", "."),
    ],
)
def test_a_long_statement_takes_no_longer_than_many_short_ones(piece: str) -> None:
    assert_linear(reaching_clause, piece, 200_000)
    assert_linear(lambda text: writing_clause(text, procedures=False), piece, 200_000)


def test_a_comment_without_an_end_hides_nothing() -> None:
    assert reaching_clause("RETURN 1 /* LOAD CSV FROM 'x' AS y RETURN y") == "LOAD CSV"
    assert writing_clause("RETURN 1 /* /* DELETE n") == "DELETE"
    assert writing_clause("RETURN 1 /* DELETE */ + 1 /* SET") == "SET"
    assert writing_clause("RETURN 1 /* DELETE */ + 1") is None
