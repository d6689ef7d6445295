"""Backends by name: registered in this process, or installed under the entry point group ``kptoolkit.backends``."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TypeVar

from kptoolkit.errors import ConfigError, UnknownNameError
from kptoolkit.models.backend import Backend
from kptoolkit.names import nearest

GROUP = "kptoolkit.backends"
_registered: dict[str, type[Backend]] = {}
BackendT = TypeVar("BackendT", bound=type[Backend])


def register(backend: BackendT) -> BackendT:
    """Register a backend class under its ``name``; usable as a decorator."""
    _registered[backend.name] = backend
    return backend


def backend_names() -> list[str]:
    """Names of all registered and installed backends."""
    return sorted({*_registered, *(point.name for point in entry_points(group=GROUP))})


def backend_class(name: str) -> type[Backend]:
    """Return the backend class of this name.

    Raises:
        UnknownNameError: No backend has this name.
        ConfigError: Its entry point cannot be imported.
    """
    if name in _registered:
        return _registered[name]
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                loaded: type[Backend] = point.load()
            except (ImportError, AttributeError) as error:
                raise ConfigError(f"backend '{name}' ({point.value}) cannot be imported: {error}") from error
            return loaded
    names = backend_names()
    raise UnknownNameError("backend", name, nearest(name, names), f"Known: {', '.join(names)}")
