"""Finds template packs: folders, shipped packs, packs of installed packages."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from kptoolkit import resources
from kptoolkit.errors import TemplateError, UnknownNameError, shorten
from kptoolkit.names import nearest
from kptoolkit.prompts.reading.yaml_files import read_yaml

GROUP = "kptoolkit.templates"
PROJECT = Path("templates")
"""Folder of the packs of a project."""


def pack_names() -> list[str]:
    """Return the names of the shipped packs, then those of installed packages."""
    shipped = [folder.name for folder in resources.shipped_packs()]
    return shipped + sorted(name for name in _installed() if name not in shipped)


def project_packs() -> dict[str, Path]:
    """Return the packs in ``templates/`` of the working directory, as ``kptool init`` writes them, by folder name."""
    return {path.parent.name: path.parent for path in sorted(PROJECT.glob("*/pack.yaml"))}


def find_pack(name_or_path: str | Path) -> Path:
    """Return the folder of a pack.

    An entry point refers to a function that returns the folder, or to the path itself.

    Args:
        name_or_path: A folder, a shipped name, a name in the entry point group ``kptoolkit.templates``, or the name of
            a folder in ``templates/`` of the working directory.

    Raises:
        UnknownNameError: There is no such pack.
        TemplateError: An entry point does not lead to a folder with a ``pack.yaml``.
    """
    name = str(name_or_path)
    try:
        return resources.pack_dir(name_or_path)
    except UnknownNameError:
        entry = _installed().get(name)
    if entry is not None:
        return _folder(entry)
    own = project_packs()
    if name in own:
        return own[name]
    known = [*pack_names(), *own]
    hint = f"Packs: {', '.join(known)}; or give a folder with a pack.yaml"
    if name == "auto":
        hint = f"auto chooses a pack for a graph, so it needs one. {hint}"
    raise UnknownNameError("template pack", name, nearest(name, known), hint)


def declared_filters() -> frozenset[str]:
    """Return the import paths of all filters that the shipped packs and those of installed packages name."""
    folders = [*resources.shipped_packs()]
    for entry in _installed().values():
        with suppress(TemplateError):
            folders.append(_folder(entry))
    found: set[str] = set()
    for folder in folders:
        values: Any = (read_yaml(folder / "pack.yaml", folder.name)[0] or {}).get("filters")
        found.update(path for path in (values.values() if isinstance(values, dict) else ()) if isinstance(path, str))
    return frozenset(found)


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _folder(entry: EntryPoint) -> Path:
    try:
        found = entry.load()
        folder = Path(found() if callable(found) else found)
    except Exception as error:  # the package is foreign code
        reason = f"{type(error).__name__}: {shorten(str(error))}"
        raise TemplateError(f"entry point {entry.value} failed ({reason}); fix its package", pack=entry.name) from error
    if not (folder / "pack.yaml").is_file():
        raise TemplateError(f"entry point {entry.value} gives {folder}, no pack.yaml there", pack=entry.name)
    return folder
