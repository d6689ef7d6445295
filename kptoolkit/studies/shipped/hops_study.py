"""How many hops: how much of what further hops add is noise, and how much of it the tree mask removes."""

from __future__ import annotations

from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="hops",
    question="How many hops of knowledge help, and does the tree mask keep the noise of further hops away?",
    axis="hops",
    arms=tuple(
        Arm(series, float(hops), {"tree.hops": hops, "model.mask": mask})
        for series, mask in (("tree mask", "tree"), ("no mask", "off"))
        for hops in (1, 2, 3)
    ),
    settings={"tree.degree": 4, "tree.max_tokens": 384},
    limits="All arms have one budget of tokens per prompt, so that more hops also mean fewer facts of the first hop.",
)
