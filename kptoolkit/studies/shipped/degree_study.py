"""The degree of the tree: how many triples of a node are worth reading."""

from __future__ import annotations

from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="degree",
    question="How many triples of each node help?",
    axis="triples per node (tree.degree)",
    arms=tuple(
        Arm("", float(degree), {"tree.degree": degree}, quick=degree <= 8) for degree in (0, 1, 2, 4, 8, 16, 32)
    ),
    backends=("kp4sr", "sequence"),
    settings={"tree.hops": 1, "tree.max_tokens": 512},
    limits="The first arm has no knowledge. One hop; the study `hops` varies that.",
)
