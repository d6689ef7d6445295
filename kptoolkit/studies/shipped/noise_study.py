"""Wrong triples: how much noise a model bears."""

from __future__ import annotations

from kptoolkit.studies.changes.triples import corrupted
from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="noise",
    question="How much do wrong triples harm?",
    axis="share of wrong triples",
    arms=tuple(
        Arm("", share, change=corrupted(share) if share else None, quick=share in (0, 0.2, 1))
        for share in (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
    ),
    backends=("kp4sr", "sequence"),
    limits=(
        "A wrong triple has the tail of another triple of the same relation: it is plausible, and the graph does not "
        "have it. Triples whose relation has no such tail stay true; the figure “added triples” is the share that is "
        "wrong."
    ),
)
