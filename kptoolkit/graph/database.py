"""The graph as people use it: open, load, look up, fetch neighbourhoods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from kptoolkit.config import GraphConfig, load_config
from kptoolkit.errors import AmbiguousNameError, GraphError, UnknownNameError
from kptoolkit.graph.bolt import BoltStore
from kptoolkit.graph.embedded import EmbeddedStore
from kptoolkit.graph.fetch import cache_key, cached, fetch
from kptoolkit.graph.loading import load as loading
from kptoolkit.graph.loading.load_report import LoadReport, Mode
from kptoolkit.graph.loading.survey import Survey
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.paths import LONGEST, GraphPath, PathFinder
from kptoolkit.graph.queries import QuerySet
from kptoolkit.graph.sources.triple_source import TripleSource
from kptoolkit.graph.store import EMBEDDED, GraphStore, checked_uri
from kptoolkit.graph.write_back import Recommendation, Written, write_recommendations
from kptoolkit.names import lowered, nearest
from kptoolkit.progress import ProgressCallback, silent
from kptoolkit.storage.arrays import json_hash

_PREFIX, _NEAREST_AMONG = 2, 10_000


@dataclass(frozen=True)
class ItemRef:
    """One item, or an entity that is none.

    Attributes:
        item_id: Item id, ``None`` for an entity that is no item.
        entity_id: Entity id, ``None`` for an unlinked item.
        name: Its name, ``""`` when it has none.
    """

    item_id: str | None
    entity_id: str | None
    name: str


@dataclass(frozen=True)
class GraphItems:
    """All items of a graph, in columns, by item id.

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
    """A knowledge graph; a context manager.

    Args:
        store: Where it is kept.
        queries: How it is asked.
        config: Caps, batch sizes and the cache.
    """

    def __init__(self, store: GraphStore, queries: QuerySet, config: GraphConfig) -> None:
        self.store, self.queries, self.config = store, queries, config

    @classmethod
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
        """Open a graph.

        Args:
            uri: ``embedded:PATH``, ``neo4j://…`` or ``bolt://…``; the settings' when ``None``.
            username: User of a server; the settings' when ``None``.
            password: Password of a server; the settings' when ``None``.
            database: Database of a server; the settings' when ``None``.
            cypher: Folder with your own Cypher files; the settings' when ``None``.
            config: Settings; ``None`` reads ``kptool.toml`` and the environment.
            create: Whether to make an embedded graph where there is none.

        Raises:
            GraphUnavailableError: No server, wrong password, unknown database, or no embedded graph.
            GraphLockedError: Another process holds the embedded graph.
            QueryFileError: A Cypher file is wrong.
            ConfigError: The URI is none.
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
            store = EmbeddedStore(config.uri.removeprefix(EMBEDDED) or "kg", create=create)
        else:
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

    def close(self) -> None:
        """Let go of the database; an embedded one ends."""
        self.store.close()

    @property
    def uri(self) -> str:
        """Where it is, without a password."""
        return self.store.uri

    def load(
        self,
        source: TripleSource,
        *,
        mode: Mode = "upsert",
        into_existing: bool = False,
        batch_size: int | None = None,
        interactions: bool = False,
        surveyed: Survey | None = None,
        progress: ProgressCallback = silent,
    ) -> LoadReport:
        """Load a source and compare the counts in the graph with what was sent.

        Interrupted, it goes on when called again with the same source.

        Args:
            source: Triples, names, items and links.
            mode: ``"upsert"`` adds what is not there; ``"replace"`` deletes what kptool loaded before, and only that.
            into_existing: Whether to write into a database that holds nodes of other people.
            batch_size: Rows of one transaction; the settings' when ``None``.
            interactions: Whether to load the source's interactions too.
            surveyed: The source as :func:`~kptoolkit.graph.loading.survey.survey` read it, when that was done before.
            progress: Who wants to hear.

        Raises:
            DataError: A file of the source is wrong.
            GraphNotEmptyError: The database holds nodes of other people.
            LoadError: The graph does not hold what was sent.
        """
        return loading.load(
            self.store,
            self.queries,
            source,
            mode=mode,
            into_existing=into_existing,
            batch_size=batch_size or self.config.batch_size,
            interactions=interactions,
            surveyed=surveyed,
            progress=progress,
        )

    def resolve(self, name: str) -> ItemRef:
        """The item meant by an item id, an entity id or an exact name (case folded), tried in this order.

        An entity that is no item is found too, by id or by a name that no item bears.

        Raises:
            AmbiguousNameError: Several items bear the name.
            UnknownNameError: None does; the nearest three are in the message.
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
            if found:
                row = found[0]
                return ItemRef(
                    row.get("item_id"), row["entity_id"] if "entity_id" in row else row["id"], row["name"] or ""
                )
        raise UnknownNameError("item", name, self._nearest(name), "Give an item id, an entity id or a whole name")

    def items(self) -> GraphItems:
        """All items."""
        found = self.queries["items"].read(self.store)
        rows = sorted(zip(*(found.column(name) for name in ("item_id", "entity_id", "name")), strict=True))
        return GraphItems([row[0] for row in rows], [row[1] for row in rows], [row[2] or "" for row in rows])

    def relation_counts(self) -> dict[str, int]:
        """How often each relation occurs, by relation id."""
        found = self.queries["relation_counts"].read(self.store)
        return dict(sorted(zip(found.column("relation"), found.column("count"), strict=True)))

    def counts(self) -> dict[str, int]:
        """``entities``, ``relationships`` between them, and ``items``."""
        return {name: int(count) for name, count in self.queries["counts"].read(self.store).dicts()[0].items()}

    def fingerprint(self) -> str:
        """Changes when the knowledge changes; interactions and recommendations have no part in it."""
        meta = self.queries["meta"].read(self.store).dicts()
        revision = meta[0]["revision"] if meta else None
        return json_hash([revision, self.counts()["entities"], self.relation_counts()])

    def check_complete(self) -> None:
        """Refuse a graph whose load was interrupted or is still running.

        Raises:
            GraphError: It is only partly loaded.
        """
        meta = self.queries["meta"].read(self.store).dicts()
        if meta and meta[0]["state"] != loading.COMPLETE:
            raise GraphError(
                f"the graph at {self.uri} is only partly loaded: a load was interrupted or still runs; run the same "
                "`kptool load-kg` again"
            )

    def neighbourhoods(
        self,
        entity_ids: Sequence[str],
        hops: int,
        *,
        max_degree: int | None = None,
        cap: int | None = None,
        cache: Path | None = None,
        progress: ProgressCallback = silent,
    ) -> Neighbourhoods:
        """The triples around entities, breadth first.

        Args:
            entity_ids: Asked entities; their order and repetitions are kept in ``roots``.
            hops: How far to go.
            max_degree: Nodes with more relationships are named, not expanded, but for the asked ones themselves.
            cap: Rows kept of one node, dealt round-robin over its relations.
            cache: Folder in which the answer is kept, and looked for first; ``None`` keeps nothing.
            progress: Who wants to hear.

        Raises:
            GraphError: The graph is only partly loaded or cannot be reached.
            QueryFileError: The hop query is refused or its rows lack a column.
        """
        self.check_complete()
        max_degree, cap = max_degree or self.config.max_degree, cap or self.config.cap
        key = cache_key(self.fingerprint(), self.queries, entity_ids, max_degree, cap)
        if cache is not None and (kept := cached(cache, key, hops)) is not None:
            return kept
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

    def paths(
        self, sources: Sequence[str], targets: Sequence[str], *, hops: int = LONGEST, limit: int = 2
    ) -> list[list[GraphPath]]:
        """The shortest paths from any of some entities to each of others, through no node beyond ``max_degree``.

        Args:
            sources: Entity ids; of equally good paths those from an earlier source come first.
            targets: Entity ids.
            hops: Longest path, at most 4 relationships.
            limit: Paths a target.

        Returns:
            For each target paths of one length, those through the rarest nodes first; none where there are none.

        Raises:
            GraphError: The graph cannot be reached.
            QueryFileError: The hop query is refused or its rows lack a column.
        """
        config = self.config
        finder = PathFinder(
            self.store, self.queries, max_degree=config.max_degree, cap=config.cap, frontier=config.frontier
        )
        return finder.find(sources, targets, hops=hops, limit=limit)

    def write_recommendations(self, run: str, rows: Sequence[Recommendation]) -> Written:
        """Write ``(:User)-[:RECOMMENDED {run, rank, score}]->(:Item)``; again, and the same relationships are there.

        What the run recommended to these users before is replaced; users that are missing are added. Knowledge, degrees
        and the fingerprint stay as they are.

        Args:
            run: Id of the run.
            rows: All recommendations of each user that is mentioned.

        Raises:
            LoadError: The graph took fewer than were sent.
            GraphError: The graph cannot be reached or refuses to be written.
        """
        return write_recommendations(self.store, self.queries, run, rows, self.config.batch_size)

    def _nearest(self, name: str) -> list[str]:
        """Names of items most like ``name``; of entities when there are no items."""
        known = [item for item in self.items().name if item]
        if not known:
            prefix = lowered(name)[:_PREFIX]
            known = self.queries["entity_names"].read(self.store, prefix=prefix, limit=_NEAREST_AMONG).column("name")
        return nearest(name, known)
