"""A run of the backend `linear` from fit to refresh, with all score parts on top."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kptoolkit import pipeline
from kptoolkit.config import Config, ModelConfig
from kptoolkit.errors import TemplateError
from kptoolkit.explain.explanations import explain
from kptoolkit.models.linear.linear_state import GRAPH
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.ensemble import Ensemble
from kptoolkit.runs.run import Run

WEIGHED = ("transitions", "co_occurrence", "popularity", "graph_similarity", "titles", "prompts")


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


@pytest.mark.embedded
@pytest.mark.slow
def test_filters_of_a_run_are_not_run_unasked(
    configure: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "planted.py").write_text(
        f"from pathlib import Path\nPath({str(ran)!r}).touch()\ndef sh(text):\n    return text\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import planted  # type: ignore[import-not-found]

    config = configure().model_copy(update={"model": ModelConfig(backend="linear")})
    config = config.with_parts(**dict.fromkeys(WEIGHED, False))
    pack = TemplatePack.load("books").with_filter(planted.sh)
    fitted = pipeline.fit(config, run=tmp_path / "run", pack=pack)
    assert fitted.knowledge_source().pack == pack, "a pack that fit gets as a value is trusted"
    monkeypatch.delitem(sys.modules, "planted")
    ran.unlink()
    run = pipeline.load(fitted.folder)
    assert len(run.recommend(items=["i01"], k=3)) == 3
    for used in (run, Run.load(run.folder), run.with_interactions(run.interactions), Ensemble([run])):
        with pytest.raises(TemplateError, match=r"'sh': the filter planted:sh is Python code .* --trust-code"):
            used.knowledge_source()
    prompts = config.prompts.model_copy(update={"pack": str(run.folder / "pack")})
    with pytest.raises(TemplateError, match="trust_code=True"):
        pipeline.fit(config.model_copy(update={"prompts": prompts}), run=tmp_path / "other")
    assert not ran.exists()
    trusted = pipeline.load(run.folder, trust_code=True)
    for used in (trusted, trusted.with_interactions(run.interactions), Ensemble([trusted])):
        assert used.knowledge_source().pack.filters.keys() == {"sh"}
    assert ran.exists()
