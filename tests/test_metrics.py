"""HR, NDCG and MRR against the definition and against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit import metrics

RANKS = st.lists(st.integers(2, 60).map(lambda twice: twice / 2), min_size=1, max_size=30)


def test_figures_by_hand() -> None:
    ranks = np.array([1.0, 2.0, 3.0, 10.0, 11.0])
    found = metrics.summary(ranks, (1, 10))
    assert found == {
        "HR@1": pytest.approx(0.2),
        "HR@10": pytest.approx(0.8),
        "NDCG@1": pytest.approx(0.2),
        "NDCG@10": pytest.approx((1 + 0.6309297535714575 + 0.5 + 0.2890648263178879) / 5),
        "MRR": pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 10 + 1 / 11) / 5),
    }


@given(RANKS, st.integers(1, 25))
def test_metrics_equal_the_definition(ranks: list[float], k: int) -> None:
    """DCG of the one relevant item over the ideal DCG, which has it at rank 1."""
    cases = metrics.per_case(np.array(ranks), (k,))
    for number, rank in enumerate(ranks):
        relevant_in_list = rank <= k
        assert cases[f"HR@{k}"][number] == float(relevant_in_list)
        dcg = 1 / math.log2(rank + 1) if relevant_in_list else 0.0
        assert cases[f"NDCG@{k}"][number] == pytest.approx(dcg / (1 / math.log2(2)))
        assert cases["MRR"][number] == pytest.approx(1 / rank)
    means = metrics.summary(np.array(ranks), (k,))
    assert means["MRR"] == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))


@given(RANKS)
def test_what_must_hold_between_metrics(ranks: list[float]) -> None:
    found = metrics.summary(np.array(ranks))
    assert found.keys() == {*(f"{name}@{k}" for name in ("HR", "NDCG") for k in (1, 5, 10, 20)), "MRR"}
    for name in ("HR", "NDCG"):
        values = [found[f"{name}@{k}"] for k in (1, 5, 10, 20)]
        assert values == sorted(values)
    assert found["HR@1"] == found["NDCG@1"]
    assert all(found[f"NDCG@{k}"] <= found[f"HR@{k}"] for k in metrics.KS)
    assert found["MRR"] >= found["HR@1"]


def test_a_target_that_was_not_found_and_no_cases() -> None:
    found = metrics.summary(np.array([math.inf]), (5,))
    assert found == {"HR@5": 0.0, "NDCG@5": 0.0, "MRR": 0.0}
    assert metrics.summary(np.zeros(0), (5,)) == {"HR@5": 0.0, "NDCG@5": 0.0, "MRR": 0.0}


def test_ties_count_by_their_mean_rank() -> None:
    assert metrics.hit_ratio(np.array([10.0, 10.5]), 10).tolist() == [1.0, 0.0]
    assert metrics.ndcg(np.array([1.5]), 5)[0] == pytest.approx(1 / math.log2(2.5))
