"""What an evaluation says: a run beside baselines and controls, a row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Faithfulness:
    """How much further a score falls without the triplets named for it than without random ones.

    Attributes:
        cases: Cases asked.
        left_out: Cases of the sample with too few triplets to choose among.
        triplets: Triplets taken out of each.
        named: Mean fall of the best item's score without the named triplets together.
        random: Mean fall without as many random ones of the same hops.
        difference: ``named - random``.
        interval: 95 % bootstrap interval of the difference over cases.
        p_value: Of the paired sign-flip test of the difference.
        gone_named: Mean number of triplets that went with the named ones, those below them included.
        gone_random: The same of the random ones.
    """

    cases: int
    left_out: int
    triplets: int
    named: float
    random: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    gone_named: float
    gone_random: float

    @property
    def note(self) -> str:
        """One line for people."""
        low, high = self.interval
        return (
            f"faithfulness: without the {self.triplets} triplets named for it the best item's score falls by "
            f"{self.named:.4f}, without {self.triplets} random ones by {self.random:.4f}; difference "
            f"{self.difference:.4f} (95 % {low:.4f} to {high:.4f}, p {self.p_value:.4f}) over {self.cases:,} cases"
        )


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
