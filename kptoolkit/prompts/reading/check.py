"""Lists all mistakes in a pack."""

from __future__ import annotations

from pathlib import Path

from kptoolkit.arguments import checked
from kptoolkit.prompts.reading.pack_reader import read_parts
from kptoolkit.prompts.reading.pack_sources import find_pack
from kptoolkit.prompts.templating.findings import Finding
from kptoolkit.resources import Trust


@checked
def check_pack(name_or_path: str | Path, *, trust_code: Trust = False) -> list[Finding]:
    """Return all mistakes in a pack; an empty list if there are none.

    Parses every template and renders every sentence on hostile names; checks variables, slots, ids, aliases, filters,
    and that there are MPP templates for every use. A filter that is not trusted is a mistake; it is not run.

    Args:
        name_or_path: As for :meth:`TemplatePack.load`.
        trust_code: As there.

    Raises:
        UnknownNameError: There is no such pack.
    """
    return read_parts(find_pack(name_or_path), trust_code=trust_code)[1]
