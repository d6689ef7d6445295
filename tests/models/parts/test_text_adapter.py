"""The adapter of text vectors: what it learns from histories, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from kptoolkit.data.histories import Histories
from kptoolkit.models.text.nearest_items import with_length_one
from kptoolkit.models.text.text_adapter import fit_adapter

GROUPS, EACH, WIDTH = 4, 10, 24
SIGNAL = 0.3
"""Length of what the vectors of a group have in common; the rest has length 1."""


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Vectors in which noise hides the group of an item, and the group of each."""
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(GROUPS), EACH)
    noise = with_length_one(random.normal(size=(len(group), WIDTH - GROUPS)).astype(np.float32))
    return with_length_one(np.hstack([SIGNAL * np.eye(GROUPS, dtype=np.float32)[group], noise])), group


def histories(group: np.ndarray) -> Histories:
    """Histories within one group each."""
    random = np.random.default_rng(1)
    return Histories.of([random.permutation(np.flatnonzero(group == row % GROUPS))[:6] for row in range(80)])


def share_of_own_group(vectors: np.ndarray, group: np.ndarray) -> float:
    """How many of the nearest five items are of the item's own group."""
    nearest = np.argsort(-(vectors @ vectors.T - 2 * np.eye(len(vectors))), axis=1)[:, :5]
    return float((group[nearest] == group[:, None]).mean())


def test_items_of_the_same_histories_become_similar() -> None:
    vectors, group = planted()
    adapted = fit_adapter(vectors, histories(group), seed=1).adapted(vectors)
    assert share_of_own_group(vectors, group) < 0.6
    assert share_of_own_group(adapted, group) > 0.9
    np.testing.assert_allclose(np.linalg.norm(adapted, axis=1), 1, rtol=1e-5)


def test_an_item_outside_all_histories_is_adapted_with_the_others() -> None:
    """What is learnt is about vectors, not about items: a group's last item, left out of all histories."""
    vectors, group = planted()
    kept = Histories.of([[item for item in history if item % EACH != EACH - 1] for history in histories(group)])
    adapted = fit_adapter(vectors, kept, seed=1).adapted(vectors)
    new = np.arange(EACH - 1, len(group), EACH)
    nearest = np.argsort(-(adapted[new] @ adapted.T) + 2 * np.eye(len(group))[new], axis=1)[:, 1:5]
    assert (group[nearest] == group[new][:, None]).mean() > 0.7


@pytest.mark.parametrize("rows", [[], [[3]], [[1], [2], [5]]])
def test_histories_without_pairs_change_nothing(rows: list[list[int]]) -> None:
    vectors, _ = planted()
    np.testing.assert_allclose(fit_adapter(vectors, Histories.of(rows), seed=1).adapted(vectors), vectors, atol=1e-6)


def test_the_same_seed_gives_the_same_adapter_and_zeros_stay_zeros() -> None:
    vectors, group = planted()
    vectors[7] = 0
    first, again, other = (fit_adapter(vectors, histories(group), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.up, again.up)
    assert (first.up != other.up).any()
    assert not first.adapted(vectors)[7].any()
    assert np.isfinite(first.up).all()
