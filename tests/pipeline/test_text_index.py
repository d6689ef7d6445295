"""A whole run whose items are called by their names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from worlds.ring import COMMAS, SAME_NAME

from kptoolkit import pipeline
from kptoolkit.config import Config
from kptoolkit.errors import RunError
from kptoolkit.models.t5.kp4sr.kp4sr_backend import Kp4srBackend
from kptoolkit.runs.run import Run, top_k
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]


@pytest.fixture(scope="module")
def named(configure: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("named") / "run"
    pipeline.fit(configure(model__index="name"), run=folder)
    return Run.load(folder)


def test_items_are_called_by_their_names(named: Run) -> None:
    assert isinstance(named.backend, Kp4srBackend)
    texts = named.backend.fitted.index.texts
    ids = named.catalogue.item_ids.tolist()
    assert [texts[ids.index(item)] for item in ("i03", *SAME_NAME)] == [COMMAS, "Twin Book", "Twin Book (2)"]
    assert any(name.startswith("backend/index/") for name in named.manifest.files), "its strings have checksums"


def test_beams_are_labelled_and_give_no_mrr(named: Run) -> None:
    result = pipeline.evaluate(named, beam=True)
    own, beams = (next(row for row in result.rows if row.name == name) for name in ("kp4sr", "beam search"))
    assert "MRR" in own.metrics
    assert beams.metrics.keys() == {"HR@1", "HR@5", "NDCG@1", "NDCG@5"}
    assert any("beam search: 5 beams" in note for note in result.notes)
    frame = pd.read_parquet(named.folder / "per-user-test.parquet")
    found = np.isfinite(frame["rank: beam search"])
    assert 0 < found.sum() < USERS
    assert frame["rank: beam search"][found].between(1, 5).all()


@pytest.mark.parametrize("k", [3, ITEMS + 10])
def test_recommends_different_items_by_ranking_and_by_beams(named: Run, k: int) -> None:
    seen = {str(named.catalogue.item_ids[item]) for item in named.interactions.history_of("u11")}
    ranked, found = named.recommend("u11", k=k), named.recommend("u11", k=k, beam=True)
    for frame in (ranked, found):
        assert frame["item_id"].nunique() == len(frame) == min(k, ITEMS - len(seen))
        assert not set(frame["item_id"]) & seen
    if k > ITEMS:
        case = named.case_of("u11")
        (best,), (scores,) = top_k(named.backend.score(case), case, len(found))
        assert found["item_id"].tolist() == named.catalogue.item_ids[best].tolist(), "with a beam per item it is exact"
        np.testing.assert_allclose(found["score"], scores, atol=1e-4)


def test_a_changed_string_is_refused(named: Run) -> None:
    path = named.folder / "backend" / "index" / "strings.json"
    text = path.read_text()
    path.write_text(text.replace("Twin Book (2)", "Twin Book (3)"))
    with pytest.raises(RunError, match=r"strings\.json"):
        Run.load(named.folder)
    path.write_text(text)
