"""Scores without a triplet equal those after it is really removed from the trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from worlds.marks import needs
from worlds.training import AnyT5, untrained

from kptoolkit.data.histories import Cases, Histories
from kptoolkit.explain.triplet_drops import drops
from kptoolkit.knowledge.compiled import CompiledKnowledge
from kptoolkit.knowledge.item_trees import ItemTrees
from kptoolkit.models.backend import Explains, Triplets
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.testing.small_worlds import ITEMS, chain_task

SMALL: dict[str, Any] = {"d_model": 16, "heads": 2, "layers": 1, "dropout": 0.0}
SETTINGS = {
    "training.epochs": 8,
    "training.eval_every": 8,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 5,
    "tree.degree": 3,
    "tree.max_tokens": 2000,
}
READERS: dict[str, dict[str, Any]] = {
    "kp4sr": {"backend": "kp4sr"},
    "kp4sr of subwords": {"backend": "kp4sr", "tokens": "subword", "vocabulary": 600},
    "kp4sr of names": {"backend": "kp4sr", "index": "name"},
    "facts": {"fact_hops": 2},
    "near facts": {"fact_hops": 1},
    "facts for the decoder": {"cross_attention": True},
    "trees": {"knowledge": "tree", "trees_per_step": 8},
    "trees of subwords": {"knowledge": "tree", "tokens": "subword", "vocabulary": 600},
}
HISTORY = [3, 4, 5, 4, 6]
AT_ONCE = 32
"""Cases that are read at once on a CPU."""
CANDIDATES = np.array([7, 2, ITEMS - 1, 19])


@pytest.fixture(scope="module", params=list(READERS))
@needs("train")
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyT5:
    fitted = untrained(SMALL | READERS[request.param])
    fitted.fit(chain_task(tmp_path_factory.mktemp("trained"), SETTINGS))
    return fitted


def knowledge_of(fitted: AnyT5) -> CompiledKnowledge:
    if isinstance(fitted, Kp4srBackend):
        return fitted.fitted.assembler.knowledge
    return fitted.fitted.knowledge


def without(trees: ItemTrees, lost: set[tuple[int, int]]) -> ItemTrees:
    """The trees without ``(item, place in its tree)`` and its descendants, item by item."""
    indptr, rows, parents = [0], [], []
    for item in range(len(trees)):
        first, number = int(trees.indptr[item]), {-1: -1}
        for local in range(int(trees.indptr[item + 1]) - first):
            above = int(trees.parent[first + local])
            if (item, local) not in lost and above in number:
                number[local] = len(number) - 1
                rows.append(first + local)
                parents.append(number[above])
        indptr.append(len(rows))
    chosen = np.array(rows)
    return ItemTrees(
        np.array(indptr), trees.prompt[chosen], np.array(parents, np.int32), trees.hop[chosen], trees.dfs[chosen]
    )


def really(fitted: AnyT5, case: Cases, lost: set[tuple[int, int]]) -> NDArray[np.float32]:
    """Scores of the candidates with trees that lack triplets."""
    whole = knowledge_of(fitted).trees
    fitted.use_trees(lambda trees: without(trees, lost))
    scores: NDArray[np.float32] = fitted.score(case)[0, CANDIDATES]
    fitted.use_trees(lambda trees: whole)
    return scores


def case_of(history: list[int] = HISTORY) -> Cases:
    return Cases.of(Histories.of([history]))


def places(fitted: AnyT5, found: Triplets) -> list[tuple[int, int]]:
    """Item and place in its tree of each triplet, found by its fact; no item of the ring has a fact twice."""
    knowledge = knowledge_of(fitted)
    trees = knowledge.trees
    pairs = []
    for item, fact in zip(found.item.tolist(), found.prompts.row.tolist(), strict=True):
        own = knowledge.prompts.row[trees.prompt[trees.indptr[item] : trees.indptr[item + 1]]].tolist()
        assert own.count(fact) == 1
        pairs.append((item, own.index(fact)))
    return pairs


def has_near_facts(trained: AnyT5) -> bool:
    """Whether it reads triplets of hop 1 alone, of which the history has few."""
    return (
        isinstance(trained, SequenceBackend)
        and trained.options.fact_hops == 1
        and trained.fitted.parts.reads == "facts"
    )


def test_it_can_explain(trained: AnyT5) -> None:
    assert isinstance(trained, Explains)


def test_a_score_without_a_triplet_is_that_of_trees_without_it(trained: AnyT5) -> None:
    case = case_of()
    found = trained.triplets(case, CANDIDATES)
    assert len(found) > 20
    assert set(HISTORY) <= set(found.item.tolist())
    near = has_near_facts(trained)
    assert set(found.hop.tolist()) == ({1} if near else {1, 2})
    removed = found.with_below(np.eye(len(found), dtype=bool))
    assert near or (removed.sum(axis=1) > 1).any(), "some triplets have descendants"
    fast = trained.score_without(case, CANDIDATES, found, removed)
    slow = np.stack([really(trained, case, {place}) for place in places(trained, found)])
    np.testing.assert_allclose(fast, slow, atol=1e-4)
    whole = trained.score(case)[0, CANDIDATES]
    assert np.abs(fast - whole).max() > 1e-2, "and it makes a difference"


def test_sets_of_triplets(trained: AnyT5) -> None:
    case = case_of()
    found = trained.triplets(case, CANDIDATES)
    draw = np.random.default_rng(1)
    chosen = draw.random((6, len(found))) < 0.3
    chosen[0], chosen[1] = False, True
    fast = trained.score_without(case, CANDIDATES, found, found.with_below(chosen))
    pairs = places(trained, found)
    slow = np.stack([really(trained, case, {pairs[t] for t in np.flatnonzero(row)}) for row in chosen])
    np.testing.assert_allclose(fast, slow, atol=1e-4)
    np.testing.assert_allclose(fast[0], trained.score(case)[0, CANDIDATES], atol=1e-5)


@pytest.mark.parametrize(("history", "passes"), [([3], 1), (HISTORY, 2)])
def test_the_variants_of_a_case_are_read_together(
    trained: AnyT5, history: list[int], passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many variants form a batch as cases do when they are ranked."""
    case, sizes = case_of(history), list[int]()
    trained.score(case)  # trees of the catalogue are encoded now

    def noted(_: torch.nn.Module, given: tuple[torch.Tensor, ...], __: Any) -> None:
        sizes.append(len(given[0]))

    if isinstance(trained, Kp4srBackend):
        hook = trained.fitted.model.t5.encoder.block[0].register_forward_hook(noted)
    else:
        model = trained.fitted.model
        read = model.read_last

        def noted_read(*given: Any) -> torch.Tensor:
            sizes.append(len(given[2]))
            return read(*given)

        monkeypatch.setattr(model, "read_last", noted_read)
        hook = model.tree.t5.encoder.block[0].register_forward_hook(noted)
    with hook:
        found, _ = drops(trained, case, CANDIDATES[:1])
    in_history = int(np.isin(found.item, history).sum())
    if isinstance(trained, SequenceBackend) and trained.options.knowledge == "tree":
        assert sizes.pop(0) == len(found), "every changed tree in one pass"
    assert sum(sizes) == in_history + 1, "whole, and without each"
    assert len(sizes) == (1 if has_near_facts(trained) else passes)
    assert max(sizes) <= AT_ONCE


