"""A whole run with a text encoder: its adapter, and its vectors in the items' vectors; saved, refreshed, explained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from worlds.command import kptool

from benchmarks.text_encoders import small_encoder
from kptoolkit import pipeline
from kptoolkit.config import Config, GraphConfig
from kptoolkit.errors import ConfigError
from kptoolkit.evaluation.controls import without_knowledge
from kptoolkit.explain.explanations import contributions, explain
from kptoolkit.explain.triplet_drops import RunScore, drops
from kptoolkit.graph import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_encoder(tmp_path_factory.mktemp("encoder"), [f"a book {n} written by author {n}" for n in range(99)])


@pytest.fixture(scope="module")
def fitted(
    configure: Callable[..., Config], world: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    folder = tmp_path_factory.mktemp("text")
    shutil.copytree(world.parent / "kg", folder / "kg")
    config = configure(
        graph__uri=f"embedded:{folder / 'kg'}",
        graph__cache=folder / "cache",
        model__backend="sequence",
        model__text_vectors=True,
        parts__text_encoder=str(encoder),
        parts__text_adapter=True,
        training__epochs=6,
        training__eval_every=3,
    )
    return pipeline.fit(config, run=folder / "run")


def state_of(run: Run) -> SequenceBackend:
    backend = run.backend
    assert isinstance(backend, SequenceBackend)
    return backend


def test_text_is_in_the_vectors_and_what_is_saved_scores_the_same(fitted: Run) -> None:
    model = state_of(fitted).fitted.model
    assert model.text is not None
    assert model.text.shape == (ITEMS, 32)
    assert (model.text.norm(dim=1) > 0.99).all()
    weights = model.projection.weight.detach()
    assert weights.std() > 0
    with torch.no_grad():
        assert not torch.allclose(model.own_vectors(), model.tokens * model.trained[:, None])
    case = fitted.case_of("u11")
    again = Run.load(fitted.folder).backend.score(case)
    np.testing.assert_allclose(again, fitted.backend.score(case), atol=1e-5)


def test_without_knowledge_the_vectors_of_text_are_gone_too(fitted: Run) -> None:
    backend = state_of(Run.load(fitted.folder))
    backend.use_trees(without_knowledge)
    model = backend.fitted.model
    assert model.text is not None
    assert not model.text.any()


def test_the_adapter_is_saved_and_used_again_on_refresh(fitted: Run, tmp_path: Path) -> None:
    """Nothing in the graph has changed, so that refreshing changes no score; then a new item gets a vector of text."""
    folder = Path(shutil.copytree(fitted.folder, tmp_path / "run"))
    adapter = fitted.files.recommender(fitted.config).parts.adapter
    assert adapter is not None
    assert adapter.up.any()
    case = fitted.case_of("u11")
    refreshed = pipeline.refresh(Run.load(folder))
    again = refreshed.files.recommender(refreshed.config)
    assert again.parts.adapter is not None
    np.testing.assert_array_equal(again.parts.adapter.up, adapter.up)
    before = fitted.files.recommender(fitted.config).score(case)
    np.testing.assert_allclose(again.score(case), before, atol=1e-4)
    facts = [("e-new", "book.written_work.author", "a1")]
    with Graph.open(fitted.config.graph.uri, config=GraphConfig()) as graph:
        graph.load(MemorySource(facts, {"e-new": "The New Book"}, [("new", "e-new")], [("new", "New Book")]))
    done = kptool("compile", folder, "--refresh", "--json")
    assert json.loads(done.stdout)["new_items"] == 1, done.stderr
    text = state_of(Run.load(folder)).fitted.model.text
    assert text is not None
    assert len(text) == ITEMS + 1
    assert text[-1].norm() > 0.99


def test_the_parts_of_an_explanation_add_up(fitted: Run) -> None:
    case = fitted.case_of("u11")
    rows = np.arange(ITEMS)
    recommender = fitted.files.recommender(fitted.config)
    total = recommender.score(case)[0]
    divided = contributions(recommender, case, rows, fitted.catalogue, fitted.training_histories)
    for row, parts in zip(rows, divided, strict=True):
        assert sum(part.value for part in parts) == pytest.approx(total[row], abs=1e-4)
    first = explain(fitted, "u11", k=1)[0]
    scorer, chosen = RunScore.of(fitted), np.array([fitted.catalogue.resolve(first.item_id)])
    found, fall = drops(scorer, case, chosen)
    nothing = np.zeros((1, len(found)), dtype=bool)
    assert scorer.score_without(case, chosen, found, nothing)[0, 0] == pytest.approx(first.score, abs=1e-4)
    assert fall.any(), "triplets count next to the vectors of text"


def test_vectors_of_text_need_an_encoder(configure: Callable[..., Config], tmp_path: Path) -> None:
    config = configure(model__backend="sequence", model__text_vectors=True)
    with pytest.raises(ConfigError, match=r"model\.text_vectors.*parts\.text_encoder"):
        pipeline.fit(config, run=tmp_path / "run")
