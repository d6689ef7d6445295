"""How strict the mask is: what is lost, and what kept out, where a token does not see another."""

from __future__ import annotations

from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="mask",
    question="Does masking block what is useful between subtrees, or keep noise out?",
    axis="what a token sees (model.mask)",
    arms=(
        Arm("", "tree", {"model.mask": "tree"}),
        Arm("", "linked", {"model.mask": "linked"}),
        Arm("", "off", {"model.mask": "off"}),
        Arm("", "branch", {"model.mask": "branch"}),
        Arm("", "upward", {"model.mask": "upward"}),
        Arm("", "no knowledge", {"tree.degree": 0}),
    ),
    settings={"tree.hops": 2},
    limits=(
        "tree is the paper's mask; linked adds links between the places where one entity is named, also in different "
        "subtrees; branch keeps the items of a history apart; upward lets facts pass to items only."
    ),
)
