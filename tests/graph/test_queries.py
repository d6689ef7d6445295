"""Cypher files: headers, the user's folder, columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kptoolkit import resources
from kptoolkit.errors import QueryFileError
from kptoolkit.graph.queries import Query, QuerySet
from kptoolkit.graph.store import GraphTransaction, Records, StatementError, WriteCounters

T = TypeVar("T")
HEADER = "// Something.\n// parameters: frontier, max_degree, cap\n// columns: id, relation, other, forward\n"


class Canned:
    """Answers every query with the same rows, or refuses it."""

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


def test_every_embedded_file_stands_in_for_a_shipped_one() -> None:
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
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / f"{name}.cypher").write_text(text)
    with pytest.raises(QueryFileError, match=words) as caught:
        QuerySet(tmp_path)
    assert str(tmp_path / f"{name}.cypher") in str(caught.value)


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
