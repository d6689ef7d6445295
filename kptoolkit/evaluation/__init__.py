"""Ranking of the full catalogue, baselines, controls and significance tests."""

from __future__ import annotations

from kptoolkit.evaluation.baselines import ItemKNN, KNNSettings, Popularity
from kptoolkit.evaluation.ranking import Ranking, evaluate, rank_of
from kptoolkit.evaluation.significance import (
    Comparison,
    Interval,
    PairedTest,
    bootstrap_interval,
    compare,
    paired_test,
)

__all__ = [
    "Comparison",
    "Interval",
    "ItemKNN",
    "KNNSettings",
    "PairedTest",
    "Popularity",
    "Ranking",
    "bootstrap_interval",
    "compare",
    "evaluate",
    "paired_test",
    "rank_of",
]
