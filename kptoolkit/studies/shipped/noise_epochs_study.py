"""Wrong triples over the training: from its start, or more and more of them, and how much the model listens to them."""

from __future__ import annotations

from kptoolkit.studies.changes.triples import corrupted
from kptoolkit.studies.engine.study_definition import Study, stages
from kptoolkit.studies.measures.added_triples import weight_of_added

_EPOCHS = 8
"""Epochs of a stage."""


STUDY = Study(
    name="noise-epochs",
    question="Does it matter when wrong triples come, and does a model learn not to listen to them?",
    axis="epochs trained",
    arms=(
        *stages("no wrong triples", _EPOCHS, [None] * 4),
        *stages("40 % from the start", _EPOCHS, [corrupted(0.4)] * 4),
        *stages("rising to 40 %", _EPOCHS, [corrupted(share) for share in (0.1, 0.2, 0.3, 0.4)]),
    ),
    backends=("kp4sr", "sequence"),
    measure=weight_of_added,
    limits=(
        "A training goes through four stages; each starts with a new optimizer and its warm-up. The weight of added "
        "triples compares how far scores move without the wrong triples and without as many true ones: 1 is as far. "
        "“Added triples” is the share of wrong ones in the graph, “added triples read” that of those read."
    ),
)
