"""The knowledge graph: open, load, look up items, fetch neighbourhoods and paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from kptoolkit.arguments import Moment, checked
from kptoolkit.config import GraphConfig, load_config
from kptoolkit.errors import AmbiguousNameError, GraphError, InputError, KptoolError, UnknownNameError
from kptoolkit.graph.fetch import cache_key, cached, fetch
from kptoolkit.graph.loading import load as loading
from kptoolkit.graph.loading.load_report import LoadReport, Mode
from kptoolkit.graph.loading.survey import Survey
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.paths import LONGEST, GraphPath, PathFinder
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.sources.frame_files import frame_source, write_graph_files
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.graph.store import EMBEDDED, GraphStore, checked_uri
from kptoolkit.graph.write_back import Recommendation, Written, write_recommendations
from kptoolkit.names import compared, lowered, nearest
from kptoolkit.notebook.html_tables import facts_html, rows_html
from kptoolkit.notebook.progress_bars import shown
from kptoolkit.progress import ProgressCallback, silent
from kptoolkit.storage.arrays import json_hash
from kptoolkit.storage.layouts.frames import DataFrame, errors_of_frames
from kptoolkit.storage.values.clean_name import name_from

_PREFIX, _NEAREST_AMONG = 2, 10_000
_SHOWN = 10
"""Relations that a notebook shows."""
_PAGE = 20_000
"""Entities per query when all ids are read."""


@dataclass(frozen=True)
class ItemRef:
    """One item, or an entity that is not an item.

    Attributes:
        item_id: Item id, ``None`` for an entity that is not an item.
        entity_id: Entity id, ``None`` for an unlinked item.
        name: Its name, ``""`` when it has none.
    """

    item_id: str | None
    entity_id: str | None
    name: str


@dataclass(frozen=True)
class GraphItems:
    """All items of a graph as columns, sorted by item id.

    Attributes:
        item_id: Item ids.
        entity_id: Entity id of each, ``None`` when it is not linked.
        name: Name of each, ``""`` when it has none.
    """

    item_id: list[str]
    entity_id: list[str | None]
    name: list[str]

    def __len__(self) -> int:
        return len(self.item_id)


class Graph:
    """A knowledge graph in a graph database. Use it as a context manager.

    Args:
        store: The graph database.
        queries: The Cypher queries in use.
        config: Caps, batch sizes and the cache.
    """

    def __init__(self, store: GraphStore, queries: QuerySet, config: GraphConfig) -> None:
        self.store, self.queries, self.config = store, queries, config

    @classmethod
    @checked
    def open(
        cls,
        uri: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        database: str | None = None,
        cypher: str | Path | None = None,
        config: GraphConfig | None = None,
        create: bool = True,
    ) -> Graph:
        """Open a graph. ``None`` for an argument means the value of the settings.

        Args:
            uri: ``embedded:PATH``, ``neo4j://…`` or ``bolt://…``.
            username: User of a server.
            password: Password of a server.
            database: Database of a server.
            cypher: Folder with your own Cypher files.
            config: Settings; ``None`` reads ``kptool.toml`` and the environment.
            create: Whether to create the embedded graph if there is none.

        Raises:
            GraphUnavailableError: No server, wrong password, unknown database, or no embedded graph.
            GraphLockedError: Another process holds the embedded graph.
            QueryFileError: A Cypher file is wrong.
            ConfigError: The URI is not valid.
        """
        config = load_config().graph if config is None else config
        folder = None if cypher is None else Path(cypher)
        given = {"uri": uri, "username": username, "database": database, "cypher": folder}
        config = config.model_copy(update={key: value for key, value in given.items() if value is not None})
        if password is None and config.password is not None:
            password = config.password.get_secret_value()
        # The files are checked before a server is started for them.
        embedded = checked_uri(config.uri).startswith(EMBEDDED)
        queries = QuerySet(config.cypher, embedded=embedded)
        store: GraphStore
        if embedded:
            from kptoolkit.graph.embedded import EmbeddedStore

            store = EmbeddedStore(config.uri.removeprefix(EMBEDDED) or "kg", create=create)
        else:
            from kptoolkit.graph.bolt import BoltStore  # imports the driver, which most recommendations do not need

            store = BoltStore(config.uri, config.username, password, config.database)
            if store.dialect == "embedded":
                queries = QuerySet(config.cypher, embedded=True)
        return cls(store, queries, config)

    def __enter__(self) -> Graph:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Graph({self.uri!r})"

    def _repr_html_(self) -> str:
        """Return the counts of the graph as a notebook shows them."""
        try:
            counts, relations = self.counts(), self.relation_counts()
        except KptoolError as error:
            return facts_html(repr(self), {"cannot be read": error})
        most = sorted(relations.items(), key=lambda entry: -entry[1])[:_SHOWN]
        table = rows_html(["relation", "triples"], most, more=len(relations) - len(most))
        return facts_html(repr(self), counts) + table

    def close(self) -> None:
        """Close the connections; the process of an embedded graph ends."""
        self.store.close()

    @property
    def uri(self) -> str:
        """URI of the database, without a password."""
        return self.store.uri

    @checked
    def load(
        self,
        source: TripleSource | None = None,
        *,
        triples: DataFrame | None = None,
        names: DataFrame | None = None,
        links: DataFrame | None = None,
        items: DataFrame | None = None,
        mode: Mode = "upsert",
        into_existing: bool = False,
        batch_size: int | None = None,
        interactions: bool = False,
        surveyed: Survey | None = None,
        progress: ProgressCallback = shown,
    ) -> LoadReport:
        """Load a source and compare the counts in the graph with what was sent.

        An interrupted load resumes when it is called again with the same source.

        Args:
            source: Triples, names, items and links; or the DataFrames of pandas, polars or pyarrow that follow.
            triples: Heads, relations and tails; columns are found by the names that files have.
            names: Entities and names; without them, ids that are words are names.
            links: Items and entities; without them, an item is linked to the entity of the same id.
            items: Items and titles.
            mode: ``"upsert"`` adds what is missing; ``"replace"`` first deletes what kptool loaded, and nothing else.
            into_existing: Whether to write into a database with nodes that kptool did not load.
            batch_size: Rows per transaction; ``None`` takes the value of the settings.
            interactions: Whether to load the interactions of the source as well.
            surveyed: Result of :func:`~kptoolkit.graph.loading.survey.survey`, if the source was already read.
            progress: Progress callback.

        Raises:
            InputError: Neither or both of a source and triples.
            DataError: A file of the source, or a DataFrame, is wrong.
            GraphNotEmptyError: The database contains nodes that kptool did not load.
            LoadError: The graph does not contain what was sent.
        """
        tables = {"triples": triples, "names": names, "links": links, "items": items}
        given = {name: table for name, table in tables.items() if table is not None}
        how: dict[str, Any] = {"mode": mode, "into_existing": into_existing, "progress": progress}
        how |= {"batch_size": batch_size or self.config.batch_size}
        if (source is None) == (triples is None) or (source is not None and given):
            raise InputError("give either a source or triples; names, links and items belong to triples")
        if source is not None:
            return loading.load(self.store, self.queries, source, interactions=interactions, surveyed=surveyed, **how)
        with TemporaryDirectory() as folder, errors_of_frames(Path(folder)):
            write_graph_files(Path(folder), given)
            report = loading.load(self.store, self.queries, frame_source(Path(folder)), **how)
        report.source = "DataFrames"
        return report

    @checked
    def resolve(self, name: str) -> ItemRef:
        """Find an item by item id, entity id or exact name (Unicode case folding), in this order.

        An entity that is not an item is found by its id, or by a name that no item has.

        Raises:
            AmbiguousNameError: Several items have the name.
            UnknownNameError: There is no such item; the message lists the three nearest names.
        """
        lower = lowered(name)
        for query, parameters in (
            ("items_by_id", {"ids": [name]}),
            ("items_of_entity", {"id": name}),
            ("entities_by_id", {"ids": [name]}),
            ("items_by_name", {"name_lower": lower}),
            ("entities_by_name", {"name_lower": lower}),
        ):
            found = self.queries[query].read(self.store, **parameters).dicts()
            if len(found) > 1:
                items = query.startswith("items")
                raise AmbiguousNameError(
                    "item" if items else "node", name, [row["item_id" if items else "id"] for row in found]
                )
            if found and query == "entities_by_name":
                # Its name, not its id: it may be an item that the file of item names does not find.
                of_entity = self.queries["items_of_entity"].read(self.store, id=found[0]["id"]).dicts()
                found = of_entity if len(of_entity) == 1 else found
            if found:
                row = found[0]
                return ItemRef(
                    row.get("item_id"), row["entity_id"] if "entity_id" in row else row["id"], name_from(row["name"])
                )
        return self._compared_with_all(name)

    def items(self) -> GraphItems:
        """Return all items."""
        found = self.queries["items"].read(self.store)
        columns = (found.column(name) for name in ("item_id", "entity_id", "name"))
        rows = sorted(zip(*columns, strict=True), key=lambda row: [(value is not None, value or "") for value in row])
        return GraphItems([row[0] for row in rows], [row[1] for row in rows], [name_from(row[2]) for row in rows])

    def relation_counts(self) -> dict[str, int]:
        """Return how often each relation occurs, by relation id."""
        found = self.queries["relation_counts"].read(self.store)
        return dict(sorted(zip(found.column("relation"), found.column("count"), strict=True)))

    def relation_labels(self) -> dict[str, str]:
        """Return the labels of relations that the loaded files have, by relation id."""
        return loading.relation_labels(self.store, self.queries)

    def entity_ids(self) -> list[str]:
        """Return the ids of all entities that kptool loaded, ascending; none for a graph of other labels."""
        found: list[str] = []
        while page := self.queries["entity_page"].read(self.store, after=found[-1] if found else "", limit=_PAGE):
            found += page.column("id")
        return found

    def counts(self) -> dict[str, int]:
        """Return the number of ``entities``, of ``relationships`` between them, and of ``items``."""
        return {name: int(count) for name, count in self.queries["counts"].read(self.store).dicts()[0].items()}

    def fingerprint(self) -> str:
        """Return a hash of the latest load and of the counts of entities and relations.

        A change by others than kptool that leaves all counts equal does not change it; interactions and recommendations
        do not affect it.
        """
        meta = self.queries["meta"].read(self.store).dicts()
        revision = meta[0]["revision"] if meta else None
        return json_hash([revision, self.counts()["entities"], self.relation_counts()])

    def check_complete(self) -> None:
        """Check that no load was interrupted or is still running.

        Raises:
            GraphError: The graph is only partly loaded.
        """
        meta = self.queries["meta"].read(self.store).dicts()
        if meta and meta[0]["state"] != loading.COMPLETE:
            raise GraphError(
                f"the graph at {self.uri} is only partly loaded: a load was interrupted or still runs; run the same "
                "`kptool load-kg` again"
            )

    @checked
    def neighbourhoods(
        self,
        entity_ids: Sequence[str],
        hops: int,
        *,
        max_degree: int | None = None,
        cap: int | None = None,
        cache: Path | None = None,
        since: Moment = 0.0,
        progress: ProgressCallback = silent,
    ) -> Neighbourhoods:
        """Fetch the triples around entities, breadth first.

        The fingerprint of a graph does not see every change: a cached result may be older than a changed name or a
        moved relationship. Its date is reported, and ``since`` says how old it may be.

        Args:
            entity_ids: Requested entities; ``roots`` has the same order and repetitions.
            hops: Largest distance from a requested entity, in relationships.
            max_degree: Nodes with more relationships are included but not expanded, except for requested entities.
            cap: Maximum number of rows kept per node, in a round-robin order over its relations.
            cache: Folder in which the result is cached; ``None`` for no cache.
            since: A cached result is used if it was fetched at this time, in seconds since the epoch, or later;
                ``float("inf")`` always fetches.
            progress: Progress callback.

        Raises:
            GraphError: The graph is only partly loaded or cannot be reached.
            QueryFileError: The hop query is refused or its rows lack a column.
        """
        self.check_complete()
        max_degree, cap = max_degree or self.config.max_degree, cap or self.config.cap
        key = cache_key(self.fingerprint(), self.queries, entity_ids, max_degree, cap)
        if cache is not None and (found := cached(cache, key, hops, since, progress)) is not None:
            return found
        found = fetch(
            self.store,
            self.queries,
            entity_ids,
            hops,
            max_degree=max_degree,
            cap=cap,
            frontier=self.config.frontier,
            key=key,
            progress=progress,
        )
        if cache is not None:
            found.save(cache / key)
        return found

    @checked
    def paths(
        self, sources: Sequence[str], targets: Sequence[str], *, hops: int = LONGEST, limit: int = 2
    ) -> list[list[GraphPath]]:
        """Find the shortest paths from any source to each target; no node between has more than ``max_degree`` edges.

        Args:
            sources: Entity ids; of equally good paths, those from an earlier source come first.
            targets: Entity ids.
            hops: Maximum number of relationships of a path, at most 4.
            limit: Maximum number of paths per target.

        Returns:
            For each target its shortest paths, all of one length, those through the rarest nodes first; or none.

        Raises:
            GraphError: The graph cannot be reached.
            QueryFileError: The hop query is refused or its rows lack a column.
        """
        config = self.config
        finder = PathFinder(
            self.store, self.queries, max_degree=config.max_degree, cap=config.cap, frontier=config.frontier
        )
        return finder.find(sources, targets, hops=hops, limit=limit)

    @checked
    def write_recommendations(self, run: str, rows: Sequence[Recommendation]) -> Written:
        """Write ``(:User)-[:RECOMMENDED {run, rank, score}]->(:Item)``.

        Replaces what the run recommended to these users before, so that a second call changes nothing. Missing users
        are added. Knowledge, degrees and the fingerprint do not change.

        Args:
            run: Id of the run.
            rows: All recommendations of each user that occurs.

        Raises:
            LoadError: The graph stored fewer than were sent.
            GraphError: The graph cannot be reached, or does not allow writing.
        """
        return write_recommendations(self.store, self.queries, run, rows, self.config.batch_size)

    def _compared_with_all(self, name: str) -> ItemRef:
        """Find an item whose name differs in case only: in Cypher files of the user, ``toLower`` folds fewer letters.

        Raises:
            AmbiguousNameError: Several items have the name.
            UnknownNameError: There is no such item.
        """
        items, wanted = self.items(), compared(name)
        rows = [row for row, known in enumerate(items.name) if known and compared(known) == wanted]
        if len(rows) > 1:
            raise AmbiguousNameError("item", name, [items.item_id[row] for row in rows])
        if rows:
            return ItemRef(items.item_id[rows[0]], items.entity_id[rows[0]], items.name[rows[0]])
        near = self._nearest(name, items)
        raise UnknownNameError("item", name, near, "Give an item id, an entity id or a whole name")

    def _nearest(self, name: str, items: GraphItems) -> list[str]:
        """Return the item names nearest to ``name``, or entity names if there are no items."""
        known = [item for item in items.name if item]
        if not known:
            prefix = lowered(name)[:_PREFIX]
            known = self.queries["entity_names"].read(self.store, prefix=prefix, limit=_NEAREST_AMONG).column("name")
        return nearest(name, known)
