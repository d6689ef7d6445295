"""Finds the files that are not code, and the code of other packages.

Template packs, Cypher files and the data of the demo are searched in the user's folder, then in the installed package,
then in the checkout of the package. Backends and rankings of other packages are named by ``module:attribute`` or by an
entry point.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from kptoolkit.errors import ConfigError, QueryFileError, UnknownNameError, shorten
from kptoolkit.names import nearest

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent

_MODULE_ATTRIBUTE = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def _shipped(in_package: str, in_checkout: str) -> Path:
    installed = _PACKAGE / in_package
    return installed if installed.is_dir() else _CHECKOUT / in_checkout


def templates_dir() -> Path:
    """Folder of the shipped template packs."""
    return _shipped("templates", "templates")


def cypher_dir() -> Path:
    """Folder of the shipped Cypher files."""
    return _shipped("cypher", "cypher")


def demo_data_dir() -> Path:
    """Folder of the bundled demo set (RecBole atomic files ``demo.*``)."""
    return _shipped("demo_data", "examples/demo")


def query_file(name: str, user_dir: Path | None = None, *, embedded: bool = False) -> Path:
    """Find ``NAME.cypher`` in the user's folder, then in ``cypher/embedded/`` if embedded, then in ``cypher/``.

    In the user's folder too, files under ``embedded/`` come first for an embedded graph.

    Raises:
        QueryFileError: There is no such file.
    """
    folders = [user_dir] if user_dir is not None else []
    folders = [user_dir / "embedded", user_dir] if user_dir is not None and embedded else folders
    folders += [cypher_dir() / "embedded"] if embedded else []
    folders.append(cypher_dir())
    for folder in folders:
        path = folder / f"{name}.cypher"
        if path.is_file():
            return path
    raise QueryFileError(f"no Cypher file {name}.cypher in {', '.join(str(folder) for folder in folders)}")


def shipped_packs() -> Iterator[Path]:
    """Yield the folders of the shipped template packs, sorted by name."""
    yield from sorted(path.parent for path in templates_dir().glob("*/pack.yaml"))


def pack_dir(name_or_path: str | Path) -> Path:
    """Find the folder of a template pack by its path or by the name of a shipped pack.

    Raises:
        UnknownNameError: Neither a folder with a ``pack.yaml`` nor a shipped pack.
    """
    path = Path(name_or_path)
    if (path / "pack.yaml").is_file():
        return path
    shipped = templates_dir() / str(name_or_path)
    if path.name == str(name_or_path) and (shipped / "pack.yaml").is_file():
        return shipped
    known = [folder.name for folder in shipped_packs()]
    hint = f"Shipped packs: {', '.join(known)}; or give a folder that contains a pack.yaml"
    raise UnknownNameError("template pack", str(name_or_path), nearest(str(name_or_path), known), hint)


def installed_object(kind: str, name: str, group: str) -> Any | None:
    """Import what a name stands for in the code of another package.

    Args:
        kind: What it is, for messages, e.g. ``"backend"``.
        name: ``module:attribute``, or the name of an entry point.
        group: Group of the entry points.

    Returns:
        ``None`` if the name is no ``module:attribute`` and no entry point of the group has it.

    Raises:
        ConfigError: The module or the attribute cannot be imported.
    """
    reference = name if _MODULE_ATTRIBUTE.fullmatch(name) else _reference(name, group)
    if reference is None:
        return None
    module, _, attribute = reference.partition(":")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        hint = "install its package, or put its folder on PYTHONPATH" if isinstance(error, ModuleNotFoundError) else ""
        said = f"{kind} '{shorten(name)}' ({shorten(reference)}) cannot be imported: {shorten(str(error))}"
        raise ConfigError(f"{said}; {hint}" if hint else said) from error
    return found


def _reference(name: str, group: str) -> str | None:
    return next((point.value for point in entry_points(group=group) if point.name == name), None)
