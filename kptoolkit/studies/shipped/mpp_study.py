"""Number and diversity of masked personalised prompts."""

from __future__ import annotations

from kptoolkit.studies.changes.packs import mpps, similar_mpps
from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="mpp",
    question="Do more, or more diverse, masked personalised prompts make a better model, or one that learns faster?",
    axis="MPP templates in training",
    arms=(
        Arm("different", 1.0, change=mpps(1)),
        Arm("different", 2.0, change=mpps(2), quick=False),
        Arm("different", 4.0, change=mpps(4)),
        Arm("different", 7.0, change=mpps(7), quick=False),
        Arm("different", 10.0, change=mpps(10)),
        Arm("similar", 2.0, change=similar_mpps(2), quick=False),
        Arm("similar", 4.0, change=similar_mpps(4)),
        Arm("similar", 10.0, change=similar_mpps(10)),
    ),
    settings={"model.tokens": "subword"},
    limits="One template ranks, whatever training had. Similar templates differ in their first word.",
)
