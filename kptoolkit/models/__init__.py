"""Recommenders: the backend interface, the registry and the shipped backends. Importing it imports no torch."""

from __future__ import annotations

from kptoolkit.models.backend import (
    AcceptsNewItems,
    Backend,
    BeamSearch,
    Explains,
    FitResult,
    FitTask,
    RanksByKnowledgeAlone,
    ReadsFarTriples,
    ReadsKnowledge,
    ReadsTemplates,
    ReadsTreeMask,
    StartsFromRun,
    Triplets,
    options_class,
)
from kptoolkit.models.registry import backend_class, backend_names, register

__all__ = [
    "AcceptsNewItems",
    "Backend",
    "BeamSearch",
    "Explains",
    "FitResult",
    "FitTask",
    "RanksByKnowledgeAlone",
    "ReadsFarTriples",
    "ReadsKnowledge",
    "ReadsTemplates",
    "ReadsTreeMask",
    "StartsFromRun",
    "Triplets",
    "backend_class",
    "backend_names",
    "options_class",
    "register",
]
