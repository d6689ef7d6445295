"""Batches of similar length: every sample once, no length favoured, lengths known before prompts are assembled."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data.buckets import bucketed


@given(st.lists(st.integers(1, 500), max_size=300), st.integers(1, 40), st.integers(0, 9))
def test_every_sample_once_and_the_same_by_seed(lengths: list[int], together: int, seed: int) -> None:
    order = bucketed(np.array(lengths, np.int64), together, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(lengths)))
    again = bucketed(np.array(lengths, np.int64), together, np.random.default_rng(seed))
    assert order.tolist() == again.tolist()


def test_batches_are_of_similar_length_and_in_random_order() -> None:
    generator = np.random.default_rng(0)
    lengths = generator.integers(20, 500, 1000)
    batches = lengths[bucketed(lengths, 32, generator)][: 1000 - 1000 % 32].reshape(-1, 32)
    padded = batches.max(axis=1).sum() * 32
    assert batches.sum() / padded > 0.95, "little of a batch is padding"
    shuffled = generator.permutation(lengths)[:992].reshape(-1, 32)
    assert shuffled.sum() / (shuffled.max(axis=1).sum() * 32) < 0.6, "far more of a shuffled one is"
    assert abs(np.corrcoef(np.arange(len(batches)), batches.mean(axis=1))[0, 1]) < 0.5, "short ones do not come first"


def test_what_fills_no_batch_is_of_any_length() -> None:
    lengths = np.arange(70)
    last = [bucketed(lengths, 32, np.random.default_rng(seed))[64:] for seed in range(300)]
    assert abs(np.concatenate(last).mean() - lengths.mean()) < 2
