"""Studies: a grid of trainings that answers a question; several seeds as one, in one table."""

from __future__ import annotations

from kptoolkit.studies.engine.run_study import run_study
from kptoolkit.studies.engine.study_definition import Arm, Study
from kptoolkit.studies.engine.study_result import StudyResult
from kptoolkit.studies.evaluate_runs import evaluate_runs
from kptoolkit.studies.fit_seeds import fit_seeds

__all__ = ["Arm", "Study", "StudyResult", "evaluate_runs", "fit_seeds", "run_study"]
