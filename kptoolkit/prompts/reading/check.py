"""Lists all mistakes in a pack."""

from __future__ import annotations

from pathlib import Path

from kptoolkit.prompts.reading.pack_reader import read_parts
from kptoolkit.prompts.reading.pack_sources import find_pack
from kptoolkit.prompts.templating.findings import Finding


def check_pack(name_or_path: str | Path) -> list[Finding]:
    """Return all mistakes in a pack; an empty list if there are none.

    Parses every template and renders every sentence on hostile names; checks variables, slots, ids, aliases, filters,
    and that there are MPP templates for every use. Imports the filters that the pack names, see
    :meth:`TemplatePack.load`.

    Args:
        name_or_path: As for :meth:`TemplatePack.load`.

    Raises:
        UnknownNameError: There is no such pack.
    """
    return read_parts(find_pack(name_or_path))[1]
