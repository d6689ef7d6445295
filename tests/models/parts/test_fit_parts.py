"""The fit of score parts next to a backend's score, on readers of a ring of books."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import TrainingError
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models import FitTask
from kptoolkit.models.parts import fit_parts as fit_parts_module
from kptoolkit.models.parts.fit_parts import fit_parts
from kptoolkit.models.parts.part_weights import Examples, PartWeights
from kptoolkit.models.parts.score_parts import ScoreParts
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.small_worlds import ITEMS, chain_task

PAIRS = ("transitions", "co_occurrence", "graph_similarity", "titles", "prompts")
VARIANTS = {"backend", "scales", "all"}
LOSSES = "cross entropy, five folds"


def knows_nothing(cases: Cases) -> np.ndarray:
    """The same scores for everybody."""
    values = np.random.default_rng(0).normal(size=ITEMS).astype(np.float32)
    return np.tile(values, (len(cases), 1))


def knows_the_ring(cases: Cases) -> np.ndarray:
    """The next book of the ring gets the only high score."""
    scores = np.zeros((len(cases), ITEMS), np.float32)
    latest = cases.items[cases.indptr[1:] - 1]
    scores[np.arange(len(cases)), (latest + 1) % ITEMS] = 20
    return scores


def without_read_items(cases: Cases) -> np.ndarray:
    """As some backends: -inf for every item of the history, and for an item that nobody may get."""
    scores = knows_nothing(cases)
    scores[cases.rows, cases.items] = -np.inf
    scores[:, 5] = -np.inf
    return scores


def off(*names: str) -> dict[str, Any]:
    return {f"parts.{name}": False for name in names}


def same(one: ScoreParts, other: ScoreParts) -> bool:
    """Whether two results are equal in every weight and in the scores of some cases."""
    asked = Cases.of(Histories.of([[0, 1, 2], [23], [5, 4]]))
    kinds = [{name: (part.kinds, part.ages.tolist()) for name, part in each.pairs.items()} for each in (one, other)]
    return (
        one.weights == other.weights
        and kinds[0] == kinds[1]
        and bool((one.added(asked) == other.added(asked)).all())
        and dict(one.report) == dict(other.report)
    )


def test_the_variant_with_the_smallest_loss_is_taken(tmp_path: Path) -> None:
    for backend in (knows_nothing, knows_the_ring):
        found = fit_parts(chain_task(tmp_path), backend)
        losses = found.report[LOSSES]
        assert set(losses) == VARIANTS
        assert losses[found.report["taken"]] == min(losses.values())
        assert all(np.isfinite(loss) for loss in losses.values())
        assert found.report["validation cases"] == 60


@pytest.mark.parametrize(
    ("least", "most", "taken"),
    [(1.0, 1.0, "rank"), (-1.0, -1.0, "cross entropy"), (-1.0, 0.7, "rank"), (-1.0, 0.5, "cross entropy")],
)
def test_weights_by_rank_are_taken_unless_ndcg_falls_by_more_than_its_errors(
    least: float, most: float, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights with a mark in the place of popularity, with an NDCG of ``least`` or ``most``, others with 0."""
    mark = 17.25

    def marked(examples: Examples, start: PartWeights) -> PartWeights:
        return replace(start, scores=np.array([start.scores[0], mark]))

    monkeypatch.setattr(fit_parts_module, "fit_rank_weights", marked)
    monkeypatch.setattr(fit_parts_module, "calibrated", lambda _, weights: weights)

    def measured(of: Examples, weights: PartWeights) -> np.ndarray:
        found: np.ndarray = np.where(np.arange(len(of)) % 2, least, most) * (weights.scores[-1] == mark)
        return found

    monkeypatch.setattr(fit_parts_module, "ndcg", measured)
    found = fit_parts(chain_task(tmp_path), knows_nothing)
    mean, cases = (least + most) / 2, 60
    assert found.report["NDCG, five folds"] == {"cross entropy": 0.0, "rank": pytest.approx(mean)}
    error = found.report["standard error of their difference"]
    assert error == pytest.approx((most - least) / 2 / cases**0.5)
    assert found.report["fitted by"] == taken
    assert (found.popularity == mark) is (taken == "rank")
    for by_rank in (True, False):
        asked = fit_parts(chain_task(tmp_path), knows_nothing, by_rank=by_rank)
        assert (asked.popularity == mark) is by_rank
        assert asked.report["fitted by"] == ("rank" if by_rank else "cross entropy")


def test_parts_help_a_backend_that_knows_nothing(tmp_path: Path) -> None:
    """Every part that is switched on and has pairs is fitted; the next book of the ring gets the best score."""
    task = chain_task(tmp_path, {"tree.hops": 2, "tree.degree": 3})
    found = fit_parts(task, knows_nothing)
    assert found.report["taken"] != "backend"
    assert set(found.pairs) <= {"transitions", "co-occurrence", "graph similarity", "titles", "prompts"}
    assert {"transitions", "prompts"} <= set(found.pairs)
    scores = found.backend * knows_nothing(task.split.test) + found.added(task.split.test)
    scores[task.split.test.rows, task.split.test.items] = -np.inf
    assert (scores.argmax(axis=1) == task.split.test.targets).mean() > 0.9


