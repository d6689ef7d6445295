"""Everything that talks to a graph database.

Names are imported when they are first used: the child process of the embedded graph needs no driver.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "FileSource": "readers",
    "Graph": "graph",
    "GraphItems": "graph",
    "GraphStore": "store",
    "ItemRef": "graph",
    "LoadReport": "report",
    "GraphPath": "paths",
    "MemorySource": "readers",
    "Neighbourhoods": "neighbourhoods",
    "TripleSource": "readers",
    "open_source": "readers",
}
__all__ = [
    "FileSource",
    "Graph",
    "GraphItems",
    "GraphPath",
    "GraphStore",
    "ItemRef",
    "LoadReport",
    "MemorySource",
    "Neighbourhoods",
    "TripleSource",
    "open_source",
]

if TYPE_CHECKING:
    from kptoolkit.graph.graph import Graph, GraphItems, ItemRef
    from kptoolkit.graph.neighbourhoods import Neighbourhoods
    from kptoolkit.graph.paths import GraphPath
    from kptoolkit.graph.readers import FileSource, MemorySource, TripleSource, open_source
    from kptoolkit.graph.report import LoadReport
    from kptoolkit.graph.store import GraphStore


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kptoolkit.graph' has no attribute '{name}'")
    return getattr(importlib.import_module(f"kptoolkit.graph.{_HOME[name]}"), name)
