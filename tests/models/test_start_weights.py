"""Trainings that start from the weights of an earlier run: rows of tables go by what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worlds.marks import needs
from worlds.training import BACKENDS, TINY, AnyT5, untrained

from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import ConfigError
from kptoolkit.models.t5.start_weights import start_weights
from kptoolkit.progress import ProgressEvent
from kptoolkit.testing.small_worlds import chain_interactions, chain_task

OPTIONS: dict[str, dict[str, Any]] = BACKENDS | {
    "subwords": {"backend": "kp4sr", "tokens": "subword", "vocabulary": 400},
    "subword trees": {"backend": "sequence", "knowledge": "tree", "tokens": "subword", "vocabulary": 400},
    "names": {"backend": "kp4sr", "index": "name"},
    "two hops": {"backend": "sequence", "fact_hops": 2},
}
UNTRAINED = {"training.epochs": 0, "training.start_from": "runs/earlier", "training.seed": 5}


def fewer() -> Interactions:
    """The same readers without the first items, so that the others have other numbers."""
    events = chain_interactions()
    kept = events.item >= 5
    ids, items = (
        [str(names[number]) for number in numbers[kept]]
        for names, numbers in ((events.user_ids, events.user), (events.item_ids, events.item))
    )
    return Interactions.of(ids, items, events.time[kept])


@pytest.fixture(scope="module")
@needs("train")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[AnyT5, Any]]:
    found = {}
    for name, options in OPTIONS.items():
        task = chain_task(tmp_path_factory.mktemp("earlier"), {"training.epochs": 1})
        backend = untrained(TINY | options)
        backend.fit(task)
        found[name] = (backend, task)
    return found


@pytest.mark.train
@pytest.mark.parametrize("name", OPTIONS)
def test_without_an_epoch_it_ranks_as_the_earlier_run(
    earlier: dict[str, tuple[AnyT5, Any]], tmp_path: Path, name: str
) -> None:
    before, task = earlier[name]
    events = list[ProgressEvent]()
    new, other = untrained(TINY | OPTIONS[name]), untrained(TINY | OPTIONS[name])
    new.start_from(before, task.catalogue)  # type: ignore[arg-type]
    again = chain_task(tmp_path, UNTRAINED, progress=events.append)
    result = new.fit(again)
    other.fit(again)
    assert result.epochs == 0
    assert result.best == pytest.approx(task.validate(before.score))
    np.testing.assert_allclose(new.score(task.split.test), before.score(task.split.test), atol=1e-5)
    assert np.abs(other.score(task.split.test) - before.score(task.split.test)).max() > 1e-2
    assert next(event.note for event in events).startswith("starts from runs/earlier; known from there: ")


@pytest.mark.train
@pytest.mark.parametrize("name", OPTIONS)
def test_rows_go_by_what_they_stand_for(earlier: dict[str, tuple[AnyT5, Any]], tmp_path: Path, name: str) -> None:
    before, task = earlier[name]
    new, fresh = untrained(TINY | OPTIONS[name]), untrained(TINY | OPTIONS[name])
    other = chain_task(tmp_path, UNTRAINED, interactions=fewer())
    assert other.catalogue.item_ids[0] == task.catalogue.item_ids[5]
    new.start_from(before, task.catalogue)  # type: ignore[arg-type]
    new.fit(other)
    fresh.fit(other)
    theirs, ours = before.fitted.named_rows(task.catalogue), new.fitted.named_rows(other.catalogue)
    weights = [dict(each.fitted.model.named_parameters()) for each in (before, new, fresh)]
    known = {row: (table, number) for table in theirs for number, row in enumerate(theirs[table]) if row is not None}
    moved = unknown = 0
    for table, rows in ours.items():
        for number, row in enumerate(rows):
            if row in known:
                there, place = known[row]
                assert torch.equal(weights[1][table][number], weights[0][there][place])
                moved += (there, place) != (table, number)
            else:
                assert torch.equal(weights[1][table][number], weights[2][table][number])
                unknown += 1
    assert moved > 0
    # The item without an entity has another title there: it is another item, whatever its id.
    assert unknown > 0 or OPTIONS[name].get("index") == "name"


@pytest.mark.train
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_model": 32}, "settings of \\[model\\]|model.d_model"),
        ({"layers": 2}, "missing"),
        ({"cross_attention": True, "knowledge": "tree"}, "missing"),
    ],
)
def test_models_of_other_shapes_are_refused(
    earlier: dict[str, tuple[AnyT5, Any]], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    name = "trees" if "layers" in options else "sequence"
    before, task = earlier[name]
    new = untrained(TINY | OPTIONS[name] | options)
    new.start_from(before, task.catalogue)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"training.start_from: .*({message})"):
        new.fit(chain_task(tmp_path, UNTRAINED))


def test_a_copy_leaves_out_what_has_no_name() -> None:
    ours, theirs = torch.nn.Embedding(3, 2), torch.nn.Embedding(2, 2)
    kept = ours.weight[1].detach().clone()
    started = start_weights(
        ours,
        {"weight": [("word", "b"), None, ("entity", "x")]},
        theirs,
        {"weight": [("entity", "x"), ("word", "b")]},
    )
    assert torch.equal(ours.weight[[0, 2]], theirs.weight[[1, 0]])
    assert torch.equal(ours.weight[1], kept)
    assert str(started) == "known from there: 1 of 1 entity, 1 of 1 word"
