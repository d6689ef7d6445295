"""Features of candidates: those of a training case are as if its user were not in the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.examples import examples
from worlds.pair_worlds import N, counted_kinds, histories_of, random_weights, stated_kind

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.models.parts import pair_features as pair_features_module
from kptoolkit.models.parts.pair_features import AGES, OLDEST, TrainingEvents, age_groups, pair_features
from kptoolkit.models.parts.pair_kinds import SHRINK, PairKind
from kptoolkit.models.parts.part_examples import examples_of
from kptoolkit.models.parts.score_parts import PairPart


def every_item(cases: Cases, n_items: int = N) -> np.ndarray:
    return np.tile(np.arange(n_items), (len(cases), 1))


def features_of(kinds: list[PairKind], cases: Cases, train: Histories, *, without_own: bool) -> np.ndarray:
    """Features of all items: ``(N, n, K, A)``."""
    events = TrainingEvents.of(train, N)
    found = pair_features(kinds, cases, every_item(cases), events, without_own=without_own)
    return np.asarray(found.toarray()).reshape(len(cases), N, len(kinds), len(AGES))


def beginnings(train: Histories, places: list[float]) -> Cases:
    """The beginning of every history of at least two events, cut at a share of its length."""
    users = np.flatnonzero(train.lengths >= 2)
    lengths = train.lengths[users]
    ends = np.clip((lengths * np.resize(places, len(users))).astype(np.int64), 1, lengths - 1)
    return Cases.of(train.before(ends, users), train.items[train.indptr[users] + ends], users.astype(np.int32))


def without(train: Histories, user: int) -> Histories:
    return Histories.of([history for number, history in enumerate(train) if number != user])


CUTS = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=6, max_size=6)


@settings(max_examples=examples(60))
@given(histories_of(), CUTS)
def test_features_without_the_own_user_are_those_of_kinds_counted_without_the_user(
    lists: list[list[int]], cuts: list[float]
) -> None:
    """For every candidate outside the history, every kind and every age, also where items repeat."""
    train = Histories.of(lists)
    cases, kinds = beginnings(train, cuts), counted_kinds(train)
    if not len(cases):
        return
    found = features_of(kinds, cases, train, without_own=True)
    for number, user in enumerate(cases.user.tolist()):
        rest = without(train, user)
        again = [replace(kind, scale=known.scale) for kind, known in zip(counted_kinds(rest), kinds, strict=True)]
        expected = features_of(again, cases.take(slice(number, number + 1)), rest, without_own=False)[0]
        outside = ~np.isin(np.arange(N), cases.histories[number])
        np.testing.assert_allclose(found[number][outside], expected[outside], atol=2e-5)


@settings(max_examples=examples(50))
@given(histories_of(), CUTS)
def test_popularity_of_a_training_case_is_without_the_own_events(lists: list[list[int]], cuts: list[float]) -> None:
    train = Histories.of(lists)
    cases = beginnings(train, cuts)
    if not len(cases):
        return
    items, events = every_item(cases), TrainingEvents.of(train, N)
    own, all_users = (
        examples_of(cases, items, np.zeros(items.shape), {}, events, [], without_own=left_out).scores[..., -1]
        for left_out in (True, False)
    )
    for number, user in enumerate(cases.user.tolist()):
        counts = np.bincount(without(train, user).items, minlength=N)
        np.testing.assert_allclose(own[number], np.log1p(counts), rtol=1e-6)
        np.testing.assert_allclose(all_users[number], np.log1p(np.bincount(train.items, minlength=N)), rtol=1e-6)


def test_a_pair_in_one_history_alone_is_worth_nothing_to_its_user() -> None:
    """User 0 alone reads 8 right after 7; the others read around both."""
    train = Histories.of([[0, 7, 8], [0, 1, 7], [8, 1, 0], [2, 3, 4]])
    kinds = counted_kinds(train)
    own = Cases.of(Histories.of([[0, 7]]), np.array([8], np.int32), np.array([0], np.int32))
    other = replace(own, user=np.array([3], np.int32))
    names = [kind.name for kind in kinds]
    for case, without_own in ((own, True), (other, False)):
        of_seven = features_of(kinds, case, train, without_own=without_own)[0, 8, :, 0]
        for name in ("1 after", "same user", "same user, damped"):
            assert (of_seven[names.index(name)] > 0) is not without_own, name
        assert of_seven[names.index("2 to 3 after")] == 0
    # what others did stays: user 2 read both 0 and 8
    assert features_of(kinds, own, train, without_own=True)[0, 8, names.index("same user"), 1] > 0


@settings(max_examples=examples(50))
@given(histories_of(), CUTS, histories_of(longest=90), st.integers(0, 2**16))
def test_a_fitted_part_scores_what_its_features_and_weights_give(
    lists: list[list[int]], cuts: list[float], asked: list[list[int]], seed: int
) -> None:
    """For every item, those of the history included."""
    train, draw = Histories.of(lists), np.random.default_rng(seed)
    cases, events = Cases.of(Histories.of(asked)), TrainingEvents.of(train, N)
    stated = stated_kind("stated", draw.integers(0, 3, (N, N)), scale=0.7)
    kinds = [*counted_kinds(train), stated]
    weights = random_weights([len(kinds)], 0, seed)
    part = PairPart.of(weights.scales[0], kinds, np.exp(weights.kinds[0]), np.exp(weights.ages[0]), events.events)
    features = pair_features(kinds, cases, every_item(cases), events, without_own=False)
    expected = weights.scales[0] * np.log1p(features @ weights.pair_weights(0)).reshape(len(cases), N)
    np.testing.assert_allclose(part.score(cases), expected, rtol=2e-4, atol=2e-5)


@given(histories_of(longest=30), st.integers(0, 2**16))
def test_features_are_sums_over_the_history(asked: list[list[int]], seed: int) -> None:
    """By the definition, event by event."""
    draw = np.random.default_rng(seed)
    values, rows, columns = draw.integers(0, 3, (N, N)), 0.7, 0.5
    events = draw.integers(0, 9, N).astype(np.float32)
    kind = replace(stated_kind("kind", values, scale=1.3), rows=rows, columns=columns)
    scaled = 1.3 * values * ((events + SHRINK)[:, None] ** -rows) * ((events + SHRINK) ** -columns)
    expected = np.zeros((len(asked), N, len(AGES)))
    for case, history in enumerate(asked):
        for age, item in enumerate(reversed(history)):
            group = max(number for number, first in enumerate(AGES) if first <= age)
            expected[case, :, group] += scaled[item]
    cases = Cases.of(Histories.of(asked))
    found = pair_features([kind], cases, every_item(cases), TrainingEvents(cases.histories, events), without_own=False)
    np.testing.assert_allclose(found.toarray().reshape(expected.shape), expected, rtol=1e-4, atol=1e-6)


def test_candidates_have_the_features_of_their_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of the candidates, and however many cases are computed together."""
    draw = np.random.default_rng(5)
    train = Histories.of([draw.integers(0, N, draw.integers(2, 20)) for _ in range(80)])
    cases, kinds, events = beginnings(train, [0.3, 0.9, 0.6]), counted_kinds(train), TrainingEvents.of(train, N)
    assert len(cases) > 64
    candidates = np.stack([draw.permutation(N)[:4] for _ in range(len(cases))])
    for without_own in (False, True):
        whole = features_of(kinds, cases, train, without_own=without_own).reshape(len(cases), N, -1)
        chosen = np.take_along_axis(whole, candidates[..., None], axis=1).reshape(len(cases) * 4, -1)
        for together in (8_000_000, 3 * N * len(AGES)):
            monkeypatch.setattr(pair_features_module, "_DENSE", together)
            found = pair_features(kinds, cases, candidates, events, without_own=without_own)
            np.testing.assert_allclose(found.toarray(), chosen, rtol=1e-5, atol=1e-6)


def test_the_oldest_events_of_a_history_do_not_count() -> None:
    history = [1] * 5 + [0] * OLDEST
    cases = Cases.of(Histories.of([history, history[5:]]))
    kind, events = stated_kind("kind", np.ones((N, N))), TrainingEvents.of(Histories.of([[0]]), N)
    features = pair_features([kind], cases, every_item(cases), events, without_own=False).toarray()
    np.testing.assert_array_equal(features[:N], features[N:])
    assert features[2].sum() == OLDEST
    part = PairPart.of(1.0, [kind], np.ones(1), np.ones(len(AGES)), events.events)
    np.testing.assert_allclose(part.score(cases), np.log1p(OLDEST), rtol=1e-5)


def test_age_groups_begin_at_their_first_age() -> None:
    ages = np.array([0, 1, 2, 3, 4, 7, 8, 63, 64, 199])
    assert age_groups(ages).tolist() == [0, 1, 2, 2, 3, 3, 4, 6, 7, 7]
