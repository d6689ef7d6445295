"""What a study is: a question, a grid of trainings, and what is measured of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kptoolkit.errors import InputError, UnknownNameError
from kptoolkit.knowledge.prepare import Prepared
from kptoolkit.names import nearest
from kptoolkit.runs.run import Run
from kptoolkit.studies.engine.stored_triples import Triples

Change = Callable[[Prepared, int], Prepared]
"""Changes the inputs of a training; gets the seed of the training."""
Measure = Callable[[Run, Triples], Mapping[str, float]]
"""Figures by name, which become columns of the table; gets a finished run and the triples that a change has added."""

ENCODER: Final = "$encoder"
"""In the settings of an arm: the text encoder of the study's own settings (``parts.text_encoder``)."""
RANDOM_ENCODER: Final = "$random-encoder"
"""In the settings of an arm: the same encoder with random weights."""
START: Final = "$start"
"""In the settings of an arm: the run that the study's own settings start from (``training.start_from``)."""
_SMALL: Final[dict[str, Any]] = {"model.d_model": 32, "training.warmup_steps": 20}
_SMALL_KP4SR: Final[dict[str, Any]] = {
    "tree.degree": 2,
    "tree.max_tokens": 160,
    "model.layers": 1,
    "model.dropout": 0.0,
    "training.learning_rate": 0.006,
    "training.epochs": 10,
    "training.eval_every": 2,
}
_SMALL_SEQUENCE: Final[dict[str, Any]] = {
    "tree.degree": 3,
    "tree.max_tokens": 192,
    "training.epochs": 30,
    "training.eval_every": 5,
}
SMALL: Final[Mapping[str, Mapping[str, Any]]] = {
    "kp4sr": _SMALL | _SMALL_KP4SR,
    "sequence": _SMALL | _SMALL_SEQUENCE,
}
"""Settings of ``--quick`` by backend: each training takes seconds. Those of a study and of an arm come after them."""
_PAPER: Final[dict[str, Any]] = {"model.d_model": 512, "model.layers": 6, "model.decoder_layers": 6}
PAPER: Final[Mapping[str, Mapping[str, Any]]] = {
    backend: _PAPER | {"model.heads": 8, "training.learning_rate": 0.0005} for backend in ("kp4sr", "sequence")
}
"""Settings of ``--full``: a T5 of the size of T5-small, for a GPU."""


@dataclass(frozen=True)
class Arm:
    """One cell of a study's grid: what is trained once per backend and seed.

    Attributes:
        series: Name of its line in the plot.
        x: Its place on the axis: a number, or a word where the axis has names.
        settings: ``{"section.key": value}`` in which it differs.
        change: Changes its inputs, such as their triples or their template pack; ``None`` leaves them as they are.
        start: Arm from whose weights it starts; trained first with the same backend and seed, in the grid or not.
        quick: Whether ``--quick`` has it too.
    """

    series: str
    x: float | str
    settings: Mapping[str, Any] = field(default_factory=dict)
    change: Change | None = None
    start: Arm | None = None
    quick: bool = True

    @property
    def label(self) -> str:
        """Its name in tables."""
        place = self.x if isinstance(self.x, str) else f"{self.x:g}"
        return f"{self.series}, {place}" if self.series else place

    @property
    def chain(self) -> tuple[Arm, ...]:
        """This arm and those that it starts from, the nearest first."""
        return (self,) if self.start is None else (self, *self.start.chain)

    def needs(self, mark: str) -> bool:
        """Whether its settings, or those of the arm it starts from, have a mark that stands for a setting."""
        return mark in self.settings.values() or (self.start is not None and self.start.needs(mark))


def stages(series: str, epochs: int, changes: Sequence[Change | None], *, quick: bool = True) -> tuple[Arm, ...]:
    """Make the arms of one training in stages: each starts from the weights of the one before.

    Args:
        series: Name of their line in the plot; their places are the epochs trained so far.
        epochs: Epochs of a stage.
        changes: Change of the inputs in each stage.
        quick: Whether ``--quick`` has them too.
    """
    found, settings = list[Arm](), {"training.epochs": epochs, "training.eval_every": epochs // 2}
    for number, change in enumerate(changes, 1):
        before = found[-1] if found else None
        found.append(Arm(series, float(number * epochs), settings, change=change, start=before, quick=quick))
    return tuple(found)


@dataclass(frozen=True)
class Study:
    """A study: the arms of a grid are trained for the same seeds and compared with the first arm.

    Attributes:
        name: Its name on the command line.
        question: The question that it asks, in one sentence.
        axis: Label of the x axis.
        arms: The grid; the first arm is the reference.
        backends: Backends that are trained, each with all arms.
        settings: ``{"section.key": value}`` of all arms.
        measure: Further figures of a run.
        limits: What the study does not say, in one sentence or a few.
        log: Whether the x axis is logarithmic.

    Raises:
        InputError: There is no arm, or two arms have one label or one name of their folders.
    """

    name: str
    question: str
    axis: str
    arms: tuple[Arm, ...]
    backends: tuple[str, ...] = ("kp4sr",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    measure: Measure | None = None
    limits: str = ""
    log: bool = False

    def __post_init__(self) -> None:
        labels = [arm.label for arm in self.arms]
        if not labels or not self.backends:
            raise InputError(f"study '{self.name}' has no arm or no backend")
        for label in labels:
            if labels.count(label) > 1:
                raise InputError(f"study '{self.name}' has two arms '{label}'")
        self._check_folders()

    def _check_folders(self) -> None:
        """Check that each training has a folder of its own, also of arms that others start from."""
        found: dict[str, tuple[str, Arm]] = {}
        for backend in self.backends:
            for arm in (each for first in self.arms for each in first.chain):
                name = folder_name(backend, arm, 0).rpartition("-")[0]
                earlier = found.setdefault(name, (backend, arm))
                if earlier != (backend, arm):
                    labels = " and ".join(f"'{other.label}' of {own}" for own, other in (earlier, (backend, arm)))
                    raise InputError(
                        f"study '{self.name}': the arms {labels} would both be trained in the folder '{name}'; give "
                        "them names that differ in letters or digits"
                    )

    def of_backends(self, names: Collection[str]) -> Study:
        """Return the study of some of its backends alone; of all if no name is given.

        Args:
            names: Names of backends.

        Raises:
            UnknownNameError: The study has no such backend.
        """
        for name in names:
            if name not in self.backends:
                close = nearest(name, self.backends)
                raise UnknownNameError("backend", name, close, f"Study '{self.name}' has {', '.join(self.backends)}")
        return replace(self, backends=tuple(each for each in self.backends if each in names)) if names else self

    def grid(self, *, quick: bool, missing: Collection[str] = ()) -> list[tuple[str, Arm]]:
        """Backends and arms, in the order in which they are trained.

        Args:
            quick: Only the quick arms.
            missing: Marks such as :data:`ENCODER` that stand for nothing; arms that need one are left out.
        """
        arms = [arm for arm in self.arms if (arm.quick or not quick) and not any(map(arm.needs, missing))]
        return [(backend, arm) for backend in self.backends for arm in arms]


def folder_name(backend: str, arm: Arm, seed: int) -> str:
    """Name of the folder of a training: letters, digits, dots and hyphens."""
    words = re.sub(r"[^\w.]+", "-", f"{backend} {arm.label}").strip("-")
    return f"{words}-{seed}".lower()
