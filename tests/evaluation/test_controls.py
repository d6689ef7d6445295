"""Controls: to which runs they apply and what they change; rows that are identical to the run; KGER."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kptoolkit.config import Config, load_config
from kptoolkit.errors import RunError, UnknownNameError
from kptoolkit.evaluation import Ranking
from kptoolkit.evaluation.controls import CONTROLS, STANDARD, applicable, kger
from kptoolkit.evaluation.several import several_rows
from kptoolkit.evaluation.significance import holm
from kptoolkit.evaluation.table import BEAM_SEARCH, best_baseline, frame_of, notes_of, rows_of
from kptoolkit.testing.small_worlds import chain_task


def settings(**changes: Any) -> Config:
    return load_config(overrides={key.replace("__", "."): value for key, value in changes.items()}, environ={})


def changed(before: Config, after: Config) -> set[str]:
    """Settings in which two configurations differ, options of the backend included."""
    one, other = before.model_dump(), after.model_dump()
    return {
        f"{section}.{key}"
        for section in one
        for key in {*one[section], *other[section]}
        if one[section].get(key) != other[section].get(key)
    }


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["no-knowledge", "shuffled-knowledge", "random-sentences"])
@pytest.mark.parametrize("backend", ["sequence", "kp4sr"])
def test_controls_of_other_knowledge_keep_all_settings(name: str, backend: str) -> None:
    config = settings(model__backend=backend)
    assert CONTROLS[name].settings(config) == config
    assert CONTROLS[name].titles


def test_knowledge_only_switches_everything_else_off() -> None:
    config, control = settings(), CONTROLS["knowledge-only"]
    off = {"titles", "transitions", "co_occurrence", "popularity"}
    after = control.settings(config)
    assert changed(config, after) == {"model.identity", *(f"parts.{part}" for part in off)}
    assert not any(getattr(after.parts, part) for part in off)
    assert after.parts.reads_knowledge
    assert not control.titles
    with pytest.raises(RunError, match="no control 'knowledge-only': the run itself reads nothing but knowledge"):
        control.settings(after)
    with pytest.raises(RunError, match=r"'knowledge-only': backend 'kp4sr' cannot be trained to read nothing"):
        control.settings(settings(model__backend="kp4sr"))


@pytest.mark.parametrize(
    ("given", "switched"),
    [
        ({"model__backend": "kp4sr"}, {"model.mask"}),
        ({"model__backend": "kp4sr", "tree__hops": 1}, {"model.mask"}),
        ({"model__knowledge": "tree"}, {"model.mask"}),
        ({"parts__text_encoder": "./encoder"}, {"parts.text_mask"}),
        ({"model__knowledge": "tree", "parts__text_encoder": "./encoder"}, {"model.mask", "parts.text_mask"}),
        ({"model__knowledge": "tree", "parts__text_encoder": "./e", "parts__text_mask": False}, {"model.mask"}),
        ({}, set()),
        ({"model__knowledge": "tree", "tree__hops": 1}, set()),
        ({"parts__text_encoder": "./encoder", "tree__hops": 1}, set()),
        ({"model__backend": "kp4sr", "model__mask": "off"}, set()),
    ],
)
def test_the_mask_is_off_where_one_is_read(given: dict[str, Any], switched: set[str]) -> None:
    config, control = settings(**given), CONTROLS["mask-off"]
    if switched:
        assert changed(config, control.settings(config)) == switched
    else:
        with pytest.raises(RunError, match="no control 'mask-off': nothing in the run reads a tree mask"):
            control.settings(config)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"model__backend": "kp4sr"}, True),
        ({"model__backend": "kp4sr", "tree__hops": 1}, False),
        ({}, False),
        ({"model__fact_hops": 2}, True),
        ({"model__fact_hops": 2, "tree__hops": 1}, False),
        ({"model__knowledge": "tree"}, True),
        ({"model__backend": "linear"}, False),
        ({"parts__text_encoder": "./encoder"}, True),
        ({"parts__text_encoder": "./encoder", "parts__text_similarity": False}, False),
    ],
)
def test_one_hop_is_a_control_where_more_are_read(given: dict[str, Any], read: bool) -> None:
    config, control = settings(**given), CONTROLS["one-hop"]
    if read:
        assert control.settings(config) == config
    else:
        with pytest.raises(RunError, match="no control 'one-hop': nothing in the run reads triples of more than one"):
            control.settings(config)


def test_what_applies_is_found_before_anything_is_trained() -> None:
    assert applicable([], [settings()]) == ((), ())
    assert applicable(["shuffled-knowledge", *STANDARD], [settings()])[0] == ("shuffled-knowledge", "no-knowledge")
    names, notes = applicable(["all"], [settings()])
    assert names == ("no-knowledge", "shuffled-knowledge", "random-sentences", "knowledge-only")
    assert [name for note in notes for name in ("mask-off", "one-hop") if name in note] == ["mask-off", "one-hop"]
    kp4sr = settings(model__backend="kp4sr")
    names, notes = applicable(["mask-off", "all"], [kp4sr])
    assert names == ("mask-off", "no-knowledge", "shuffled-knowledge", "random-sentences", "one-hop")
    assert "knowledge-only" in notes[0]
    assert applicable(["mask-off"], [kp4sr, settings()])[0] == (), "a control is for all runs of a table or for none"
    with pytest.raises(UnknownNameError, match="no control 'mask_off'; nearest: mask-off"):
        applicable(["mask_off"], [settings()])


# -- trees --------------------------------------------------------------------------------------------------------


def test_random_sentences_of_a_source_have_as_many_words(tmp_path: Path) -> None:
    source = chain_task(tmp_path).knowledge
    trees = source.trees(0)
    words = np.array([len(str(sentence).replace(".", " .").split()) for sentence in source.pool.sentences])
    other = CONTROLS["random-sentences"].trees(trees, source)
    assert np.array_equal(other.indptr, trees.indptr)
    assert np.array_equal(other.prompt, CONTROLS["random-sentences"].trees(trees, source).prompt)
    for hop in np.unique(trees.hop):
        here = trees.hop == hop
        assert sorted(other.prompt[here]) == sorted(trees.prompt[here])
    assert np.corrcoef(words[other.prompt], words[trees.prompt])[0, 1] > 0.9
    assert (other.prompt != trees.prompt).mean() > 0.7, "a sentence that many items have may come back"


# -- rows ---------------------------------------------------------------------------------------------------------


def ranking(ranks: list[float]) -> Ranking:
    count = len(ranks)
    return Ranking(np.arange(count, dtype=np.int32), np.zeros(count, np.int32), np.array(ranks), np.ones(count, int))


RANKINGS = {
    "sequence": ranking([1.0, 2.0, 4.0, 30.0]),
    "popularity": ranking([9.0, 8.0, 7.0, 40.0]),
    "item-kNN": ranking([2.0, 2.0, 5.0, 12.0]),
    "no-knowledge": ranking([2.0, 4.0, 4.0, 11.0]),
    "mask-off": ranking([1.0, 2.0, 4.0, 30.0]),
}


def test_a_control_with_the_ranks_of_the_run_is_identical_and_not_tested() -> None:
    rows = {row.name: row for row in rows_of(RANKINGS, (10,), beams=20, resamples=100)}
    assert list(rows) == list(RANKINGS)
    same = rows["mask-off"]
    assert same.identical
    assert (same.difference, same.p_value, same.p_uncorrected, same.detectable) == (0, None, None, None)
    assert (same.interval, same.metrics) == (rows["sequence"].interval, rows["sequence"].metrics)
    assert [row.identical for row in rows.values()] == [False, False, False, False, True]
    tested = [rows[name] for name in ("popularity", "item-kNN", "no-knowledge")]
    assert [row.p_value for row in tested] == holm([row.p_uncorrected or 0 for row in tested]), "three tests, not four"
    assert "identical to the run, every rank is the same: mask-off" in notes_of(list(rows.values()))


def test_several_runs_are_identical_only_if_all_are() -> None:
    other = ranking([1.0, 3.0, 4.0, 30.0])
    rankings = {"sequence": [RANKINGS["sequence"], other], "reliance": [RANKINGS["sequence"], other]}
    rankings |= {"mask-off": [RANKINGS["sequence"]] * 2, "popularity": [RANKINGS["popularity"]]}
    rows = {row.name: row for row in several_rows(rankings, (10,), resamples=100)}
    assert [row.identical for row in rows.values()] == [False, True, False, False]
    assert rows["reliance"].by_run == rows["sequence"].by_run
    assert rows["reliance"].p_value is None
    assert rows["mask-off"].p_value is not None


def test_a_baseline_with_the_same_ranks_is_tested_like_others() -> None:
    rows = rows_of(RANKINGS | {"item-kNN": RANKINGS["sequence"]}, (10,), beams=20, resamples=100)
    (row,) = (row for row in rows if row.name == "item-kNN")
    assert not row.identical
    assert (row.difference, row.p_value) == (0, 1)


def test_kger_by_hand() -> None:
    """MRR@10 of the run is (1 + 1/2 + 1/4 + 0) / 4, of the control (1/2 + 1/4 + 1/4 + 0) / 4."""
    rows = {row.name: row for row in rows_of(RANKINGS, (10,), beams=20, resamples=100)}
    assert rows["no-knowledge"].kger == pytest.approx((1.75 - 1.0) / 1.75)
    assert [row.name for row in rows.values() if row.kger is not None] == ["no-knowledge"]
    assert "KGER, share of MRR@10 lost without true triples: no-knowledge 0.429" in notes_of(list(rows.values()))
    better = ranking([1.0, 1.0, 1.0, 1.0])
    assert kger([RANKINGS["sequence"]], [better]) == pytest.approx((1.75 - 4.0) / 1.75), "below 0 if the control leads"
    assert kger([RANKINGS["sequence"], better], [RANKINGS["no-knowledge"], better]) == pytest.approx(0.75 / 5.75)
    assert kger([ranking([11.0])], [better]) is None


def test_a_backend_alone_is_compared_with_its_text_only_version() -> None:
    """NDCG@5 of (1, 2, 30, 9) is (1 + 1 / log2(3)) / 4, of (2, 2, 30, 9) 2 / log2(3) / 4; HR@5 is the same."""
    alone = {"sequence alone": ranking([1.0, 2.0, 30.0, 9.0]), "no-knowledge alone": ranking([2.0, 2.0, 30.0, 9.0])}
    rows = rows_of(RANKINGS | alone, (10,), beams=20, resamples=100)
    said = "sequence alone against no-knowledge alone, the text-only version of the paper: +29.2 % NDCG@5, +0.0 % HR@5"
    assert said in notes_of(rows)
    assert (1 + 1 / np.log2(3)) / (2 / np.log2(3)) == pytest.approx(1.292, abs=1e-3)
    best = best_baseline({row.name: row.metrics["NDCG@10"] for row in rows})
    assert best == "item-kNN", "the text-only version leads, and is no baseline"
    without = rows_of(RANKINGS | {"sequence alone": alone["sequence alone"]}, (10,), beams=20, resamples=100)
    assert not any("text-only" in note for note in notes_of(without))


def test_kger_of_published_figures() -> None:
    """KGAT on Amazon Books by KG4RecEval: mean MRR@10 over five runs with the graph and without it; KGER -0.026."""
    with_graph = float(np.mean([0.593, 0.5878, 0.5883, 0.5921, 0.5936]))
    without = float(np.mean([0.6082, 0.6061, 0.6044, 0.6085, 0.6053]))
    found = kger([ranking([1 / with_graph])], [ranking([1 / without])])
    assert found == pytest.approx(-0.026, abs=5e-4)


def test_the_strongest_baseline_is_no_control_and_no_part_of_the_run() -> None:
    rows = rows_of(RANKINGS | {"sequence alone": ranking([1.0] * 4)}, (10,), beams=20, resamples=100)
    assert best_baseline({row.name: row.metrics["NDCG@10"] for row in rows}) == "item-kNN"
    assert best_baseline({"sequence": 0.1, "sequence alone": 0.2, "ensemble of 2 runs": 0.3}) is None
    assert best_baseline({}) is None


@pytest.mark.parametrize("beams", [5, 10])
def test_beam_search_is_compared_only_by_figures_that_its_beams_reach(beams: int) -> None:
    """With 5 beams the ranks from 6 on are unknown, so NDCG@10 would be too low, and its lead too large."""
    found = ranking([1.0, 2.0, np.inf, np.inf])
    others = {name: RANKINGS[name] for name in RANKINGS if name != "item-kNN"}
    rows = {row.name: row for row in rows_of(others | {BEAM_SEARCH: found}, (5, 10), beams=beams, resamples=100)}
    several = several_rows(
        {name: [each] for name, each in (others | {BEAM_SEARCH: found}).items()}, (5, 10), beams=beams, resamples=100
    )
    for beam_row in (rows[BEAM_SEARCH], next(row for row in several if row.name == BEAM_SEARCH)):
        tested = (beam_row.interval, beam_row.difference, beam_row.p_value, beam_row.p_uncorrected)
        assert ("NDCG@10" in beam_row.metrics, None not in tested) == (beams >= 10, beams >= 10)
        assert "NDCG@5" in beam_row.metrics
    without = {row.name: row for row in rows_of(others, (5, 10), beams=beams, resamples=100)}
    same = all(rows[name] == without[name] for name in without)
    assert same == (beams < 10), "Holm's correction counts only rows that are tested"
    frame = frame_of(list(rows.values()))
    assert bool(frame["NDCG@10 low"].isna()[BEAM_SEARCH]) == (beams < 10)


def test_a_run_without_a_row_alone_is_its_backend_alone() -> None:
    """Where no score part was taken, the run itself is compared with the text-only version."""
    rows = rows_of(RANKINGS | {"no-knowledge alone": ranking([2.0, 2.0, 30.0, 9.0])}, (10,), beams=20, resamples=100)
    assert any(note.startswith("sequence against no-knowledge alone, the text-only version") for note in notes_of(rows))
