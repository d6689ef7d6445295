"""The baselines of an evaluation: popularity and item-kNN always, the others when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from kptoolkit.errors import InputError, UnknownNameError
from kptoolkit.evaluation.baselines.blend import Blend
from kptoolkit.evaluation.baselines.content import Content
from kptoolkit.evaluation.baselines.ease import EASE
from kptoolkit.evaluation.baselines.item_knn import ItemKNN
from kptoolkit.evaluation.baselines.popularity import Popularity
from kptoolkit.evaluation.baselines.sasrec.sasrec_baseline import SASRec, SASRecWithFacts
from kptoolkit.evaluation.baselines.sequential_rules import SequentialRules
from kptoolkit.evaluation.baselines.tuning import METRIC, Baseline, Tuned, TuningTask
from kptoolkit.names import nearest, quantity

_SINGLE: Final[Mapping[str, Callable[[TuningTask], Baseline]]] = {
    SequentialRules.name: SequentialRules.tuned,
    EASE.name: EASE.tuned,
    Content.name: Content.tuned,
    SASRec.name: SASRec.tuned,
    SASRecWithFacts.name: SASRecWithFacts.tuned,
}
#: Names of the baselines that an evaluation adds when they are asked for, in the order of the table.
BASELINES: Final = (*_SINGLE, Blend.name)


def check_names(names: Sequence[str]) -> None:
    """Check names of additional baselines.

    Raises:
        UnknownNameError: A name is not in :data:`BASELINES`.
    """
    for name in names:
        if name not in BASELINES:
            raise UnknownNameError("baseline", name, nearest(name, BASELINES), f"Known: {', '.join(BASELINES)}")


def tuned_baselines(task: TuningTask, names: Sequence[str] = ()) -> tuple[list[Baseline], list[str]]:
    """Tune popularity, item-kNN and further baselines on the validation cases.

    A baseline that cannot be computed is left out, such as EASE on a catalogue that is too large, or SASRec without an
    environment with RecTools.

    Args:
        task: What to learn from.
        names: Names from :data:`BASELINES`. The blend is the best of two of the others that are tuned here.

    Returns:
        The baselines; and notes for the result, for each baseline that was asked for its settings and how many were
        tried, or why it is missing. There are no notes without ``names``.

    Raises:
        UnknownNameError: A name is not in :data:`BASELINES`.
    """
    check_names(names)
    neighbours = ItemKNN.tuned(task)
    baselines: list[Baseline] = [Popularity().fit(task.train, task.n_items), neighbours]
    notes = [_note(neighbours.name, neighbours.tuning, task)] if names else []
    for name, tune in _SINGLE.items():
        if name not in names:
            continue
        try:
            baseline = tune(task)
        except InputError as error:
            if str(error) not in notes:
                notes.append(str(error))
            continue
        baselines.append(baseline)
        notes.append(_note(name, baseline.tuning, task))
    if Blend.name in names:
        blend = Blend.tuned(task, baselines)
        baselines.append(blend)
        notes.append(_note(blend.name, blend.tuning, task))
    return baselines, notes


def _note(name: str, tuning: Tuned[Any] | None, task: TuningTask) -> str:
    assert tuning is not None
    settings = ", ".join(f"{field} {value}" for field, value in asdict(tuning.settings).items())
    budget = f"; budget: {tuning.budget}" if tuning.budget else ""
    return (
        f"{name}: {settings}; best {METRIC} ({tuning.value:.4f}) of {quantity(tuning.tried, 'settings')} on "
        f"{quantity(len(task.cases), 'validation cases')}{budget}"
    )