def test_nothing_is_changed_by_asking(trained: AnyT5) -> None:
    case = case_of()
    before = trained.score(case)
    found = trained.triplets(case, CANDIDATES)
    trained.score_without(case, CANDIDATES, found, np.ones((1, len(found)), dtype=bool))
    np.testing.assert_array_equal(trained.score(case), before)


def test_a_history_without_knowledge(trained: AnyT5) -> None:
    """The last item is linked to nothing."""
    case, candidates = case_of([ITEMS - 1]), np.array([ITEMS - 1])
    found = trained.triplets(case, candidates)
    assert len(found) == 0
    scores = trained.score_without(case, candidates, found, np.zeros((2, 0), dtype=bool))
    np.testing.assert_allclose(scores, np.repeat(trained.score(case)[:, candidates], 2, axis=0), atol=1e-5)


@pytest.mark.train
@pytest.mark.parametrize("name", ["kp4sr", "trees"])
def test_what_the_budget_left_out_stays_out(tmp_path: Path, name: str) -> None:
    fitted = untrained(SMALL | READERS[name])
    fitted.fit(chain_task(tmp_path, SETTINGS | {"tree.max_tokens": 20 if name == "trees" else 60}))
    case, trees = case_of(), knowledge_of(fitted).trees
    found = fitted.triplets(case, CANDIDATES)
    borne = set(found.item.tolist())
    size = {item: int(np.diff(trees.indptr)[item]) for item in borne}
    assert 0 < len(found) < sum(size.values())
    fast = fitted.score_without(case, CANDIDATES, found, np.ones((1, len(found)), dtype=bool))
    slow = really(
        fitted,
        case,
        {(item, place) for item in {*HISTORY, *borne} for place in range(int(np.diff(trees.indptr)[item]))},
    )
    np.testing.assert_allclose(fast[0], slow, atol=1e-4)
