"""Shared by the graph benchmarks: seeded files of triples of any size, and both databases.

    python -m benchmarks.graphs "2.7 M" triples.nt

writes triples into a file: N-Triples if its name ends in ``.nt``, else a RecBole ``.kg``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import neo4j
import numpy as np

from benchmarks.harness import CHECKOUT, DATA, Bench
from kptoolkit.config import load_config
from kptoolkit.graph import Graph
from kptoolkit.graph.embedded import EmbeddedServer
from kptoolkit.graph.queries import QuerySet

STORES = ("embedded", "neo4j")
_BLOCK, _RELATIONS, _SKEW = 500_000, 60, 0.8
_NAMESPACE = "http://example.org/knowledge/"
_NT = f"<{_NAMESPACE}m.{{h:07x}}> <{_NAMESPACE}type.{{kind}}/relation_{{r}}> <{_NAMESPACE}m.{{t:07x}}> .\n"


@dataclass(frozen=True)
class Size:
    """The size of a generated graph.

    Attributes:
        name: Name in the results.
        triples: Triples drawn; a few are drawn twice.
        entities: Entities to draw from.
        data: Folder of ``$KPTOOL_DATA`` that is used instead, if it exists.
    """

    name: str
    triples: int
    entities: int
    data: str | None = None

    def paths(self, folder: Path, seed: int) -> list[str]:
        """Return the paths of the files, written into ``folder`` unless a data set is used instead."""
        root = os.environ.get(DATA)
        if self.data and root and (Path(root) / self.data).is_dir():
            return [str(Path(root) / self.data)]
        path = folder / f"{self.name.replace(' ', '')}.kg"
        if not path.exists():
            write_triples(path, self, seed)
        return [str(path)]


SIZES = {
    "50 K": Size("50 K", 50_000, 17_000),
    "111 K": Size("111 K", 111_000, 38_000, "music"),
    "2.7 M": Size("2.7 M", 2_700_000, 1_000_000),
}


def write_triples(path: Path, size: Size, seed: int) -> None:
    """Write triples in blocks: heads drawn evenly, tails by a power law, 60 relations.

    A file ending in ``.nt`` is N-Triples, any other a RecBole ``.kg``.
    """
    draw = np.random.default_rng(seed)
    weights = 1 / np.arange(1, size.entities + 1) ** _SKEW
    edges = np.cumsum(weights / weights.sum())
    with path.open("w", encoding="utf-8") as file:
        rdf = path.suffix == ".nt"
        file.write("" if rdf else "head_id:token\trelation_id:token\ttail_id:token\n")
        line = _NT if rdf else "m.{h:07x}\ttype.{kind}.relation_{r}\tm.{t:07x}\n"
        for start in range(0, size.triples, _BLOCK):
            count = min(_BLOCK, size.triples - start)
            heads = draw.integers(0, size.entities, count).tolist()
            tails = np.searchsorted(edges, draw.random(count)).clip(max=size.entities - 1).tolist()
            relations = draw.integers(0, _RELATIONS, count).tolist()
            rows = zip(heads, relations, tails, strict=True)
            file.write("".join(line.format(h=h, t=t, r=r, kind=r % 7) for h, r, t in rows))


@dataclass(frozen=True)
class Database:
    """A running database.

    Attributes:
        store: ``"embedded"`` or ``"neo4j"``.
        uri: Its Bolt URI.
        username: User.
        password: Password.
        database: Name of the database.
        process: Process id of the server, if this program started it.
    """

    store: str
    uri: str
    username: str
    password: str = field(repr=False)
    database: str
    process: int | None = None

    def driver(self) -> neo4j.Driver:
        """Return a plain driver; the caller closes it."""
        return neo4j.GraphDatabase.driver(self.uri, auth=(self.username, self.password))

    def queries(self) -> QuerySet:
        """Return the Cypher queries of kptoolkit for it."""
        return QuerySet(embedded=self.store == "embedded")

    def graph(self) -> Graph:
        """Open it as a graph of kptoolkit."""
        given = {"graph.uri": self.uri, "graph.username": self.username, "graph.database": self.database}
        return Graph.open(password=self.password, config=load_config(overrides=given, environ={}).graph)

    def environment(self) -> dict[str, str]:
        """Return the environment of a client process."""
        given = {"USERNAME": self.username, "PASSWORD": self.password, "DATABASE": self.database}
        return {**os.environ, **{f"NEO4J_{key}": value for key, value in given.items()}}


@contextmanager
def embedded(folder: Path) -> Iterator[Database]:
    """Run the embedded graph of a folder as a server."""
    server = EmbeddedServer(folder)
    try:
        yield Database("embedded", server.uri, server.username, server.password, server.database, server.process_id)
    finally:
        server.close()


class Databases:
    """Databases for one benchmark, a new one for each call.

    Args:
        bench: The benchmark, for messages.
        stack: Closes what was started.
    """

    def __init__(self, bench: Bench, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.bench, self.count = bench, 0

    @contextmanager
    def empty(self, store: str) -> Iterator[Database | None]:
        """Yield an empty database, removed when the block ends; ``None`` if the store is not available."""
        self.count += 1
        folder = self.folder / f"{store}{self.count}"
        if store == "embedded":
            with embedded(folder) as database:
                yield database
        else:
            folder.mkdir()
            with ExitStack() as stack:
                yield self._neo4j(folder, stack)
        shutil.rmtree(folder, ignore_errors=True)

    def _neo4j(self, folder: Path, stack: ExitStack) -> Database | None:
        if str(CHECKOUT / "tests") not in sys.path:
            sys.path.append(str(CHECKOUT / "tests"))
        from servers.neo4j_server import ROOMY, NoServer, running_server

        try:
            server = stack.enter_context(running_server(folder, ROOMY))
        except NoServer as error:
            self.bench.notes["neo4j"] = f"not measured: {error}"
            return None
        return Database("neo4j", server.uri, server.username, server.password, server.database)


if __name__ == "__main__":
    write_triples(Path(sys.argv[2]), SIZES[sys.argv[1]], seed=2308)