@pytest.mark.parametrize("name", PAIRS)
def test_a_part_that_is_switched_off_is_not_computed(name: str, tmp_path: Path) -> None:
    found = fit_parts(chain_task(tmp_path, off(name)), knows_nothing)
    assert found.report["taken"] != "backend"
    assert name.replace("co_occurrence", "co-occurrence").replace("_", " ") not in found.pairs


def test_popularity_that_is_switched_off_has_no_weight(tmp_path: Path) -> None:
    assert fit_parts(chain_task(tmp_path), knows_nothing).popularity != 0
    found = fit_parts(chain_task(tmp_path, off("popularity")), knows_nothing)
    assert found.popularity == 0
    assert found.pairs


def test_the_same_task_gives_the_same_weights(tmp_path: Path) -> None:
    first, again = (fit_parts(chain_task(tmp_path), knows_nothing) for _ in range(2))
    assert same(first, again)


def test_with_every_part_switched_off_the_score_is_that_of_the_backend(tmp_path: Path) -> None:
    task = chain_task(tmp_path, off(*PAIRS, "popularity"))
    assert same(fit_parts(task, knows_the_ring), ScoreParts.none(ITEMS))


def test_few_validation_cases_leave_the_backend_alone(tmp_path: Path) -> None:
    task = chain_task(tmp_path)
    for count, alone in ((9, True), (10, False)):
        split = replace(task.split, valid=task.split.valid.take(slice(0, count)))
        found = fit_parts(replace(task, split=split), knows_nothing)
        assert found.report["validation cases"] == count
        assert (LOSSES not in found.report) is alone
        if alone:
            assert found.report["taken"] == "backend"
            assert found.weights == ScoreParts.none(ITEMS).weights


def test_a_validation_target_that_was_read_before_is_no_case(tmp_path: Path) -> None:
    task = chain_task(tmp_path)
    valid = task.split.valid
    first = valid.items[valid.indptr[:-1]]
    targets = np.where(np.arange(len(valid)) < 55, first, valid.targets).astype(np.int32)
    found = fit_parts(replace(task, split=replace(task.split, valid=replace(valid, targets=targets))), knows_nothing)
    assert found.report["validation cases"] == 5


def test_infinite_scores_of_a_backend_leave_all_weights_finite(tmp_path: Path) -> None:
    task = chain_task(tmp_path)

    def nothing_is_finite(cases: Cases) -> np.ndarray:
        return np.full((len(cases), ITEMS), -np.inf, dtype=np.float32)

    for backend in (without_read_items, nothing_is_finite):
        found = fit_parts(task, backend)
        assert all(np.isfinite(loss) for loss in found.report[LOSSES].values())
        assert np.isfinite(list(found.weights.values())).all()
        assert np.isfinite(found.added(task.split.test)).all()
        assert found.report["taken"] != "backend"


def test_scores_that_are_not_numbers_are_an_error(tmp_path: Path) -> None:
    """Not a backend with weight 0, whose run would look sound."""
    task = chain_task(tmp_path)

    def one_is_not_a_number(cases: Cases) -> np.ndarray:
        found = np.zeros((len(cases), ITEMS), dtype=np.float32)
        found[0, 0] = np.nan
        return found

    with pytest.raises(TrainingError, match=r"scores are not numbers; lower training\.learning_rate"):
        fit_parts(task, one_is_not_a_number)


def test_test_cases_change_nothing(tmp_path: Path) -> None:
    task = chain_task(tmp_path)
    usual, test = fit_parts(task, knows_nothing), task.split.test
    turned = replace(test, targets=np.roll(test.targets, 7), items=test.items[::-1].copy())
    for changed in (test.take(slice(0, 0)), turned):
        assert same(fit_parts(replace(task, split=replace(task.split, test=changed)), knows_nothing), usual)


def test_validation_targets_change_weights_and_no_count(tmp_path: Path) -> None:
    task = chain_task(tmp_path)
    valid = task.split.valid
    moved = replace(valid, targets=((valid.targets + 5) % ITEMS).astype(np.int32))
    usual, other = (
        fit_parts(replace(task, split=replace(task.split, valid=cases)), knows_nothing) for cases in (valid, moved)
    )
    assert not same(usual, other)
    np.testing.assert_array_equal(usual.events, other.events)
    np.testing.assert_array_equal(usual.events, np.bincount(task.split.train.items, minlength=ITEMS))


