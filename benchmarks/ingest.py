"""Loading a knowledge graph: against rows one at a time, and against the plain driver sending the same batches.

Seconds are wall seconds, because most of the work is done by the database; the manifest also has the CPU seconds of the
client. The memory of the client is the peak of a process that only loads; that of an embedded server is reported too.

    python -m benchmarks.ingest --quick
    python -m benchmarks.ingest --sizes "111 K" "2.7 M" --stores embedded
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks import harness
from benchmarks.graphs import SIZES, STORES, Database, Databases
from benchmarks.load_client import peak_of
from kptoolkit.errors import GraphError
from kptoolkit.graph import open_source
from kptoolkit.graph.loading.node_rows import entity_row, item_row
from kptoolkit.graph.loading.survey import Survey, survey
from kptoolkit.storage.batches import chunks

BATCH = 5000
MEMORY_GOAL = "<= 1000"
#: The slowest way: no label, hence no index, and one transaction per row.
ROW_AT_A_TIME = """\
MERGE (h {id: $head})
MERGE (t {id: $tail})
MERGE (h)-[:REL {relation: $relation}]->(t)
"""
DELETE_ROWS = """\
UNWIND $rows AS row
MATCH (h:Entity {id: row.head})-[r]->(t:Entity {id: row.tail})
WHERE coalesce(r.relation, type(r)) = row.relation
DELETE r
"""
_CLIENT = [sys.executable, "-m", "benchmarks.load_client"]


def measure(bench: harness.Bench) -> None:
    """Measure each size on each store."""
    with ExitStack() as stack:
        databases = Databases(bench, stack)
        for size in bench.options.sizes or (["50 K"] if bench.quick else ["50 K", "111 K"]):
            paths = SIZES[size].paths(databases.folder, bench.options.seed)
            found = survey(open_source(paths))
            for store in bench.options.stores:
                one(bench, databases, store, size, paths, found)


def one(bench: harness.Bench, databases: Databases, store: str, size: str, paths: Sequence[str], found: Survey) -> None:
    """Measure one size on one store: the plain driver, kptoolkit, then one row at a time in the last loaded graph."""
    name = f"{store}, {size}"
    plain, loads = list[float](), list[dict[str, Any]]()
    for left in reversed(range(bench.options.repeats or (1 if bench.quick else 3))):
        with databases.empty(store) as database:
            if database is None:
                return
            spent = driver_seconds(database, found)
            bench.record(f"{name}, driver", spent)
            plain.append(spent.wall)
        with databases.empty(store) as database:
            assert database is not None
            client = in_process(database, paths)
            server = None if database.process is None else peak_of(database.process)
            bench.record(f"{name}, kptoolkit", harness.Spent(client["load_cpu"], client["load"]))
            loads.append(client)
            bench.say(f"{name}: driver {spent.wall:.1f} s, kptoolkit {client['load']:.1f} s")
            if not left:
                rows = some_triples(found, bench.options.rows or (200 if bench.quick else 1000), bench.options.seed)
                slow = row_seconds(database, rows)
                bench.record(f"{name}, row at a time", slow)
    rate = client["triples"] / median(each["load"] for each in loads)
    bench.add(f"{name}, the driver's own batches", "triples per s", client["triples"] / median(plain), rate, ">= 0.8")
    bench.add(f"{name}, row at a time", "triples per s", len(rows) / slow.wall, rate, ">= 120")
    bench.add(f"{name}, files read", "triples per CPU s", None, client["triples"] / client["read_cpu"])
    bench.add(f"{name}, client memory", "MiB", None, client["client_mib"], MEMORY_GOAL)
    if server is not None:
        bench.add(f"{name}, server memory", "MiB", None, server)
    bench.notes[f"{name}, client"] = client


def driver_seconds(database: Database, found: Survey) -> harness.Spent:
    """Return the seconds of the plain driver for the batches that kptoolkit sends, without making the batches."""
    queries = database.queries()
    with database.driver() as driver, driver.session(database=database.database) as session:
        for query in queries:
            if query.path.stem.startswith("schema_"):
                session.run(query.text).consume()
        spent = harness.Spent(0.0, 0.0)
        labelled, created = items(found)
        for stage, rows in (
            ("create_entities", entities(found)),
            ("label_items", chunks(labelled, BATCH)),
            ("create_items", chunks(created, BATCH)),
            ("create_relationships", triples(found)),
        ):
            for batch in rows:
                begun = harness.clocks()
                session.execute_write(_sent, queries[stage].text, batch)
                spent += harness.clocks() - begun
    return spent


def _sent(transaction: Any, query: str, rows: Sequence[dict[str, Any]]) -> None:
    transaction.run(query, rows=rows).consume()


def entities(found: Survey) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of entities."""
    degrees = found.degrees
    for codes in chunks(range(len(found.entities)), BATCH):
        yield [dict(entity_row(found.entities[code], found.names[code], int(degrees[code]))) for code in codes]


def items(found: Survey) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of items that label entities, and of items with nodes of their own."""
    first = {item.entity: item.item_id for item in reversed(found.items) if item.entity >= 0}
    labelled, created = [], []
    for item in found.items:
        if first.get(item.entity) == item.item_id:
            labelled.append({"item_id": item.item_id, "entity_id": found.entities[item.entity]})
        else:
            created.append(dict(item_row(found, item)))
    return labelled, created


def triples(found: Survey) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of triples."""
    for numbers in chunks(range(len(found)), BATCH):
        yield [_triple(found, number) for number in numbers]


def _triple(found: Survey, number: int) -> dict[str, Any]:
    return {
        "head": found.entities[found.head[number]],
        "relation": found.relations[found.relation[number]],
        "tail": found.entities[found.tail[number]],
    }


def some_triples(found: Survey, count: int, seed: int) -> list[dict[str, Any]]:
    """Draw distinct triples."""
    import numpy as np

    numbers = np.random.default_rng(seed).choice(len(found), min(count, len(found)), replace=False)
    return [_triple(found, int(number)) for number in numbers]


def row_seconds(database: Database, rows: Sequence[dict[str, Any]]) -> harness.Spent:
    """Return the seconds to write rows one at a time, after deleting them from the loaded graph."""
    with database.driver() as driver, driver.session(database=database.database) as session:
        session.run(DELETE_ROWS, rows=list(rows)).consume()
        begun = harness.clocks()
        for row in rows:
            session.run(ROW_AT_A_TIME, row).consume()
        return harness.clocks() - begun


def in_process(database: Database, paths: Sequence[str]) -> dict[str, Any]:
    """Run :mod:`benchmarks.load_client` and return its figures.

    Raises:
        GraphError: It failed.
    """
    words = [*_CLIENT, database.uri, *paths]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, env=database.environment())
    if done.returncode:
        raise GraphError("the loading process failed; see its own message above")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Command line."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--sizes", nargs="+", choices=tuple(SIZES), help='default: "50 K", without --quick "111 K" too')
    made.add_argument("--stores", nargs="+", choices=STORES, default=STORES, help="default: both")
    made.add_argument("--rows", type=int, help="rows written one at a time (default: 1000, with --quick 200)")
    made.add_argument("--repeats", type=int, help="loads of each kind; medians count (default: 3, with --quick 1)")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
