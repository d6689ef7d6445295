"""Fills a Neo4j with a graph in the layout of Neo4j's movies example: one that kptool did not load.

    NEO4J_PASSWORD=… python examples/movies_graph/create.py [URI]

People and films bear whole numbers as ids, each kind its own; nothing is called Entity, nothing has a degree. Films and
casts are facts; the critics, their reviews, and the viewers and what they watched are invented.
"""

from __future__ import annotations

import csv
import os
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import neo4j

FACTS = Path(__file__).parent / "facts"
CRITICS = ("Agnes Hale", "Bruno Keller", "Clara Whitlock", "Dmitri Farrow", "Edith Sorel", "Felix Amadi")
VERDICTS = ("Better the second time.", "Loud, quick, and gone.", "Worth the long evening.", "Two great scenes.")
VIEWERS, SEED = 90, 2308
FIRST_EVENING = datetime(2024, 1, 1, 20, tzinfo=UTC)

Rows = list[dict[str, Any]]


def read(name: str) -> list[dict[str, str]]:
    """A file of facts."""
    with (FACTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def people_of(film: dict[str, str]) -> set[str]:
    """Everybody who worked on a film."""
    cast = {entry.partition("=")[0] for entry in film["cast"].split(";")}
    return cast.union(*(film[job].split(";") for job in ("directed", "wrote", "produced")))


def evenings(films: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """What invented viewers watched: mostly a film with somebody from the last one in it."""
    draw = random.Random(SEED)
    people = {film["id"]: people_of(film) for film in films}
    for viewer in range(1, VIEWERS + 1):
        day = FIRST_EVENING + timedelta(days=draw.randrange(60))
        left = sorted(people)
        film = draw.choice(left)
        for _ in range(draw.randint(6, 12)):
            left.remove(film)
            yield {"viewer": viewer, "film": int(film), "at": day}
            day += timedelta(days=draw.randint(1, 9))
            near = [other for other in left if people[other] & people[film]]
            film = draw.choice(near if near and draw.random() < 0.85 else left)


def statements() -> Iterator[tuple[str, Rows]]:
    """Every statement with the rows that it takes."""
    films = read("films.tsv")
    born = {row["name"]: int(row["born"]) for row in read("born.tsv")}
    names = sorted(set().union(*map(people_of, films))) + list(CRITICS)
    number = {name: index for index, name in enumerate(names, 1)}
    yield (
        "UNWIND $rows AS row CREATE (:Movie {id: row.id, title: row.title, released: row.released})",
        [{"id": int(f["id"]), "title": f["title"], "released": int(f["released"])} for f in films],
    )
    yield (
        "UNWIND $rows AS row CREATE (p:Person {id: row.id, name: row.name}) SET p.born = row.born",
        [{"id": number[name], "name": name, "born": born.get(name)} for name in names],
    )
    match = "UNWIND $rows AS row MATCH (p:Person {id: row.person}) MATCH (m:Movie {id: row.film}) "
    cast = [(number[name], int(f["id"]), role) for f in films for name, role in _cast(f)]
    yield (
        match + "CREATE (p)-[:ACTED_IN {roles: [row.role]}]->(m) SET p:Actor",
        [{"person": person, "film": film, "role": role} for person, film, role in cast],
    )
    for job, create in (
        ("directed", "CREATE (p)-[:DIRECTED]->(m) SET p:Director"),
        ("wrote", "CREATE (p)-[:WROTE]->(m)"),
        ("produced", "CREATE (p)-[:PRODUCED]->(m)"),
    ):
        yield match + create, [{"person": number[n], "film": int(f["id"])} for f in films for n in f[job].split(";")]
    yield from _critics(number, len(films))
    yield (
        "UNWIND $rows AS row CREATE (:Viewer {id: row.id, name: 'Viewer ' + toString(row.id)})",
        [{"id": viewer} for viewer in range(1, VIEWERS + 1)],
    )
    yield (
        "UNWIND $rows AS row MATCH (v:Viewer {id: row.viewer}) MATCH (m:Movie {id: row.film}) "
        "CREATE (v)-[:WATCHED {at: row.at}]->(m)",
        list(evenings(films)),
    )


def _cast(film: dict[str, str]) -> Iterator[tuple[str, str]]:
    for entry in film["cast"].split(";"):
        name, _, role = entry.partition("=")
        yield name, role


def _critics(number: dict[str, int], films: int) -> Iterator[tuple[str, Rows]]:
    draw = random.Random(SEED + 1)
    reviews = [
        {
            "person": number[critic],
            "film": film,
            "rating": draw.randrange(40, 100),
            "summary": draw.choice(VERDICTS),
        }
        for critic in CRITICS
        for film in draw.sample(range(1, films + 1), 5)
    ]
    yield (
        "UNWIND $rows AS row MATCH (p:Person {id: row.person}) MATCH (m:Movie {id: row.film}) "
        "CREATE (p)-[:REVIEWED {rating: row.rating, summary: row.summary}]->(m)",
        reviews,
    )
    yield (
        "UNWIND $rows AS row MATCH (a:Person {id: row.one}) MATCH (b:Person {id: row.other}) "
        "CREATE (a)-[:FOLLOWS]->(b)",
        [{"one": number[one], "other": number[other]} for one, other in pairwise(CRITICS)],
    )


def main() -> None:
    """Create the graph in an empty database."""
    uri = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NEO4J_URI", "neo4j://localhost:7687")
    access = (os.environ.get("NEO4J_USERNAME", "neo4j"), os.environ["NEO4J_PASSWORD"])
    database = os.environ.get("NEO4J_DATABASE", "neo4j")
    with neo4j.GraphDatabase.driver(uri, auth=access) as driver:
        if driver.execute_query("MATCH (n) RETURN n LIMIT 1", database_=database).records:
            sys.exit(f"database {database} at {uri} is not empty; give an empty one")
        for label in ("Movie", "Person", "Viewer"):
            constraint = f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.id IS UNIQUE"
            driver.execute_query(constraint, database_=database)
        created = 0
        for statement, rows in statements():
            counters = driver.execute_query(statement, rows=rows, database_=database).summary.counters
            created += counters.nodes_created + counters.relationships_created
    print(f"{created:,} nodes and relationships created at {uri}")


if __name__ == "__main__":
    main()
