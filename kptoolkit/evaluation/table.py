"""The result of an evaluation: one row each for the run, the baselines and the controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Faithfulness:
    """Drop of scores without the triplets named for them, compared with the drop without random triplets.

    Attributes:
        cases: Number of cases explained.
        left_out: Cases of the sample that have too few triplets.
        triplets: Triplets left out per case.
        named: Mean drop of the best item's score without the named triplets.
        random: Mean drop without as many random triplets of the same hops.
        difference: ``named - random``.
        interval: 95 % bootstrap interval of the difference over cases.
        p_value: p-value of the paired sign-flip test of the difference.
        gone_named: Mean number of triplets left out with the named ones, those below them included.
        gone_random: Mean number of triplets left out with the random ones, those below them included.
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
        """The result in one line."""
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
        name: Name of the model, baseline or control.
        metrics: Means over the cases.
        interval: 95 % bootstrap interval of NDCG@10 over users.
        difference: NDCG@10 of the run minus this; ``None`` for the run itself.
        p_value: p-value of the paired sign-flip test of that difference.
    """

    name: str
    metrics: Mapping[str, float]
    interval: tuple[float, float]
    difference: float | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """The full ranking of a run, with baselines and controls.

    Attributes:
        run: Folder of the run.
        split: ``"test"`` or ``"valid"``.
        cases: Cases ranked.
        items: Catalogue size.
        rows: One per model; the run comes first.
        notes: Sentences to show with the figures.
        faithfulness: Whether scores depend on the triplets named for them; ``None`` if that was not measured.
    """

    run: str
    split: str
    cases: int
    items: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    faithfulness: Faithfulness | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        fields = asdict(self)
        return fields if self.faithfulness is not None else {k: v for k, v in fields.items() if k != "faithfulness"}
