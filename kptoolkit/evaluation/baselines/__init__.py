"""Baselines: scorers without a neural model, each tuned on the validation cases."""

from __future__ import annotations

from kptoolkit.evaluation.baselines.blend import Blend, BlendSettings
from kptoolkit.evaluation.baselines.content import Content, ContentSettings
from kptoolkit.evaluation.baselines.ease import EASE, EASESettings
from kptoolkit.evaluation.baselines.item_knn import ItemKNN, KNNSettings
from kptoolkit.evaluation.baselines.popularity import Popularity
from kptoolkit.evaluation.baselines.sequential_rules import RulesSettings, SequentialRules
from kptoolkit.evaluation.baselines.suite import BASELINES, check_names, tuned_baselines
from kptoolkit.evaluation.baselines.tuning import Baseline, TuningTask

__all__ = [
    "BASELINES",
    "EASE",
    "Baseline",
    "Blend",
    "BlendSettings",
    "Content",
    "ContentSettings",
    "EASESettings",
    "ItemKNN",
    "KNNSettings",
    "Popularity",
    "RulesSettings",
    "SequentialRules",
    "TuningTask",
    "check_names",
    "tuned_baselines",
]
