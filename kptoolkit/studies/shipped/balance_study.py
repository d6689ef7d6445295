"""The balance of language model and knowledge graph: what is read of an item, and by which text encoder."""

from __future__ import annotations

from typing import Any

from kptoolkit.studies.changes.titles import without_titles
from kptoolkit.studies.engine.study_definition import ENCODER, RANDOM_ENCODER, Arm, Study

_TEXT_ONLY: dict[str, Any] = {"tree.degree": 0}
_KNOWLEDGE_ONLY: dict[str, Any] = {
    "model.identity": False,
    **{f"parts.{part}": False for part in ("titles", "transitions", "co_occurrence", "popularity")},
}
_ENCODERS: dict[str, dict[str, Any]] = {
    "words": {},
    "pretrained, frozen": {"parts.text_encoder": ENCODER},
    "pretrained, adapted": {"parts.text_encoder": ENCODER, "parts.text_adapter": True},
    "random, frozen": {"parts.text_encoder": RANDOM_ENCODER},
    "random, adapted": {"parts.text_encoder": RANDOM_ENCODER, "parts.text_adapter": True},
}

STUDY = Study(
    name="balance",
    question="How do text and knowledge share the work, and does a pretrained language model change that?",
    axis="what is read of an item",
    arms=tuple(
        Arm(encoder, read, {**own, **settings}, change=without_titles if read == "knowledge only" else None)
        for encoder, settings in _ENCODERS.items()
        for read, own in (("text only", _TEXT_ONLY), ("both", {}), ("knowledge only", _KNOWLEDGE_ONLY))
    ),
    backends=("sequence",),
    limits=(
        "Arms with an encoder are trained only where parts.text_encoder names one. Text only has the titles and the "
        "histories, knowledge only the triples: no titles, no identity of items, no parts that count events."
    ),
)
