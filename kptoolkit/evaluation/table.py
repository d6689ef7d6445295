"""What an evaluation says: a run beside baselines and controls, a row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kptoolkit.evaluation.reasons import Faithfulness


@dataclass(frozen=True)
class Row:
    """One line of an evaluation: a model, a baseline or a control.

    Attributes:
        name: What ranked.
        metrics: Means over the cases.
        interval: 95 % bootstrap interval of NDCG@10 over users.
        difference: NDCG@10 of the run minus this; ``None`` for the run itself.
        p_value: Of the paired sign-flip test of that difference.
    """

    name: str
    metrics: Mapping[str, float]
    interval: tuple[float, float]
    difference: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A run's full ranking beside baselines and controls.

    Attributes:
        run: Folder of the run.
        split: ``"test"`` or ``"valid"``.
        cases: Cases ranked.
        items: Catalogue size.
        rows: The run first.
        notes: What a reader must know of the figures.
        faithfulness: Whether the triplets named for a recommendation carry it, if that was asked.
    """

    run: str
    split: str
    cases: int
    items: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    faithfulness: Faithfulness | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-able values."""
        fields = asdict(self)
        return fields if self.faithfulness is not None else {k: v for k, v in fields.items() if k != "faithfulness"}
