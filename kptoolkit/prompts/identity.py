"""What a pack's triplet sentences depend on, as one hash."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

from kptoolkit.errors import TemplateError
from kptoolkit.prompts.filters import filter_path
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.relations import RelationTemplates
from kptoolkit.prompts.validation.findings import Place
from kptoolkit.prompts.validation.pack_reader import PACK_FILE
from kptoolkit.storage.arrays import checksum, json_hash


def wording_hash(pack: TemplatePack) -> str | None:
    """SHA-256 of all in a pack that decides a triplet prompt: sentences, aliases, mirrored relations, filters.

    A filter counts by its import path and by the source file it stands in, not by what that file imports.

    Returns:
        Hexadecimal; ``None`` where a filter cannot be imported again, or has no source file.
    """
    filters = {}
    for name, function in pack.filters.items():
        try:
            path = filter_path(function, Place(pack.name, PACK_FILE, name))
            source = inspect.getsourcefile(importlib.import_module(path.partition(":")[0]))
            filters[name] = [path, checksum(Path(source or ""))]
        except (TemplateError, OSError, TypeError):
            return None
    parts = [
        _plain(pack.relations),
        dict(pack.aliases),
        pack.mirrored,
        _plain({"fallback": pack.fallback, "neutral": pack.neutral}),
        filters,
    ]
    return json_hash(parts, sort_keys=True)


def _plain(templates: Mapping[str, RelationTemplates]) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {name: astuple(sides) for name, sides in templates.items()}
