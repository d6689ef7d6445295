"""Relation templates: is their quality a factor at all?"""

from __future__ import annotations

from kptoolkit.studies.changes.packs import fallback_only, neutral_only, sentences, shuffled_words, with_pack
from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="templates",
    question="Does the quality of the relation templates matter?",
    axis="wording of triples",
    arms=(
        Arm("", "pack"),
        Arm("", "another sentence each epoch", {"prompts.variants": "epoch"}),
        Arm("", "one sentence per relation", {"prompts.variants": "epoch"}, change=sentences(1), quick=False),
        Arm("", "fallback only", change=with_pack(fallback_only)),
        Arm("", "neutral only", change=with_pack(neutral_only)),
        Arm("", "shuffled words", change=with_pack(shuffled_words)),
        Arm("", "no knowledge", {"tree.degree": 0}),
    ),
    settings={"model.tokens": "subword"},
    limits="The tokenizer is trained on the prompts themselves: no arm knows words from elsewhere.",
)
