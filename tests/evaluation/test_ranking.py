from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kptoolkit.data import Cases, Histories
from kptoolkit.errors import TrainingError
from kptoolkit.evaluation import evaluate, rank_of
from kptoolkit.progress import ProgressEvent

SCORES = st.sampled_from([-np.inf, -2.0, 0.0, 0.5, 1.0, np.inf])


def histories_without(target: int, n_items: int) -> st.SearchStrategy[list[int]]:
    others = [item for item in range(n_items) if item != target]
    return st.lists(st.sampled_from(others), max_size=8) if others else st.just([])


@st.composite
def tasks(draw: st.DrawFn) -> tuple[np.ndarray, Cases]:
    n_items = draw(st.integers(1, 7))
    size = draw(st.integers(1, 6))
    targets = draw(st.lists(st.integers(0, n_items - 1), min_size=size, max_size=size))
    histories = [draw(histories_without(target, n_items)) for target in targets]
    scores = draw(st.lists(st.lists(SCORES, min_size=n_items, max_size=n_items), min_size=size, max_size=size))
    found = Histories.of(histories)
    return np.array(scores, np.float32), Cases.of(found, np.array(targets, np.int32), np.arange(size, dtype=np.int32))


def slow_rank(scores: list[float], target: int, seen: set[int]) -> float:
    """Sort the candidates in every order of the ties and take the mean place of the target."""
    candidates = [item for item in range(len(scores)) if item not in seen]
    best = 1 + sum(scores[item] > scores[target] for item in candidates)
    worst = sum(scores[item] >= scores[target] for item in candidates)
    return sum(range(best, worst + 1)) / (worst - best + 1)


@given(tasks(), st.integers(1, 7))
def test_ranks_equal_the_definition_in_batches_of_any_size(task: tuple[np.ndarray, Cases], batch_size: int) -> None:
    scores, cases = task
    expected = [
        slow_rank(row.tolist(), int(target), set(history.tolist()))
        for row, target, history in zip(scores, cases.targets, cases.histories, strict=True)
    ]
    assert rank_of(scores, cases.targets, cases.histories).tolist() == expected
    ranking = evaluate(lambda batch: scores[batch.user], cases, scores.shape[1], batch_size=batch_size)
    assert ranking.ranks.tolist() == expected


def test_a_constant_model_gets_the_mean_rank_of_what_is_left() -> None:
    ranks = rank_of(np.zeros((2, 11)), np.array([3, 4]), Histories.of([[0, 1], []]))
    assert ranks.tolist() == [5.0, 6.0]


def test_scores_are_not_changed() -> None:
    scores = np.arange(4.0)[None]
    scores.setflags(write=False)
    assert rank_of(scores, np.array([2]), Histories.of([[3, 3]])).tolist() == [1.0]


def cases_of(count: int) -> Cases:
    return Cases.of(Histories.of([[0]] * count), np.ones(count, np.int32), np.arange(count, dtype=np.int32))


@pytest.mark.parametrize("column", [0, 1, 2])
def test_not_a_number_names_the_case(column: int) -> None:
    scores = np.zeros((5, 3), np.float32)
    scores[3, column] = np.nan
    with pytest.raises(TrainingError, match=r"^case 3: the model's scores are not numbers"):
        evaluate(lambda batch: scores[batch.user], cases_of(5), 3, batch_size=2)


def test_wrong_shapes_and_a_target_in_its_history() -> None:
    with pytest.raises(ValueError, match=r"returned \(5, 2\) for 5 cases and 3 items"):
        evaluate(lambda batch: np.zeros((len(batch), 2), np.float32), cases_of(5), 3)
    with pytest.raises(ValueError, match="do not fit together"):
        rank_of(np.zeros((2, 3)), np.array([1]), Histories.of([[0]]))
    with pytest.raises(ValueError, match="case 1: the target is in its own history"):
        rank_of(np.zeros((2, 3)), np.array([1, 2]), Histories.of([[0], [0, 2]]))


def test_progress_reaches_the_end() -> None:
    events: list[ProgressEvent] = []
    evaluate(lambda batch: np.zeros((len(batch), 3), np.float32), cases_of(5), 3, batch_size=2, progress=events.append)
    assert [(event.done, event.total) for event in events] == [(2, 5), (4, 5), (5, 5)]


def test_summary_and_frame() -> None:
    scores = np.array([[9, 1, 2, 3], [9, 8, 2, 3]], np.float32)
    ranking = evaluate(lambda batch: scores[batch.user], cases_of(2), 4)
    assert ranking.ranks.tolist() == [3.0, 1.0]
    summary = ranking.summary((1, 5))
    assert summary["HR@1"] == 0.5
    assert summary["NDCG@5"] == pytest.approx((1 + 1 / np.log2(4)) / 2)
    assert summary["MRR"] == pytest.approx((1 + 1 / 3) / 2)
    for metric, value in summary.items():
        assert ranking.values(metric).mean() == pytest.approx(value)
    frame = ranking.frame((5,), np.array(["x", "y"], object), np.array(list("abcd"), object))
    assert frame["user"].tolist() == ["x", "y"]
    assert frame["target"].tolist() == ["b", "b"]
    assert list(frame) == ["user", "target", "history", "rank", "HR@5", "NDCG@5", "MRR"]


def test_no_case_is_no_error() -> None:
    ranking = evaluate(lambda batch: np.zeros((0, 3), np.float32), cases_of(0), 3)
    assert ranking.summary()["NDCG@10"] == 0.0
