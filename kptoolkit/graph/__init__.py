"""Everything that talks to a graph database."""

from __future__ import annotations

from kptoolkit.graph.graph import Graph, GraphItems, ItemRef
from kptoolkit.graph.load import LoadReport
from kptoolkit.graph.neighbourhoods import Neighbourhoods
from kptoolkit.graph.readers import MemorySource, TripleSource, open_source
from kptoolkit.graph.store import GraphStore

__all__ = [
    "Graph",
    "GraphItems",
    "GraphStore",
    "ItemRef",
    "LoadReport",
    "MemorySource",
    "Neighbourhoods",
    "TripleSource",
    "open_source",
]
