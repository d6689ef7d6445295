"""Template packs: the words that turn triples and histories into prompts (KP4SR, sections 3.2 and 3.3)."""

from __future__ import annotations

from kptoolkit.prompts.auto import choose_pack, load_auto
from kptoolkit.prompts.coverage import Coverage, CoverageRow
from kptoolkit.prompts.drafting.draft_pack import Draft, draft_pack
from kptoolkit.prompts.drafting.examples import Examples, look_around
from kptoolkit.prompts.identity import wording_hash
from kptoolkit.prompts.mpp import MppTemplate, Slot
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.pack_sources import pack_names
from kptoolkit.prompts.relations import RelationTemplates
from kptoolkit.prompts.render import Segment
from kptoolkit.prompts.texts import choose_variant, clean_name, relation_words
from kptoolkit.prompts.validation.check import check_pack
from kptoolkit.prompts.validation.findings import Finding

__all__ = [
    "Coverage",
    "CoverageRow",
    "Draft",
    "Examples",
    "Finding",
    "MppTemplate",
    "RelationTemplates",
    "Segment",
    "Slot",
    "TemplatePack",
    "check_pack",
    "choose_pack",
    "choose_variant",
    "clean_name",
    "draft_pack",
    "load_auto",
    "look_around",
    "pack_names",
    "relation_words",
    "wording_hash",
]
