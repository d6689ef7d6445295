"""Hashes of what a pack says: of its triplet sentences alone, and of all its texts."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

from kptoolkit.errors import TemplateError
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.reading.filters import filter_path
from kptoolkit.prompts.reading.pack_reader import PACK_FILE
from kptoolkit.prompts.templating.findings import Place
from kptoolkit.prompts.templating.relations import RelationTemplates
from kptoolkit.storage.arrays import checksum, json_hash


def sentence_hash(pack: TemplatePack) -> str | None:
    """Return the SHA-256 of a pack's sentences, aliases, labels, mirrored relations and filters.

    A filter is hashed by its import path and its source file; what that file imports is not included.

    Returns:
        Hexadecimal; ``None`` if a filter cannot be imported or has no source file.
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
        {**pack.graph_labels, **pack.labels},
        pack.mirrored,
        _plain({"fallback": pack.fallback, "neutral": pack.neutral}),
        filters,
    ]
    return json_hash(parts, sort_keys=True)


def text_hash(pack: TemplatePack) -> str:
    """Return the SHA-256 of everything that a training reads of a pack: its sentences and its MPPs."""
    mpp = [(one.id, one.text, one.split, one.separator, one.last_separator) for one in pack.mpp]
    return json_hash([sentence_hash(pack), mpp])


def _plain(templates: Mapping[str, RelationTemplates]) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {name: astuple(sides) for name, sides in templates.items()}
