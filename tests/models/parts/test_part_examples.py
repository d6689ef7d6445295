"""Cases and candidates that the weights are fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from worlds.examples import examples
from worlds.pair_worlds import N, cases_of, counted_kinds, histories_of

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.splits import leave_one_out
from kptoolkit.models.parts import part_examples
from kptoolkit.models.parts.pair_features import TrainingEvents
from kptoolkit.models.parts.part_examples import (
    OTHERS,
    TOP,
    Score,
    candidates_of,
    examples_of,
    training_cases,
    with_new_targets,
)
from kptoolkit.testing.small_worlds import chain_interactions


def fixed_score(n_items: int, seed: int) -> Score:
    """A score of every item that does not depend on the history, some of them equal."""
    values = np.random.default_rng(seed).integers(0, 30, n_items).astype(np.float32)
    return lambda cases: np.tile(values, (len(cases), 1))


# -- candidates ---------------------------------------------------------------------------------------------------


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[int, Cases]:
    """Catalogues smaller and larger than the number of candidates, histories from nothing to nearly everything."""
    n_items = draw(st.sampled_from([2, 5, 30, 151, 170, 260]))
    histories, targets = [], []
    for _ in range(draw(st.integers(1, 4))):
        left = draw(st.integers(1, n_items))  # items outside the history
        order = np.random.default_rng(draw(st.integers(0, 2**16))).permutation(n_items)
        repeated = order[left:].repeat(2) if draw(st.booleans()) else order[left:]
        histories.append(repeated)
        targets.append(int(order[draw(st.integers(0, left - 1))]))
    return n_items, cases_of([history.tolist() for history in histories], targets)


@settings(max_examples=examples(60))
@given(catalogues(), st.integers(0, 2), st.integers(0, 2**16))
def test_candidates_represent_the_items_outside_the_history(world: tuple[int, Cases], count: int, seed: int) -> None:
    """Target first, none twice, all best items by each score, and offsets that add up to the items outside."""
    n_items, cases = world
    scores = [fixed_score(n_items, seed + number) for number in range(count)]
    candidates, offset = candidates_of(cases, scores, n_items, seed)
    assert candidates.shape == offset.shape == (len(cases), min(n_items, 1 + TOP * count + OTHERS))
    np.testing.assert_array_equal(candidates[:, 0], cases.targets)
    for row, history in enumerate(cases.histories):
        assert len(np.unique(candidates[row])) == candidates.shape[1]
        assert candidates[row].min() >= 0
        assert candidates[row].max() < n_items
        read = np.isin(candidates[row], history)
        np.testing.assert_array_equal(np.isneginf(offset[row]), read)
        outside = np.setdiff1d(np.arange(n_items), history)
        assert np.exp(offset[row]).sum() == pytest.approx(len(outside))
        assert offset[row, 0] == 0
        for score in scores:
            values = score(cases)[row]
            missing = np.setdiff1d(outside, candidates[row][~read])
            best = np.sort(values[outside])[::-1][:TOP]
            assert not len(missing) or values[missing].max() <= best[-1]


@settings(max_examples=examples(40))
@given(catalogues(), st.integers(0, 2**16))
def test_the_softmax_over_all_items_is_exact_where_all_are_candidates(world: tuple[int, Cases], seed: int) -> None:
    n_items, cases = world
    candidates, offset = candidates_of(cases, [fixed_score(n_items, seed)], n_items, seed)
    scores = np.random.default_rng(seed).normal(0, 2, (len(cases), n_items))
    summed = logsumexp(np.take_along_axis(scores, candidates, axis=1) + offset, axis=1)
    for row, history in enumerate(cases.histories):
        outside = np.setdiff1d(np.arange(n_items), history)
        if len(outside) <= 1 + TOP + OTHERS:
            assert summed[row] == pytest.approx(logsumexp(scores[row, outside]))


def test_sampled_items_stand_in_for_all_others_without_bias() -> None:
    """Over many samples, the sum over candidates is on average the sum over all items."""
    n_items = 400
    cases = cases_of([[1, 2, 3]] * 600, [0] * 600)
    weights = np.random.default_rng(0).uniform(0, 1, n_items)
    candidates, offset = candidates_of(cases, [fixed_score(n_items, 1)], n_items, 2)
    summed = (weights[candidates] * np.exp(offset)).sum(axis=1)
    assert summed.std() > 1
    exact = weights.sum() - weights[1:4].sum()
    assert summed.mean() == pytest.approx(exact, abs=4 * summed.std() / np.sqrt(len(summed)))


def test_candidates_depend_on_the_seed_alone() -> None:
    cases, score = cases_of([[1, 2, 3]] * 3, [0, 4, 5]), fixed_score(400, 1)
    first, again, other = (candidates_of(cases, [score], 400, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# -- training cases -----------------------------------------------------------------------------------------------


@given(histories_of(), st.integers(1, 30), st.integers(0, 2**16))
def test_training_cases_are_beginnings_of_training_histories(lists: list[list[int]], count: int, seed: int) -> None:
    """Followed by their target, which is new to the user; of each user the latest."""
    train = Histories.of(lists)
    cases = training_cases(train, count, seed)
    assert len(cases) <= count
    found = []
    for row, history in enumerate(cases.histories):
        whole = lists[cases.user[row]]
        assert history.tolist() == whole[: len(history)]
        assert len(history) >= 1
        assert cases.targets[row] == whole[len(history)]
        assert cases.targets[row] not in history
        found.append((int(cases.user[row]), len(history)))
    assert len(set(found)) == len(found)
    again = training_cases(train, count, seed)
    np.testing.assert_array_equal(again.items, cases.items)
    np.testing.assert_array_equal(again.targets, cases.targets)
    per_user = -(-count // max(1, sum(len(history) >= 2 for history in lists)))
    possible = {
        (user, end)
        for user, history in enumerate(lists)
        for end in range(max(1, len(history) - per_user), len(history))
        if history[end] not in history[:end]
    }
    assert set(found) <= possible
    if sum(min(per_user, max(0, len(history) - 1)) for history in lists) <= count:
        assert set(found) == possible


def test_a_sample_of_training_cases_depends_on_the_seed() -> None:
    train = Histories.of([range(8)] * 40)
    users = [training_cases(train, 30, seed).user.tolist() for seed in range(3)]
    assert [len(each) for each in users] == [30] * 3
    assert users[0] != users[1] != users[2]
    assert all(each == sorted(set(each)) for each in users)


def test_training_cases_hold_no_item_of_validation_or_test() -> None:
    """Users who read every item once: those of validation and test are unknown to the user's training cases."""
    split = leave_one_out(chain_interactions())
    cases = training_cases(split.train, 1000, 0)
    assert len(cases) == split.train.lengths.sum() - len(split.train)
    kept_out = {int(user): {int(target)} for user, target in zip(split.valid.user, split.valid.targets, strict=True)}
    for user, target in zip(split.test.user.tolist(), split.test.targets.tolist(), strict=True):
        kept_out.setdefault(user, set()).add(target)
    assert kept_out
    for row, history in enumerate(cases.histories):
        assert not kept_out[int(cases.user[row])] & {*history.tolist(), int(cases.targets[row])}


