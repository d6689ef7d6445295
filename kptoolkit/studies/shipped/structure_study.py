"""The structure of a knowledge graph: which of its properties the gain depends on."""

from __future__ import annotations

from kptoolkit.studies.changes.items import linked
from kptoolkit.studies.changes.triples import most_frequent_relations, thinned
from kptoolkit.studies.engine.study_definition import Arm, Study
from kptoolkit.studies.measures.structure import structure

STUDY = Study(
    name="structure",
    question="Which properties of a knowledge graph does its gain depend on: links, relations, triples, depth?",
    axis="the knowledge that is left",
    arms=(
        Arm("", "none", {"tree.degree": 0}),
        Arm("", "all, one hop", {"tree.hops": 1}),
        Arm("", "all, two hops", {"tree.hops": 2}),
        Arm("", "half of the links", change=linked(0.5)),
        Arm("", "a fifth of the links", change=linked(0.2), quick=False),
        Arm("", "one relation", change=most_frequent_relations(1)),
        Arm("", "three relations", change=most_frequent_relations(3), quick=False),
        Arm("", "half of the triples", change=thinned(0.5)),
    ),
    backends=("kp4sr", "sequence"),
    settings={"tree.hops": 1},
    measure=structure,
    limits=(
        "The lead of an arm over “none” is the gain of its knowledge. Each arm takes one thing away from one graph; "
        "graphs of other domains differ in all of them at once."
    ),
)
