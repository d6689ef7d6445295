"""Backends that learn from prompts, and what they are made of. Importing this package imports no torch."""

from __future__ import annotations

from kptoolkit.models.backend import Backend, Capabilities, Explains, FitResult, FitTask, Triplets
from kptoolkit.models.registry import backend_class, backend_names, register

__all__ = [
    "Backend",
    "Capabilities",
    "Explains",
    "FitResult",
    "FitTask",
    "Triplets",
    "backend_class",
    "backend_names",
    "register",
]
