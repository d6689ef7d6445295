"""A run of the backend `linear` from fit to refresh, with all score parts on top."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kptoolkit import pipeline
from kptoolkit.config import Config, ModelConfig
from kptoolkit.explain.explanations import explain
from kptoolkit.models.linear.linear_state import GRAPH
from kptoolkit.runs.run import Run


@pytest.mark.embedded
@pytest.mark.slow
def test_a_linear_run(configure: Callable[..., Config], tmp_path: Path) -> None:
    config = configure().model_copy(update={"model": ModelConfig(backend="linear")})
    fitted = pipeline.fit(config, run=tmp_path / "run")
    run = Run.load(fitted.folder)
    test = run.split.test
    np.testing.assert_array_equal(run.recommender.score(test), fitted.recommender.score(test))
    result = pipeline.evaluate(run, controls=("no-knowledge", "shuffled-knowledge"))
    metrics = {row.name: row.metrics["NDCG@10"] for row in result.rows}
    assert {"linear", "linear alone", "no-knowledge", "shuffled-knowledge", "reliance"} <= metrics.keys()
    assert metrics["linear alone"] > 0.9, "the next book of the ring follows from the latest"
    assert metrics["linear alone"] > metrics["popularity"]
    control = pipeline.control(run, "no-knowledge").backend
    assert GRAPH not in control.fitted.terms.pairs  # type: ignore[attr-defined]
    (reason,) = explain(run, items=["i04", "i05"], k=1)
    assert sum(part.value for part in reason.parts) == pytest.approx(reason.score, abs=1e-4)
    assert reason.triplets, "a triplet of the history or the candidate counts"
    scores = run.recommender.score(test)
    np.testing.assert_allclose(pipeline.refresh(run).recommender.score(test), scores, rtol=1e-3, atol=1e-3)
