"""Fitted score parts: what they add, how they are saved, and how they are extended to more items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.examples import examples
from worlds.pair_worlds import N, counted_kinds, histories_of, random_weights, stated_kind

from kptoolkit.data.catalogue import Catalogue
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.errors import DataError
from kptoolkit.knowledge.knowledge_source import KnowledgeSource
from kptoolkit.models import FitTask
from kptoolkit.models.parts import score_parts
from kptoolkit.models.parts.fit_parts import fit_parts, knowledge_kinds
from kptoolkit.models.parts.pair_features import AGES
from kptoolkit.models.parts.pair_kinds import PairKind
from kptoolkit.models.parts.score_parts import BACKEND, POPULARITY, PairPart, ScoreParts
from kptoolkit.prompts import TemplatePack
from kptoolkit.testing.small_worlds import ITEMS, chain_neighbourhoods, chain_task

ASKED = [[0, 1, 2], [8], [], [3, 3, 5, 1, 0, 7]]
CASES = Cases.of(Histories.of(ASKED))
TRAIN = Histories.of([[0, 1, 2, 3], [3, 2, 8, 7, 7], [5, 6], [0, 4, 1]])
EVENTS = np.bincount(TRAIN.items, minlength=N).astype(np.float32)


def stated_kinds() -> dict[str, list[PairKind]]:
    """Two kinds of each part that is computed from titles or knowledge."""
    draw = np.random.default_rng(4)
    parts = {}
    for name in ("graph similarity", "titles", "prompts"):
        parts[name] = [stated_kind(f"{name} {number}", draw.poisson(0.4, (N, N)), 1.5) for number in range(2)]
    return parts


def small_parts() -> ScoreParts:
    """Every part, with weights that are all different."""
    counted = counted_kinds(TRAIN)
    parts: dict[str, Sequence[PairKind]] = {"transitions": counted[:8], "co-occurrence": counted[8:], **stated_kinds()}
    weights, pairs = random_weights([len(kinds) for kinds in parts.values()], 2, 3), {}
    for number, (name, kinds) in enumerate(parts.items()):
        logs, ages = weights.kinds[number], np.exp(weights.ages[number])
        pairs[name] = PairPart.of(weights.scales[number], kinds, np.exp(logs), ages, EVENTS)
    return ScoreParts(0.8, -0.3, EVENTS, pairs, {"taken": "all", "cases": 4})


def with_more_items(kinds: dict[str, list[PairKind]], n_items: int) -> dict[str, list[PairKind]]:
    """The same pairs in a larger catalogue."""
    grown = {}
    for name, each in kinds.items():
        grown[name] = [replace(kind, raw=kind.raw.copy()) for kind in each]
        for kind in grown[name]:
            kind.raw.resize((n_items, n_items))
    return grown


# -- what is added ------------------------------------------------------------------------------------------------


def test_added_is_the_sum_of_all_parts() -> None:
    parts = small_parts()
    each = parts.by_part(CASES)
    assert list(each) == [*parts.pairs, POPULARITY]
    assert all(scores.shape == (len(CASES), N) and scores.dtype == np.float32 for scores in each.values())
    np.testing.assert_allclose(parts.added(CASES), sum(each.values()), rtol=1e-5)
    np.testing.assert_allclose(each[POPULARITY], np.tile(-0.3 * np.log1p(EVENTS), (len(CASES), 1)), rtol=1e-6)


def test_an_empty_history_gets_popularity_alone() -> None:
    each = small_parts().by_part(CASES)
    assert not any(scores[2].any() for name, scores in each.items() if name != POPULARITY)
    assert all(scores[0].any() for scores in each.values())


def test_weights_are_those_of_the_backend_and_of_every_part() -> None:
    parts = small_parts()
    assert list(parts.weights) == [BACKEND, *parts.pairs, POPULARITY]
    assert parts.weights[BACKEND] == 0.8
    assert parts.weights[POPULARITY] == -0.3
    assert parts.weights["titles"] == parts.pairs["titles"].scale


def test_no_parts_add_nothing() -> None:
    nothing = ScoreParts.none(N, {"taken": "backend"})
    assert nothing.weights == {BACKEND: 1.0, POPULARITY: 0.0}
    assert nothing.by_part(CASES) == {}
    assert nothing.added(CASES).shape == (len(CASES), N)
    assert not nothing.added(CASES).any()
    assert nothing.report == {"taken": "backend"}


def test_without_knowledge_the_other_parts_stay_as_they_are() -> None:
    parts = small_parts()
    left = parts.without_knowledge()
    assert list(left.pairs) == ["transitions", "co-occurrence", "titles"]
    all_of_them = parts.by_part(CASES)
    for name, scores in left.by_part(CASES).items():
        np.testing.assert_array_equal(scores, all_of_them[name])
    assert left.weights == {name: parts.weights[name] for name in left.weights}


@settings(max_examples=examples(40))
@given(histories_of(), st.integers(1, 4), st.integers(0, 2**16))
def test_a_part_with_too_many_pairs_keeps_the_largest(lists: list[list[int]], kept: int, seed: int) -> None:
    kinds = counted_kinds(Histories.of(lists))
    events = np.bincount(np.concatenate([[0], *lists]).astype(int), minlength=N).astype(np.float32)
    weights = np.random.default_rng(seed).uniform(0.1, 1, len(kinds))
    whole = PairPart.of(1.0, kinds, weights, np.ones(len(AGES)), events).values.toarray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_parts, "MAX_PAIRS", kept * N)
        cut = PairPart.of(1.0, kinds, weights, np.ones(len(AGES)), events).values.toarray()
    for row in range(N):
        assert np.count_nonzero(cut[row]) == min(kept, np.count_nonzero(whole[row]))
        np.testing.assert_array_equal(np.sort(cut[row])[-kept:], np.sort(whole[row])[-kept:])


# -- on disk ------------------------------------------------------------------------------------------------------


def test_saved_parts_give_the_same_scores(tmp_path: Path) -> None:
    empty = replace(small_parts(), pairs={"titles": PairPart.of(1.0, [], np.ones(0), np.ones(len(AGES)), EVENTS)})
    for number, parts in enumerate((small_parts(), ScoreParts.none(N), empty)):
        parts.save(tmp_path / str(number))
        again = ScoreParts.load(tmp_path / str(number))
        assert again.weights == parts.weights
        assert again.report == parts.report
        assert again.by_part(CASES).keys() == parts.by_part(CASES).keys()
        for name, scores in again.by_part(CASES).items():
            np.testing.assert_array_equal(scores, parts.by_part(CASES)[name])
        assert [part.kinds for part in again.pairs.values()] == [part.kinds for part in parts.pairs.values()]


def test_loaded_parts_can_be_extended_and_saved_again(tmp_path: Path) -> None:
    parts, kinds = small_parts(), with_more_items(stated_kinds(), N + 2)
    parts.save(tmp_path / "one")
    ScoreParts.load(tmp_path / "one").extended(N + 2, kinds).save(tmp_path / "two")
    found = ScoreParts.load(tmp_path / "two").added(CASES)
    np.testing.assert_allclose(found, parts.extended(N + 2, kinds).added(CASES), rtol=1e-6)


def test_a_damaged_or_missing_file_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    small_parts().save(folder)
    files = sorted(folder.iterdir())
    assert len(files) == 1 + 1 + 4 * 5
    for file in files:
        content = file.read_bytes()
        changed = bytearray(content)
        changed[-3] ^= 1
        for damaged in (bytes(changed), content[:-1], b""):
            file.write_bytes(damaged)
            with pytest.raises(DataError, match="damaged"):
                ScoreParts.load(folder)
        file.unlink()
        with pytest.raises(DataError, match="missing"):
            ScoreParts.load(folder)
        file.write_bytes(content)
    assert ScoreParts.load(folder).weights == small_parts().weights
    with pytest.raises(DataError, match="missing"):
        ScoreParts.load(tmp_path / "elsewhere")


# -- more items ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1, 4])
def test_more_items_with_the_same_pairs_leave_the_scores_of_the_others(more: int) -> None:
    parts = small_parts()
    grown = parts.extended(N + more, with_more_items(stated_kinds(), N + more))
    assert grown.weights == parts.weights
    before = parts.by_part(CASES)
    for name, scores in grown.by_part(CASES).items():
        np.testing.assert_allclose(scores[:, :N], before[name], rtol=1e-5, atol=1e-7)
        assert not scores[:, N:].any()
    new_read = Cases.of(Histories.of([[N + more - 1, 0]]))
    assert np.isfinite(grown.added(new_read)).all()


def test_a_new_item_gets_a_score_by_its_pairs() -> None:
    kinds = with_more_items(stated_kinds(), N + 1)
    values = kinds["titles"][0].raw.toarray()
    values[2, N] = 3.0
    kinds["titles"][0] = stated_kind("titles 0", values)
    grown = small_parts().extended(N + 1, kinds)
    titles = grown.by_part(CASES)["titles"]
    assert titles[0, N] > 0
    assert titles[1, N] == 0


def test_a_kind_that_training_did_not_see_has_no_weight() -> None:
    parts, kinds = small_parts(), stated_kinds()
    kinds["graph similarity"].append(stated_kind("a new relation", np.full((N, N), 100.0)))
    kinds["a new part"] = [stated_kind("unknown", np.ones((N, N)))]
    np.testing.assert_allclose(parts.extended(N, kinds).added(CASES), parts.added(CASES), rtol=1e-5)
    kinds["graph similarity"] = kinds["graph similarity"][1:]
    changed = parts.extended(N, kinds).by_part(CASES)
    assert (changed["graph similarity"] != parts.by_part(CASES)["graph similarity"]).any()
    np.testing.assert_allclose(changed["titles"], parts.by_part(CASES)["titles"], rtol=1e-5)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[FitTask, ScoreParts]:
    """Parts of the ring of books, where every title has words that others have too."""
    settings = {"tree.hops": 2, "tree.degree": 3}
    task = chain_task(tmp_path_factory.mktemp("parts"), settings)
    titles = np.array([f"Book {row} of colour {row % 5} and shape {row % 3}" for row in range(ITEMS)], dtype=object)
    task = replace(task, catalogue=replace(task.catalogue, titles=titles))
    return task, fit_parts(task, lambda cases: np.zeros((len(cases), ITEMS), dtype=np.float32))


def test_the_same_catalogue_and_knowledge_give_the_same_scores(fitted: tuple[FitTask, ScoreParts]) -> None:
    task, parts = fitted
    assert {"graph similarity", "titles", "prompts"} <= set(parts.pairs)
    kinds = knowledge_kinds(task.config.parts, task.catalogue, task.knowledge, task.knowledge.trees(0))
    asked = Cases.of(Histories.of(ASKED))
    again = parts.extended(ITEMS, kinds)
    np.testing.assert_allclose(again.added(asked), parts.added(asked), rtol=1e-4, atol=1e-5)
    assert again.weights == parts.weights


def test_new_books_are_scored_by_their_titles_and_triples(fitted: tuple[FitTask, ScoreParts]) -> None:
    """One new book is linked, one has a title alone, one shares nothing with any other."""
    task, parts = fitted
    old, n = task.catalogue, ITEMS + 3
    titles = ["Book of colour 1", "A shape 2", "Zzz"]
    catalogue = Catalogue(
        np.append(old.item_ids, ["new0", "new1", "new2"]),
        np.concatenate([old.titles, np.array(titles, dtype=object)]),
        np.concatenate([old.entity_ids, np.array(["enew0", None, None], dtype=object)]),
    )
    config = task.config
    pack = TemplatePack.load(config.prompts.pack)
    around, most = chain_neighbourhoods(catalogue), config.graph.max_degree
    source = KnowledgeSource(around, catalogue, pack, config.tree, config.prompts, most)
    kinds = knowledge_kinds(config.parts, catalogue, source, source.trees(0))
    grown = parts.extended(n, kinds)
    each = grown.by_part(Cases.of(Histories.of([[3, 11, 1], [ITEMS], [ITEMS + 2]])))
    assert all(np.isfinite(scores).all() and scores.shape == (3, n) for scores in each.values())
    assert each["titles"][0, ITEMS] > 0
    assert each["titles"][0, ITEMS + 1] > 0
    assert not any(scores[0, ITEMS + 2] for name, scores in each.items() if name != POPULARITY)
    assert each["prompts"][0, ITEMS] > 0
    assert each["prompts"][0, ITEMS + 1] == 0
    assert each["titles"][1].any()
    assert not each["titles"][2].any()
