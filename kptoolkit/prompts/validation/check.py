"""Everything that is wrong with a pack, listed."""

from __future__ import annotations

from pathlib import Path

from kptoolkit.prompts.pack_sources import find_pack
from kptoolkit.prompts.validation.findings import Finding
from kptoolkit.prompts.validation.pack_reader import read_parts


def check_pack(name_or_path: str | Path) -> list[Finding]:
    """All mistakes in a pack; empty when it is sound.

    Parsed and rendered on hostile names is every sentence; checked are names, slots, ids, aliases, filters and whether
    there are MPP templates for every use. Imports the filters that the pack names, see :meth:`TemplatePack.load`.

    Args:
        name_or_path: As for :meth:`TemplatePack.load`.

    Raises:
        UnknownNameError: There is no such pack.
    """
    return read_parts(find_pack(name_or_path))[1]
