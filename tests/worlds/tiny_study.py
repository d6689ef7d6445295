"""A study that is trained in seconds."""

from __future__ import annotations

from kptoolkit.studies import Arm, Study

STUDY = Study(
    "tiny",
    question="Does a second hop help?",
    axis="hops",
    arms=(Arm("", 1.0), Arm("", 2.0, {"tree.hops": 2})),
    backends=("linear",),
    settings={"tree.hops": 1},
)
