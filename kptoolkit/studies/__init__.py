"""Several runs as one study: trained over seeds, and evaluated in one table."""

from __future__ import annotations

from kptoolkit.studies.evaluate_runs import evaluate_runs
from kptoolkit.studies.fit_seeds import fit_seeds

__all__ = ["evaluate_runs", "fit_seeds"]
