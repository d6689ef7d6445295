"""Wrong triples over the training: from its start, or more and more of them, and how much the model listens to them."""

from __future__ import annotations

from collections.abc import Sequence

from kptoolkit.studies.changes.triples import corrupted
from kptoolkit.studies.engine.study_definition import Arm, Study
from kptoolkit.studies.measures.added_triples import weight_of_added

_EPOCHS = 8
"""Epochs of a stage."""


def _stages(series: str, shares: Sequence[float]) -> list[Arm]:
    """Stages of one training, each with its share of wrong triples, each from the weights of the one before."""
    found = list[Arm]()
    settings = {"training.epochs": _EPOCHS, "training.eval_every": _EPOCHS // 2}
    for number, share in enumerate(shares, 1):
        before = found[-1] if found else None
        change = corrupted(share) if share else None
        found.append(Arm(series, float(number * _EPOCHS), settings, change=change, start=before))
    return found


STUDY = Study(
    name="noise-epochs",
    question="Does it matter when wrong triples come, and does a model learn not to listen to them?",
    axis="epochs trained",
    arms=(
        *_stages("no wrong triples", (0, 0, 0, 0)),
        *_stages("40 % from the start", (0.4, 0.4, 0.4, 0.4)),
        *_stages("rising to 40 %", (0.1, 0.2, 0.3, 0.4)),
    ),
    backends=("kp4sr", "sequence"),
    measure=weight_of_added,
    limits=(
        "A training goes through four stages; each starts with a new optimizer and its warm-up. The weight of added "
        "triples compares how far scores move without the wrong triples and without as many true ones: 1 is as far."
    ),
)
