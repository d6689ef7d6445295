"""Backends by name: registered in this process, entry points of ``kptoolkit.backends``, or ``module:Class``."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final, TypeVar, cast

from kptoolkit.errors import ConfigError, UnknownNameError, shorten
from kptoolkit.models.backend import Backend
from kptoolkit.names import BACKENDS, nearest
from kptoolkit.resources import installed_object

_MEMBERS: Final = ("name", "min_training_events", "Options", "fit", "score", "save", "load")
_registered: dict[str, type[Backend]] = {}
BackendT = TypeVar("BackendT", bound=type[Backend])


def register(backend: BackendT) -> BackendT:
    """Register a backend class under its ``name``; usable as a decorator."""
    _registered[backend.name] = backend
    return backend


def backend_names() -> list[str]:
    """Names of all registered and installed backends."""
    return sorted({*_registered, *(point.name for point in entry_points(group=BACKENDS))})


def backend_class(name: str) -> type[Backend]:
    """Return the backend class of this name.

    Args:
        name: Name of a registered or installed backend, or ``module:Class``.

    Raises:
        UnknownNameError: No backend has this name.
        ConfigError: It cannot be imported, or it is no backend.
    """
    found = _registered.get(name) or installed_object("backend", name, BACKENDS)
    if found is None:
        names = backend_names()
        hint = f"Known: {', '.join(names)}; or write module:Class"
        raise UnknownNameError("backend", name, nearest(name, names), hint)
    missing = [member for member in _MEMBERS if not hasattr(found, member)]
    if not isinstance(found, type) or missing:
        lacks = f", without {', '.join(missing)}" if isinstance(found, type) else ", and not a class"
        raise ConfigError(f"'{shorten(name)}' is no backend{lacks}; see kptoolkit.models.Backend")
    return cast("type[Backend]", found)
