"""kptoolkit's settings that several benchmarks share."""

from __future__ import annotations

from typing import Any, get_args

from kptoolkit.models import backend_class

_SEQUENCE: dict[str, dict[str, Any]] = {
    "movies": {"data.min_events": 5, "data.history": 50, "training.batch_size": 32, "training.learning_rate": 2e-3},
    "books": {"data.min_events": 5, "data.history": 50, "training.batch_size": 64, "training.learning_rate": 2e-3},
}


def has_objective(name: str) -> bool:
    """Whether the shipped backend knows an objective."""
    return name in get_args(backend_class("t5").Options.model_fields["objective"].annotation)


def sequence_settings(data: str, seed: int, **model: Any) -> dict[str, Any]:
    """Settings of `sequence` on a data set; ``model`` overrides options of ``[model]``."""
    return {
        "model.objective": "sequence",
        "training.seed": seed,
        **_SEQUENCE[data],
        **{f"model.{key}": value for key, value in model.items()},
    }
