"""The weight of added triples: as many of both kinds are left out, and the model of the run stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.text_encoders import small_encoder
from kptoolkit import pipeline
from kptoolkit.config import Config
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.prompts import TemplatePack
from kptoolkit.storage.ragged import indptr_of
from kptoolkit.studies.engine.stored_triples import Triples
from kptoolkit.studies.measures.added_triples import as_many_of_both, weight_of_added


@given(st.lists(st.lists(st.booleans(), max_size=8), max_size=6))
def test_as_many_triplets_of_both_kinds_are_left_out_of_each_item(items: list[list[bool]]) -> None:
    lengths = [len(each) for each in items]
    zeros = np.zeros(sum(lengths), np.int32)
    trees = ItemTrees(indptr_of(lengths), zeros, zeros - 1, (zeros + 1).astype(np.int8), zeros)
    own = np.array([value for each in items for value in each], bool)
    first, second = as_many_of_both(trees, own)
    assert not (first & ~own).any()
    assert not (second & own).any()
    for row, each in enumerate(items):
        chosen = slice(trees.indptr[row], trees.indptr[row + 1])
        assert first[chosen].sum() == second[chosen].sum() == min(sum(each), len(each) - sum(each))


@pytest.mark.embedded
@pytest.mark.slow
def test_the_model_of_the_run_stays_as_it_is(configure: Callable[..., Config], tmp_path: Path) -> None:
    """Also one that reads vectors of text, which are not computed again when its knowledge changes."""
    words = (TemplatePack.load("books").sentence("a", "b", "c"), "Book author place")
    encoder = small_encoder(tmp_path / "bert", words)
    changes = {"training__epochs": 1, "tree__hops": 1, "model__text_vectors": True}
    config = configure(model__backend="sequence", parts__text_encoder=str(encoder), **changes)
    run = pipeline.fit(config, run=tmp_path / "run")
    before = run.backend.score(run.split.test)
    triples = Triples.of(run.files.neighbourhoods())
    found = weight_of_added(run, triples.take(triples.drawn(0.7, 1)))
    assert 0 < found["added triples read"] < 1
    assert found["weight of added triples"] > 0
    np.testing.assert_array_equal(run.backend.score(run.split.test), before)
    assert weight_of_added(run, Triples.none()) == {"added triples read": 0.0}
