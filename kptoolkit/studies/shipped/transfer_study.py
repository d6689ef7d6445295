"""Transfer: what a model knows of items that it was not trained on, by their triples alone."""

from __future__ import annotations

from typing import Any

from kptoolkit.studies.changes.items import half_of_items
from kptoolkit.studies.engine.study_definition import START, Arm, Study
from kptoolkit.studies.measures.structure import structure

_THESE, _OTHERS = half_of_items(0), half_of_items(1)
_AS_IT_STARTS: dict[str, Any] = {"training.epochs": 0}
_READS: dict[str, dict[str, Any]] = {
    "facts": {"model.knowledge": "facts"},
    "sentences": {"model.knowledge": "tree", "model.tokens": "subword", "tree.hops": 1},
}


def _arms(series: str, reads: dict[str, Any]) -> list[Arm]:
    others = Arm(series, "trained on the other half", reads, change=_OTHERS)
    arms = [
        Arm(series, "trained on these items", reads, change=_THESE),
        Arm(series, "not trained", reads | _AS_IT_STARTS, change=_THESE),
        Arm(series, "trained on other items", reads | _AS_IT_STARTS, change=_THESE, start=others),
        Arm(series, "other items, then these", reads, change=_THESE, start=others),
    ]
    if series == "sentences":
        from_run = reads | {"training.start_from": START}
        arms.append(Arm(series, "another run", from_run | _AS_IT_STARTS, change=_THESE))
        arms.append(Arm(series, "another run, then these", from_run, change=_THESE))
    return arms


STUDY = Study(
    name="transfer",
    question="Does a model that knows items by their triples alone rank items that it was never trained on?",
    axis="what the model was trained on",
    arms=tuple(arm for series, reads in _READS.items() for arm in _arms(series, reads)),
    backends=("sequence",),
    settings={
        "model.identity": False,
        **{f"parts.{part}": False for part in ("titles", "transitions", "co_occurrence", "popularity")},
    },
    measure=structure,
    limits=(
        "One random half of the items is ranked, the other half only trained on; both are of one domain. Another "
        "domain takes part where training.start_from names a run of this study on it, with sentences. Facts pass on "
        "what both graphs name by one id, sentences also the words. kp4sr is not among the backends: its items have "
        "tokens of their own, which no other training knows."
    ),
)
