"""Interactions, histories, splits, the catalogue and data checks; numpy and pandas only."""

from __future__ import annotations

from kptoolkit.data.catalogue import Catalogue, find_items
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.interactions import Interactions, ReadReport, find_interactions, read_interactions
from kptoolkit.data.splits import Split, SplitReport, leave_one_out, make_split, temporal

__all__ = [
    "Cases",
    "Catalogue",
    "Histories",
    "Interactions",
    "ReadReport",
    "Split",
    "SplitReport",
    "find_interactions",
    "find_items",
    "leave_one_out",
    "make_split",
    "read_interactions",
    "temporal",
]
