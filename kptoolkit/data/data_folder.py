"""Reads the files of a data folder that exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from kptoolkit.data.interactions import Interactions, ReadReport, interactions_in, read_interactions
from kptoolkit.data.tables import SUFFIXES, Table, read_recognized, tables_in
from kptoolkit.errors import DataError
from kptoolkit.graph import Graph, folder_reader
from kptoolkit.graph.sources.layouts import sort_tables
from kptoolkit.storage.dialects import Reading, suffix_of
from kptoolkit.storage.layouts.table_layouts import Kind


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
        triples: Triples of all ``.kg`` files, else of the table with triples.
    """

    path: Path
    interactions: Interactions | None
    report: ReadReport | None
    items: Table | None
    links: pd.DataFrame | None
    names: pd.DataFrame | None
    triples: Triples | None

    @classmethod
    def read(cls, path: str | Path, reading: Reading | None = None) -> DataFolder:
        """Read a folder, or an interactions file and the other files of its folder.

        Args:
            path: The folder or file.
            reading: Columns and encoding, where the files do not tell them.

        Raises:
            DataError: There is nothing to read, or a file is wrong; with file and line.
        """
        path, reading = Path(path), reading or Reading()
        interactions, report = _interactions(path, reading)
        folder = path if path.is_dir() else path.parent
        items_file, tables = find_items(folder), _tables(path, folder)
        found = cls(
            path,
            interactions,
            report,
            None if items_file is None else read_items(items_file, reading),
            _frame(tables.get("links", ()), "links", reading),
            _frame(tables.get("names", ()), "names", reading),
            _triples(tables.get("triples", ()), reading),
        )
        if found.interactions is None and found.items is None and found.triples is None:
            raise DataError("no interactions, no items and no triples here; give a folder with data", path)
        return found

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
        return cls(GRAPH_DATA, interactions, report, table, links, None, None)

    @cached_property
    def catalogue(self) -> NDArray[Any]:
        """Ids of the items of the interactions and of the item file."""
        ids = [] if self.interactions is None else self.interactions.item_ids.tolist()
        ids += [] if self.items is None else self.items.strings("item_id").tolist()
        return np.array(list(dict.fromkeys(ids)), dtype=object)


def _interactions(path: Path, reading: Reading) -> tuple[Interactions | None, ReadReport | None]:
    if path.is_dir() and not interactions_in(path, reading) and tables_in(path, (".kg", ".item")):
        return None, None
    return read_interactions(path, reading)


def _tables(path: Path, folder: Path) -> Mapping[Kind, Sequence[Path]]:
    """The files of triples, links and names: by their endings, else, if ``path`` is a folder, by their headers."""
    if path.is_dir() and not tables_in(folder, (".kg", ".link", ".ent")) and folder_reader(folder) is None:
        try:
            found = sort_tables(folder)
        except DataError:
            return {}  # several of one kind: none is that of these interactions before one is chosen
        return {kind: [file for file in files if suffix_of(file) in SUFFIXES] for kind, files in found.items()}
    suffixes: Mapping[Kind, str] = {"triples": ".kg", "links": ".link", "names": ".ent"}
    return {kind: tables_in(folder, (suffix,)) for kind, suffix in suffixes.items()}


def _frame(files: Sequence[Path], kind: Kind, reading: Reading) -> pd.DataFrame | None:
    tables = [read_recognized(file, kind, reading)[0] for file in files]
    if not tables:
        return None
    return pd.concat([pd.DataFrame(dict(table.columns), dtype=object) for table in tables], ignore_index=True)


def _triples(files: Sequence[Path], reading: Reading) -> Triples | None:
    frame = _frame(files, "triples", reading)
    if frame is None:
        return None
    ends, entities = pd.factorize(np.concatenate([frame["head"].to_numpy(), frame["tail"].to_numpy()]))
    relation, relations = pd.factorize(frame["relation"].to_numpy(), sort=True)
    head, tail = ends[: len(frame)], ends[len(frame) :]
    return Triples(np.asarray(relations, object), np.asarray(entities, object), head, relation.astype(np.int64), tail)
