"""MPP templates over the training: whether a model learns the task, or the wording of its templates."""

from __future__ import annotations

from kptoolkit.studies.changes.packs import mpps, similar_mpps
from kptoolkit.studies.engine.study_definition import Arm, Change, Study
from kptoolkit.studies.measures.template_gap import template_gap

_EPOCHS = 6
"""Epochs of a stage."""


def _stages(series: str, change: Change, *, quick: bool = True) -> list[Arm]:
    """Stages of one training, each from the weights of the one before."""
    found = list[Arm]()
    settings = {"training.epochs": _EPOCHS, "training.eval_every": _EPOCHS // 2}
    for number in range(1, 5):
        before = found[-1] if found else None
        found.append(Arm(series, float(number * _EPOCHS), settings, change=change, start=before, quick=quick))
    return found


STUDY = Study(
    name="mpp-epochs",
    question="Does a model overfit to the wording of its training templates?",
    axis="epochs trained",
    arms=(
        *_stages("one template", mpps(1)),
        *_stages("4 different", mpps(4), quick=False),
        *_stages("10 different", mpps(10)),
        *_stages("10 similar", similar_mpps(10), quick=False),
    ),
    settings={"model.tokens": "subword"},
    measure=template_gap,
    limits=(
        "The gap is NDCG@10 by the training templates less that by the pack's held-out templates. A training goes "
        "through four stages; each starts with a new optimizer and its warm-up."
    ),
)
