"""Template packs: sentence templates that turn triples and histories into prompts (KP4SR, sections 3.2 and 3.3)."""

from __future__ import annotations

from kptoolkit.prompts.coverage import Coverage, CoverageRow
from kptoolkit.prompts.drafting.draft_pack import Draft, draft_pack
from kptoolkit.prompts.drafting.examples import Examples, find_examples
from kptoolkit.prompts.equal_facts import EqualFacts, equal_facts
from kptoolkit.prompts.pack import TemplatePack
from kptoolkit.prompts.pack_choice import choose_pack, load_auto
from kptoolkit.prompts.pack_hash import sentence_hash
from kptoolkit.prompts.reading.check import check_pack
from kptoolkit.prompts.reading.pack_sources import pack_names
from kptoolkit.prompts.templating.findings import Finding
from kptoolkit.prompts.templating.mpp import MppTemplate, Slot
from kptoolkit.prompts.templating.relations import RelationTemplates
from kptoolkit.prompts.templating.texts import choose_variant, clean_name, relation_words
from kptoolkit.prompts.templating.triplet_sentences import Segment

__all__ = [
    "Coverage",
    "CoverageRow",
    "Draft",
    "EqualFacts",
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
    "equal_facts",
    "find_examples",
    "load_auto",
    "pack_names",
    "relation_words",
    "sentence_hash",
]
