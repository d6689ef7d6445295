"""kptoolkit's settings of `sequence` that several benchmarks share."""

from __future__ import annotations

from typing import Any

_COMMON = {
    "data.min_events": 5,
    "data.history": 50,
    "tree.hops": 1,
    "tree.degree": 32,
    "model.backend": "sequence",
    "model.knowledge": "facts",
    "model.layers": 1,
    "model.decoder_layers": 2,
    "model.heads": 4,
    "training.batch_size": 32,
    "training.learning_rate": 2e-3,
}
_SETS: dict[str, dict[str, Any]] = {"movies": {"model.d_model": 64}}


def sequence_settings(data: str, seed: int, **model: Any) -> dict[str, Any]:
    """Settings of `sequence` on a data set; ``model`` overrides options of ``[model]``."""
    chosen = {f"model.{key}": value for key, value in model.items()}
    return {**_COMMON, **_SETS[data], "training.seed": seed, "tree.seed": seed, **chosen}