def skewed(task: FitTask) -> FitTask:
    """Readers who read books at random, book 0 most often; nothing else decides what comes next."""
    draw, shares = np.random.default_rng(1), 1 / np.arange(1, ITEMS + 1)
    read = [draw.choice(ITEMS, 7, replace=False, p=shares / shares.sum()) for _ in range(400)]
    train, users = Histories.of([each[:-1] for each in read]), np.arange(400, dtype=np.int32)
    valid = Cases.of(train, np.array([each[-1] for each in read], dtype=np.int32), users)
    return replace(task, split=replace(task.split, train=train, valid=valid))


def test_popularity_alone_is_a_part(tmp_path: Path) -> None:
    """Without parts made of pairs, popularity is still taken where it helps, and dropped where it does not."""
    found = fit_parts(skewed(chain_task(tmp_path, off(*PAIRS))), knows_nothing)
    assert found.report["taken"] != "backend"
    assert found.popularity > 0.3
    assert found.pairs == {}


def test_the_loss_of_the_backend_alone_does_not_depend_on_popularity(tmp_path: Path) -> None:
    """It is the loss of what is returned if the backend alone is taken."""
    on, without = (
        fit_parts(skewed(chain_task(tmp_path, settings)), knows_nothing).report[LOSSES]["backend"]
        for settings in ({}, off("popularity"))
    )
    assert on == pytest.approx(without, rel=0.01)


def test_a_backend_that_knows_everything_keeps_its_ranking(tmp_path: Path) -> None:
    task = skewed(chain_task(tmp_path))
    draw = np.random.default_rng(0)
    answers = {bytes(history): int(target) for history, target in zip(
        task.split.valid.histories, task.split.valid.targets, strict=True)}  # fmt: skip

    def all_knowing(cases: Cases) -> np.ndarray:
        scores = draw.normal(0, 0.01, (len(cases), ITEMS)).astype(np.float32)
        for row, history in enumerate(cases.histories):
            scores[row, answers[bytes(history)]] += 10
        return scores

    found = fit_parts(task, all_knowing)
    assert found.report[LOSSES][found.report["taken"]] < 0.01
    scores = found.backend * all_knowing(task.split.valid) + found.added(task.split.valid)
    assert (scores.argmax(axis=1) == task.split.valid.targets).mean() > 0.99


def test_the_unit_of_a_backend_does_not_matter(tmp_path: Path) -> None:
    """Scores that are 1000 times as large get a weight 1000 times as small."""
    task = skewed(chain_task(tmp_path, off("graph_similarity", "titles", "prompts", "popularity")))
    popular = -np.log(np.arange(1, ITEMS + 1, dtype=np.float32))

    def in_thousandths(cases: Cases) -> np.ndarray:
        return np.tile(1000 * popular, (len(cases), 1))

    def in_ones(cases: Cases) -> np.ndarray:
        return np.tile(popular, (len(cases), 1))

    small, large = fit_parts(task, in_ones), fit_parts(task, in_thousandths)
    assert small.report["taken"] == large.report["taken"] != "backend"
    assert small.backend > 0.1
    assert 1000 * large.backend == pytest.approx(small.backend, rel=1e-2)
    np.testing.assert_allclose(large.added(task.split.valid), small.added(task.split.valid), atol=0.05)


def test_own_events_of_a_training_user_teach_nothing(tmp_path: Path) -> None:
    """Where all reads are random, pairs must not look useful because a user's own pairs are among those counted."""
    task, draw = (
        chain_task(tmp_path, off("graph_similarity", "titles", "prompts", "popularity")),
        np.random.default_rng(5),
    )
    read = [draw.permutation(ITEMS)[:9] for _ in range(40)]
    train, users = Histories.of([each[:-1] for each in read]), np.arange(40, dtype=np.int32)
    valid = Cases.of(train, np.array([each[-1] for each in read], dtype=np.int32), users)
    found = fit_parts(replace(task, split=replace(task.split, train=train, valid=valid)), knows_nothing)
    assert found.report["cross entropy, weights from training"] < np.log(ITEMS) + 0.5


def test_without_triples_no_part_reads_the_graph(tmp_path: Path) -> None:
    """The control without knowledge."""
    task = chain_task(tmp_path, knowledge_change=ItemTrees.without_knowledge)
    found = fit_parts(task, knows_nothing)
    assert found.pairs
    assert not {"graph similarity", "prompts"} & set(found.pairs)


def test_of_many_validation_cases_a_sample_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_parts_module, "_CASES", 25)
    found = fit_parts(chain_task(tmp_path), knows_nothing)
    assert found.report["validation cases"] == 25
    assert same(found, fit_parts(chain_task(tmp_path), knows_nothing))


def test_stages_are_reported(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    fit_parts(chain_task(tmp_path, progress=events.append), knows_nothing)
    assert [(event.stage, event.done) for event in events] == [
        ("fit score parts", 0),
        ("fit score parts", 1),
        ("join score parts", 0),
        ("join score parts", 1),
    ]
