"""MPP templates over the training: whether a model learns the task, or the wording of its templates."""

from __future__ import annotations

from kptoolkit.studies.changes.packs import mpps, similar_mpps
from kptoolkit.studies.engine.study_definition import Study, stages
from kptoolkit.studies.measures.template_gap import template_gap

_EPOCHS = 6
"""Epochs of a stage."""


STUDY = Study(
    name="mpp-epochs",
    question="Does a model overfit to the wording of its training templates?",
    axis="epochs trained",
    arms=(
        *stages("one template", _EPOCHS, [mpps(1)] * 4),
        *stages("4 different", _EPOCHS, [mpps(4)] * 4, quick=False),
        *stages("10 different", _EPOCHS, [mpps(10)] * 4),
        *stages("10 similar", _EPOCHS, [similar_mpps(10)] * 4, quick=False),
    ),
    settings={"model.tokens": "subword"},
    measure=template_gap,
    limits=(
        "The gap is NDCG@10 by the training templates less that by the pack's held-out templates. A training goes "
        "through four stages; each starts with a new optimizer and its warm-up."
    ),
)
