"""Reads the files of a data folder that exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.config import GRAPH_DATA
from kptoolkit.data.catalogue import find_items, read_items
from kptoolkit.data.event_files import event_files_of, users_said
from kptoolkit.data.graph_events import find_interactions, graph_triples
from kptoolkit.data.graph_files import GraphTables, graph_files, has_triples, items_of
from kptoolkit.data.interactions import Interactions, ReadReport, has_interactions, read_interactions
from kptoolkit.data.tables import Table, tables_in
from kptoolkit.errors import DataError
from kptoolkit.graph import FileSource, Graph, folder_reader
from kptoolkit.graph.foreign.inspection import check_empty
from kptoolkit.graph.sources.layouts import not_read_in
from kptoolkit.storage.dialects import Reading

_TRIPLE = ("head", "relation", "tail")


@dataclass(frozen=True)
class Triples:
    """Triples as numbers.

    Attributes:
        relations: ``(R,)`` relation ids.
        entities: ``(N,)`` entity ids that occur in a triple.
        head: ``(T,)`` numbers into ``entities``.
        relation: ``(T,)`` numbers into ``relations``.
        tail: ``(T,)`` numbers into ``entities``.
    """

    relations: NDArray[Any]
    entities: NDArray[Any]
    head: NDArray[np.int64]
    relation: NDArray[np.int64]
    tail: NDArray[np.int64]

    @classmethod
    def of(cls, heads: Any, names: Any, tails: Any) -> Triples:
        """Create from ``(T,)`` ids of heads, relations and tails."""
        ends, entities = pd.factorize(np.concatenate([np.asarray(heads, object), np.asarray(tails, object)]))
        relation, relations = pd.factorize(np.asarray(names, object), sort=True)
        head, tail = ends[: len(relation)], ends[len(relation) :]
        return cls(np.asarray(relations, object), np.asarray(entities, object), head, relation.astype(np.int64), tail)

    @cached_property
    def pairs(self) -> NDArray[np.int64]:
        """``(T,)`` head and tail as one number."""
        return self.head * len(self.entities) + self.tail

    @cached_property
    def reversed_pairs(self) -> NDArray[np.int64]:
        """``(T,)`` tail and head as one number."""
        return self.tail * len(self.entities) + self.head

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """``(R,)`` number of distinct pairs of each relation."""
        frame = pd.DataFrame({"relation": self.relation, "pair": self.pairs}).drop_duplicates()
        return np.bincount(frame["relation"].to_numpy(), minlength=len(self.relations)).astype(np.int64)


@dataclass(frozen=True)
class DataFolder:
    """The files of a folder that kptoolkit understands.

    Attributes:
        path: The folder or file, as given.
        interactions: Events, if there are any.
        report: Counts of the reading, if there are events.
        items: Item file, if there is one.
        links: Columns ``item_id`` and ``entity_id`` of all ``.link`` files, else of the table with links.
        names: Columns ``entity_id`` and ``name`` of all ``.ent`` files, else of the table with names.
        triples: Triples of all ``.kg`` files, else of the table or layout with triples.
        source: Where names, links and triples were read, with the rows that were skipped.
        several_names: Entities with several names, with the first, which counts, and the next.
        cleaned: Ids in triples that were cleaned of spaces, quotation marks, ``<>`` or ``.0``.
        sizes: Counts of triples, relations and entities of a graph in a database.
        not_read: Files of the folder that may have data and are not read.
    """

    path: Path
    interactions: Interactions | None
    report: ReadReport | None
    items: Table | None
    links: pd.DataFrame | None
    names: pd.DataFrame | None
    triples: Triples | None
    source: FileSource | None = None
    several_names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    cleaned: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    not_read: Sequence[Path] = ()

    @classmethod
    def read(cls, path: str | Path, reading: Reading | None = None, **graph: Any) -> DataFolder:
        """Read a folder, or a file of interactions and the other files of its folder, or a file of triples.

        Args:
            path: The folder or file.
            reading: Columns and encoding, where the files do not tell them.
            graph: Other arguments of :func:`kptoolkit.data.graph_files.graph_files`.

        Raises:
            ConfigError: A rule for ids is wrong.
            DataError: There is nothing to read, or a file is wrong; with file and line.
        """
        path, reading = Path(path), reading or Reading()
        triples_alone = has_triples(path, reading, graph.get("mapping"))
        interactions, report = (None, None) if triples_alone else _interactions(path, reading)
        folder = path if path.is_dir() else path.parent
        items_file = None if report is None and path.is_file() else find_items(folder)
        items = None if items_file is None else read_items(items_file, reading)
        source = graph_files(path, reading, triples=triples_alone, **graph) if path.exists() else None
        tables = GraphTables()
        if source is not None:
            source.event_items = [] if interactions is None else interactions.item_ids.tolist()
            tables = GraphTables.read(source)
            items = items_of(source, path) if items is None else items
        if interactions is None and items is None and tables.triples is None:
            said = "no interactions, no items and no triples here; give a folder with data"
            raise DataError(said + users_said(path, reading), path)
        triples = None if tables.triples is None else Triples.of(*(tables.triples[name] for name in _TRIPLE))
        return cls(
            path,
            interactions,
            report,
            items,
            tables.links,
            tables.names,
            triples,
            source,
            tables.several_names,
            tables.cleaned,
            not_read=_not_read(path, reading, report, items_file, source),
        )

    @classmethod
    def of_graph(cls, graph: Graph, *, with_triples: bool = False) -> DataFolder:
        """Read the interactions, items and links of a graph.

        Args:
            graph: The graph.
            with_triples: Whether to read its triples and the names of their entities as well: all triples of a graph
                that kptool loaded, those of the items in another one.

        Raises:
            DataError: The graph has no entities; with what is to be done.
            GraphError: It cannot be reached.
        """
        counts = graph.counts()
        if not counts["entities"]:
            empty = check_empty(graph, "has no entities")
            raise DataError(f"{empty.seen}; {empty.advice}", graph.uri)
        interactions, report = find_interactions(graph, untimed=True) or (None, None)
        items = graph.items()
        columns = {"item_id": np.array(items.item_id, dtype=object), "title": np.array(items.name, dtype=object)}
        links = pd.DataFrame({"item_id": items.item_id, "entity_id": items.entity_id}, dtype=object).dropna()
        table = Table(GRAPH_DATA, columns, np.arange(1, len(items) + 1))
        rows, names = graph_triples(graph, links["entity_id"].tolist()) if with_triples else (None, None)
        triples = None if rows is None else Triples.of(*(rows[name] for name in _TRIPLE))
        sizes = {"triples": counts["relationships"], "relations": len(graph.relation_counts())}
        sizes["entities"] = counts["entities"]
        return cls(GRAPH_DATA, interactions, report, table, links, names, triples, sizes=sizes)

    @cached_property
    def catalogue(self) -> NDArray[Any]:
        """Ids of the items of the interactions and of the item file."""
        ids = [] if self.interactions is None else self.interactions.item_ids.tolist()
        ids += [] if self.items is None else self.items.strings("item_id").tolist()
        return np.array(list(dict.fromkeys(ids)), dtype=object)


def _not_read(
    path: Path, reading: Reading, report: ReadReport | None, items_file: Path | None, source: FileSource | None
) -> list[Path]:
    """Return the files of a folder that may have data, and that are not read; none if a reader reads it as a whole."""
    if not path.is_dir() or folder_reader(path, reading=reading) is not None:
        return []
    files = [] if report is None else [report.path, *event_files_of(path, reading)]
    files += [] if items_file is None else [items_file]
    if source is not None:
        files += [*source.triple_files, *source.link_files, *source.name_files, *source.item_files]
    return not_read_in(path, files, [] if source is None else source.readers)


def _interactions(path: Path, reading: Reading) -> tuple[Interactions | None, ReadReport | None]:
    if path.is_dir() and not has_interactions(path, reading) and _has_graph(path, reading):
        return None, None
    return read_interactions(path, replace(reading, counts_ratings=True))


def _has_graph(folder: Path, reading: Reading) -> bool:
    """Return whether a folder without events has something else to look at."""
    if tables_in(folder, (".kg", ".item")):
        return True
    if (reader := folder_reader(folder, reading=reading)) is not None:
        return not any(len(table) for table in reader.interactions())
    return graph_files(folder, reading) is not None