@given(st.lists(st.tuples(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 5)), max_size=6))
def test_cases_with_new_targets_are_those_whose_target_is_not_in_the_history(
    asked: list[tuple[list[int], int]],
) -> None:
    cases = with_new_targets(cases_of([history for history, _ in asked], [target for _, target in asked]))
    expected = [(history, target) for history, target in asked if target not in history]
    assert [history.tolist() for history in cases.histories] == [history for history, _ in expected]
    assert cases.targets.tolist() == [target for _, target in expected]


# -- examples -----------------------------------------------------------------------------------------------------


def test_examples_hold_the_scores_of_their_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other scores in their order, popularity last; also if the cases are scored in several batches."""
    monkeypatch.setattr(part_examples, "_BATCH", 2)
    train = Histories.of([[0, 1, 2], [2, 3, 4], [4, 5, 0, 1]])
    cases = training_cases(train, 6, 0)
    assert len(cases) > 2
    candidates, offset = candidates_of(cases, [], N, 0)

    def by_user(cases: Cases) -> np.ndarray:
        return cases.user[:, None] + np.arange(N, dtype=np.float32) / 10

    def twice(cases: Cases) -> np.ndarray:
        return 2 * by_user(cases)

    asked: Sequence[Score] = [by_user, twice]
    events = TrainingEvents.of(train, N)
    parts = {"part": counted_kinds(train)[:2], "other": counted_kinds(train)[2:]}
    found = examples_of(cases, candidates, offset, parts, events, asked, without_own=False)
    expected = cases.user[:, None] + candidates / 10
    np.testing.assert_allclose(found.scores[..., 0], expected, rtol=1e-6)
    np.testing.assert_allclose(found.scores[..., 1], 2 * expected, rtol=1e-6)
    np.testing.assert_allclose(found.scores[..., 2], np.log1p(events.events)[candidates], rtol=1e-6)
    assert found.target.tolist() == [0] * len(cases)
    assert list(found.pairs) == ["part", "other"]
    assert found.pairs["part"].shape == (candidates.size, 2 * 8)
