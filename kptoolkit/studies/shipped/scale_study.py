"""Growth of the knowledge graph: a part of it, all of it, many times as much."""

from __future__ import annotations

from kptoolkit.studies.changes.triples import grown, thinned
from kptoolkit.studies.engine.study_definition import Arm, Study

STUDY = Study(
    name="scale",
    question="What does a smaller or a larger knowledge graph do to accuracy, time and memory?",
    axis="size of the knowledge graph, 1 = as it is",
    arms=(
        Arm("", 1.0),
        Arm("", 0.1, change=thinned(0.1)),
        Arm("", 0.3, change=thinned(0.3), quick=False),
        Arm("", 0.6, change=thinned(0.6)),
        Arm("", 3.0, change=grown(3)),
        Arm("", 10.0, change=grown(10)),
        Arm("", 100.0, change=grown(100)),
    ),
    backends=("kp4sr", "sequence"),
    log=True,
    limits=(
        "Smaller graphs are random parts of the graph. Larger ones have random facts with invented entities, "
        "which say nothing about anybody's taste: they show the cost of growth, not its use. "
        "An invented entity has no facts of its own: trees of a larger graph have fewer facts of the second hop."
    ),
)
