"""The neighbourhoods of a catalogue at two hops: one query per hop for all items, against one query per item.

Both read the same rows, as is checked on the items of the baseline: hubs of more than 100
relationships are not expanded, and no relation is cut off, which one query per item could not do (the defaults of
`[graph]` are 1,000 and 256). Seconds are wall seconds, because most of the work is the database's; the manifest also
has the CPU seconds of the client. Both run three times and the median counts, because a database is slow at a query
that it has not run before; with --quick kptoolkit runs once.

    python -m benchmarks.neighbourhoods --quick
    python -m benchmarks.neighbourhoods --sizes "2.7 M" --stores embedded
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.graphs import SIZES, STORES, Database, Databases
from kptoolkit.errors import GraphError
from kptoolkit.graph import Graph, Neighbourhoods, open_source

HOPS, PASSES = 2, 3
MAX_DEGREE, CAP = 100, 1_000_000
#: What one writes first: the two hops around one item, a hub's own neighbours left out.
ONE_ITEM = """\
MATCH (n:Entity {id: $id})-[r]-(m:Entity)
OPTIONAL MATCH (m)-[s]-(o:Entity)
WHERE coalesce(m.degree, 0) <= $max_degree
RETURN coalesce(r.relation, type(r)) AS relation, m.id AS near, startNode(r) = n AS forward, m.name AS near_name,
  m.degree AS near_degree, coalesce(s.relation, type(s)) AS far_relation, o.id AS far, startNode(s) = m AS far_forward,
  o.name AS far_name, o.degree AS far_degree
"""
_Row = tuple[str, str, str, bool]


def measure(bench: harness.Bench) -> None:
    """Measure each size on each store."""
    with ExitStack() as stack:
        databases = Databases(bench, stack)
        for size in bench.options.sizes:
            paths = SIZES[size].paths(databases.folder, bench.options.seed)
            for store in bench.options.stores:
                with databases.empty(store) as database:
                    if database is None:
                        continue
                    one(bench, database, f"{store}, {SIZES[size].entities // 1000:,} K entities", paths)


def one(bench: harness.Bench, database: Database, name: str, paths: Sequence[str]) -> None:
    """Load, then query in both ways.

    Raises:
        GraphError: The two results differ.
    """
    draw = np.random.default_rng(bench.options.seed)
    with database.graph() as graph:
        graph.load(open_source(paths))
        items = catalogue(graph, bench.options.items, draw)
        asked = draw.choice(items, min(bench.options.asked or (40 if bench.quick else 200), len(items)), replace=False)
        plain, ours = [], []
        for _ in range(PASSES):  # the first warms the database up
            begun = harness.clocks()
            answers = {item: of_one_item(graph, item) for item in map(str, asked)}
            plain.append(harness.clocks() - begun)
            bench.record(f"{name}, one query per item", plain[-1])
        for _ in range(1 if bench.quick else PASSES):
            begun = harness.clocks()
            found = graph.neighbourhoods(items, HOPS, max_degree=MAX_DEGREE, cap=CAP)
            ours.append(harness.clocks() - begun)
            bench.record(f"{name}, kptoolkit", ours[-1])
    rows = by_node(found)
    for item, answer in answers.items():
        if around(rows, item) != answer:
            raise GraphError(f"the two results differ around {item}")
    base, seconds = (median(spent.wall for spent in passes) for passes in (plain, ours))
    bench.add(f"{name}, {HOPS} hops", "items per s", len(asked) / base, len(items) / seconds, ">= 10")
    bench.notes[f"{name}, rows"] = f"{len(found.far):,} of {len(items):,} items, equal on {len(asked):,}"


def catalogue(graph: Graph, count: int, draw: np.random.Generator) -> list[str]:
    """Return the entities of the items; in a graph without items, drawn entities."""
    linked = sorted({entity for entity in graph.items().entity_id if entity is not None})
    if linked:
        return linked[:count]
    known = graph.store.read("MATCH (n:Entity) RETURN n.id AS id", {}).column("id")
    return sorted(str(entity) for entity in draw.choice(sorted(known), min(count, len(known)), replace=False))


def of_one_item(graph: Graph, item: str) -> set[_Row]:
    """Return the rows around one item, by one query."""
    found: set[_Row] = set()
    for row in graph.store.read(ONE_ITEM, {"id": item, "max_degree": MAX_DEGREE}).rows:
        relation, near, forward, _, _, far_relation, far, far_forward, _, _ = row
        found.add((item, relation, near, forward))
        if far is not None:
            found.add((near, far_relation, far, far_forward))
    return found


def by_node(found: Neighbourhoods) -> dict[str, list[_Row]]:
    """Return all rows by their near end."""
    ids, relations = found.ids.tolist(), found.relations
    rows: dict[str, list[_Row]] = {}
    columns: Any = (found.near.tolist(), found.relation.tolist(), found.far.tolist(), found.forward.tolist())
    for near, relation, far, forward in zip(*columns, strict=True):
        rows.setdefault(ids[near], []).append((ids[near], relations[relation], ids[far], forward))
    return rows


def around(rows: dict[str, list[_Row]], item: str) -> set[_Row]:
    """Return the rows within two hops of one item, from those of all."""
    first = rows.get(item, [])
    ends = {row[2] for row in first}
    return {*first, *(row for end in ends if len(rows.get(end, ())) <= MAX_DEGREE for row in rows.get(end, ()))}


def main() -> None:
    """Command line."""
    made = harness.parser(__doc__ or "")
    made.add_argument("--sizes", nargs="+", choices=tuple(SIZES), default=["111 K"], help='default: "111 K"')
    made.add_argument("--stores", nargs="+", choices=STORES, default=STORES, help="default: both")
    made.add_argument("--items", type=int, default=20_000, help="items of the catalogue at most (default: 20000)")
    made.add_argument("--asked", type=int, help="items asked about one by one (default: 200, with --quick 40)")
    harness.run(made, measure)


if __name__ == "__main__":
    main()
