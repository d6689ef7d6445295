"""Reads the files of a data folder that exist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kptoolkit.config import GRAPH_DATA
from kptoolkit.data.catalogue import find_items, read_items
from kptoolkit.data.graph_events import graph_interactions
from kptoolkit.data.graph_files import frame_of, graph_files, has_triples, items_of
from kptoolkit.data.interactions import Interactions, ReadReport, interactions_in, read_interactions
from kptoolkit.data.tables import Table, tables_in
from kptoolkit.errors import DataError
from kptoolkit.graph import FileSource, Graph, folder_reader
from kptoolkit.storage.dialects import Reading


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
    """

    path: Path
    interactions: Interactions | None
    report: ReadReport | None
    items: Table | None
    links: pd.DataFrame | None
    names: pd.DataFrame | None
    triples: Triples | None
    source: FileSource | None = None

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
        interactions, report = _interactions(path, reading, graph.get("mapping"))
        folder = path if path.is_dir() else path.parent
        items_file = None if report is None and path.is_file() else find_items(folder)
        items = None if items_file is None else read_items(items_file, reading)
        source = graph_files(path, reading, **graph) if path.exists() else None
        links = names = triples = None
        if source is not None:
            source.event_items = [] if interactions is None else interactions.item_ids.tolist()
            triples = _triples(frame_of(source.triples(), ("head", "relation", "tail")))
            names = frame_of(source.names(), ("entity_id", "name"))
            links = frame_of(source.links(), ("item_id", "entity_id"))
            items = items or items_of(source, path)
        if interactions is None and items is None and triples is None:
            raise DataError("no interactions, no items and no triples here; give a folder with data", path)
        return cls(path, interactions, report, items, links, names, triples, source)

    @classmethod
    def of_graph(cls, graph: Graph) -> DataFolder:
        """Read the interactions, items and links of a graph, without its triples.

        Raises:
            DataError: The graph contains no interactions.
            GraphError: It cannot be reached.
        """
        interactions, report = graph_interactions(graph)
        items = graph.items()
        columns = {"item_id": np.array(items.item_id, dtype=object), "title": np.array(items.name, dtype=object)}
        links = pd.DataFrame({"item_id": items.item_id, "entity_id": items.entity_id}, dtype=object).dropna()
        table = Table(GRAPH_DATA, columns, np.arange(1, len(items) + 1))
        return cls(GRAPH_DATA, interactions, report, table, links, None, None, None)

    @cached_property
    def catalogue(self) -> NDArray[Any]:
        """Ids of the items of the interactions and of the item file."""
        ids = [] if self.interactions is None else self.interactions.item_ids.tolist()
        ids += [] if self.items is None else self.items.strings("item_id").tolist()
        return np.array(list(dict.fromkeys(ids)), dtype=object)


def _interactions(path: Path, reading: Reading, mapping: Path | None) -> tuple[Interactions | None, ReadReport | None]:
    if path.is_dir() and not interactions_in(path, reading) and _has_graph(path, reading):
        return None, None
    if has_triples(path, reading, mapping):
        return None, None
    return read_interactions(path, reading)


def _has_graph(folder: Path, reading: Reading) -> bool:
    """Return whether a folder without events has something else to look at."""
    if tables_in(folder, (".kg", ".item")):
        return True
    return folder_reader(folder) is None and graph_files(folder, reading) is not None


def _triples(frame: pd.DataFrame | None) -> Triples | None:
    if frame is None:
        return None
    ends, entities = pd.factorize(np.concatenate([frame["head"].to_numpy(), frame["tail"].to_numpy()]))
    relation, relations = pd.factorize(frame["relation"].to_numpy(), sort=True)
    head, tail = ends[: len(frame)], ends[len(frame) :]
    return Triples(np.asarray(relations, object), np.asarray(entities, object), head, relation.astype(np.int64), tail)
