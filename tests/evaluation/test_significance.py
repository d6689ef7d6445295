from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.errors import InputError
from kptoolkit.evaluation import Ranking, bootstrap_interval, compare, paired_test, significance

VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=8)


@given(VALUES, st.integers(0, 5))
def test_interval_holds_the_mean_and_repeats(values: list[float], seed: int) -> None:
    found = bootstrap_interval(np.array(values), resamples=200, seed=seed)
    assert min(values) <= found.low <= found.high <= max(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found == bootstrap_interval(np.array(values), resamples=200, seed=seed)


def test_interval_is_as_wide_as_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 4000)
    found = bootstrap_interval(values, resamples=4000)
    half = 1.96 * values.std() / np.sqrt(4000)
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((2, 50))
    whole = bootstrap_interval(values[0]), paired_test(*values)
    monkeypatch.setattr(significance, "_NUMBERS_AT_ONCE", 1)
    assert bootstrap_interval(values[0]) == whole[0]
    assert paired_test(*values).p_value == pytest.approx(whole[1].p_value, abs=0.03)


@given(VALUES, st.data())
def test_p_is_near_the_exact_one(first: list[float], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=len(first), max_size=len(first)))
    differences = np.subtract(first, second)
    sums = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=len(first))]
    exact = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9)
    found = paired_test(np.array(first), np.array(second), resamples=2000)
    assert found.p_value == pytest.approx(exact, abs=0.06)
    assert found.difference == pytest.approx(differences.mean())
    assert 0 < found.p_value <= 1


def test_no_difference_is_never_significant_and_a_clear_one_is() -> None:
    same = np.random.default_rng(2).random(300)
    assert paired_test(same, same).p_value == 1.0
    better = paired_test(same + 0.1, same)
    worse = paired_test(same, same + 0.1)
    assert better.p_value == worse.p_value == 1 / 2001
    assert better.difference == -worse.difference == pytest.approx(0.1)


def test_false_alarms_are_as_rare_as_promised() -> None:
    generator = np.random.default_rng(3)
    alarms = [paired_test(*generator.random((2, 40)), resamples=199, seed=seed).p_value <= 0.05 for seed in range(400)]
    assert 0.02 < np.mean(alarms) < 0.09


def test_empty_and_unequal() -> None:
    assert bootstrap_interval(np.zeros(0)).mean == 0.0
    assert paired_test(np.zeros(0), np.zeros(0)).p_value == 1.0
    with pytest.raises(ValueError, match="two equally long lists"):
        paired_test(np.zeros(2), np.zeros(3))


def ranking(ranks: list[float], targets: list[int] | None = None) -> Ranking:
    count = len(ranks)
    chosen = np.array(targets or [0] * count, np.int32)
    return Ranking(np.arange(count, dtype=np.int32), chosen, np.array(ranks), np.ones(count, np.int64))


def test_comparison_table() -> None:
    rows = compare("model", ranking([1, 1, 2]), {"popularity": ranking([20, 20, 20]), "equal": ranking([1, 1, 2])})
    assert [row.name for row in rows] == ["model", "popularity", "equal"]
    assert rows[0].against is None
    assert rows[1].against is not None
    assert rows[1].against.difference == pytest.approx(rows[0].value.mean)
    assert rows[2].against is not None
    assert rows[2].against.p_value == 1.0
    assert rows[1].against is not None
    assert rows[1].against.cases == 3
    with pytest.raises(InputError, match="model and other ranked different cases"):
        compare("model", ranking([1, 2]), {"other": ranking([1, 2], [3, 4])})
