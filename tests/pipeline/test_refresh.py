"""What enters the graph after training: new items and new facts, taken into a run without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds.command import Done, kptool, refused

from kptoolkit import pipeline
from kptoolkit.config import Config, GraphConfig
from kptoolkit.errors import RunError
from kptoolkit.graph import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
SIMILAR = 12
"""The new book has the same neighbours in the graph as this one."""


@pytest.fixture(scope="module")
def grown(configure: Callable[..., Config], world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Done]:
    """A sequence run, its graph with a new item in it, and what `compile --refresh` printed."""
    folder = tmp_path_factory.mktemp("grown")
    shutil.copytree(world.parent / "kg", folder / "kg")
    changes = {"model__backend": "sequence", "training__epochs": 20, "training__eval_every": 10}
    config = configure(graph__uri=f"embedded:{folder / 'kg'}", graph__cache=folder / "cache", **changes)
    run = pipeline.fit(config, run=folder / "run")
    run.recommend_all(folder / "before.parquet", k=ITEMS)
    facts = [
        ("e-new", "book.written_work.author", f"a{SIMILAR % 4}"),
        ("e-new", "book.written_work.next_in_series", f"e{SIMILAR + 1}"),
        (f"e{SIMILAR - 1}", "book.written_work.next_in_series", "e-new"),
    ]
    source = MemorySource(facts, {"e-new": "The New Book"}, [("new", "e-new")], [("new", "New Book")])
    with Graph.open(config.graph.uri, config=GraphConfig()) as graph:
        graph.load(source)
    done = kptool("compile", folder / "run", "--refresh", "--json")
    return Run.load(folder / "run"), done


def test_a_new_item_is_ranked_above_the_median_for_its_neighbours_readers(grown: tuple[Run, Done]) -> None:
    run, done = grown
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["new_items"], report["items"]) == (1, ITEMS + 1)
    for history in ([SIMILAR - 3, SIMILAR - 2, SIMILAR - 1], [SIMILAR - 1], [SIMILAR - 2, SIMILAR - 1]):
        items = [f"i{item:02d}" for item in history]
        frame = run.recommend(items=items, k=ITEMS + 1, with_seen=True)
        rank = int(frame.loc[frame["item_id"] == "new", "rank"].iloc[0])
        assert rank < (ITEMS + 1) / 2, f"after {items}: {rank}"
        assert frame.loc[frame["item_id"] == "new", "title"].iloc[0] == "New Book"


def test_the_old_items_keep_their_order(grown: tuple[Run, Done]) -> None:
    run, _ = grown
    run.recommend_all(run.folder.parent / "after.parquet", k=ITEMS + 1)
    before = pd.read_parquet(run.folder.parent / "before.parquet")
    after = pd.read_parquet(run.folder.parent / "after.parquet")
    old = after[after["item_id"] != "new"]
    assert len(old) == len(before)
    first = [frame.groupby("user_id").head(1).set_index("user_id")["item_id"] for frame in (before, old)]
    assert (first[0] == first[1]).mean() > 0.9
    assert after["user_id"].nunique() == USERS


def test_a_refreshed_run_is_whole_and_can_be_refreshed_again(grown: tuple[Run, Done]) -> None:
    run, _ = grown
    assert np.isfinite(run.recommender.score(run.split.test)).all()
    assert run.recommender.score(run.split.test).shape[1] == ITEMS + 1
    again = pipeline.refresh(run)
    assert again.manifest.reports["refreshed"]["new_items"] == 0
    np.testing.assert_allclose(again.backend.score(run.split.test), run.backend.score(run.split.test), atol=1e-5)
    result = pipeline.evaluate(again)
    assert result.rows[0].metrics["NDCG@10"] > 0.5


def test_a_label_that_changed_in_the_graph_is_that_of_the_run(grown: tuple[Run, Done]) -> None:
    run, _ = grown
    for label in ("instance of", "kind of"):
        with Graph.open(run.config.graph.uri, config=GraphConfig()) as graph:
            graph.load(MemorySource([("e1", "P99031", "e20")], names_={"P99031": label}))
        run = pipeline.refresh(run)
        assert run.pack.graph_labels == {"P99031": label}
        assert label in run.pack.sentence("The New Book", "P99031", "Ann")
    read = run.knowledge_source()
    assert "P99031" in read.neighbourhoods.relations
    assert read.pack.words("P99031") == "kind of"


def test_what_belongs_to_earlier_knowledge_goes_with_it(grown: tuple[Run, Done]) -> None:
    """Controls and results stay only while nothing has changed: a new run next to an old control says nothing."""
    run = Run.load(grown[0].folder)
    pipeline.evaluate(run)
    control = run.folder / "controls" / "no-knowledge"
    control.mkdir(parents=True)
    written = run.files.evaluated()
    assert {"controls", "metrics-test.json", "per-user-test.parquet"} <= {*written}
    kept = pipeline.refresh(run)
    assert (kept.files.evaluated(), kept.manifest.reports["refreshed"]["removed"]) == (written, [])
    with Graph.open(run.config.graph.uri, config=GraphConfig()) as graph:
        graph.load(MemorySource([("e2", "P99032", "e21")]))
    done = kptool("compile", run.folder, "--refresh")
    assert f"removed, since it belongs to the earlier knowledge: {', '.join(written)}" in " ".join(done.stderr.split())
    assert Run.load(run.folder).files.evaluated() == []


def test_refresh_reads_the_graph_of_the_option_even_if_it_is_the_default(grown: tuple[Run, Done]) -> None:
    run, _ = grown
    done = kptool("compile", run.folder, "--refresh", "--graph", "embedded:./kg", NEO4J_USERNAME="ann")
    refused(done, f"there is no graph in {Path('kg').absolute()}", code=1)
    assert "graph: embedded:./kg (from --graph)" in done.stderr.splitlines()
    own = kptool("compile", run.folder, "--refresh", "--json", NEO4J_URI="embedded:nowhere")
    assert json.loads(own.stdout)["items"] == ITEMS + 1
    assert f"graph: {run.config.graph.uri} (the run's own)" in own.stderr.splitlines()


def test_beam_search_that_the_backend_lacks_is_refused_on_the_command_line(grown: tuple[Run, Done]) -> None:
    run, _ = grown
    says = "backend 'sequence' offers no beam search; leave out --beam"
    for words in (["evaluate", run.folder, "--controls"], ["recommend", run.folder, "--user", "u01"]):
        done = kptool(*words, "--beam")
        refused(done, says)
        assert "rank: " not in done.stderr, "nothing was ranked"
    assert not (run.folder / "controls").exists()


def test_a_kp4sr_run_knows_its_items_only(trained: Path, configure: Callable[..., Config], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    run, before = Run.load(folder), (folder / "manifest.json").read_bytes()
    with pytest.raises(RunError, match="backend 'kp4sr' ranks only"):
        pipeline.refresh(run, configure().graph)
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_part_that_finds_no_room_leaves_the_run_as_it_was(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    run = Run.load(folder)

    class OnFullDisk:
        def save(self, path: Path) -> None:
            path.symlink_to("/dev/full")
            path.write_text("no room")

    with pytest.raises(OSError, match=f"No space left on device: '{folder}'"):
        run.files.replace(
            run.manifest, run.recommender, catalogue=run.catalogue, pack=run.pack, neighbourhoods=OnFullDisk()
        )
    assert {path.name for path in folder.iterdir()} == {path.name for path in trained.iterdir()}
    assert np.isfinite(Run.load(folder).recommender.score(run.split.test)).all()


def test_run_and_refresh_belong_together(trained: Path) -> None:
    refused(kptool("compile", trained), "--refresh")
    refused(kptool("compile", "--refresh"), "RUN")


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "data"], "--data: a finished run keeps the settings"),
        (["--engine", "local"], "--engine: a finished run keeps the settings"),
        (["--set", "tree.hops=3"], "--set tree.hops: a finished run keeps the settings"),
        (["--set", "evaluation.seed=1"], "--set evaluation.seed: this command does not read it"),
    ],
)
def test_refresh_refuses_what_would_have_no_effect(tmp_path: Path, words: list[str], says: str) -> None:
    refused(kptool("compile", tmp_path, "--refresh", *words), says)


READERS: dict[str, Callable[[Run], object]] = {
    "config": lambda run: run.config,
    "catalogue": lambda run: run.catalogue,
    "interactions": lambda run: run.interactions,
    "recommender": lambda run: run.recommender,
    "pack": lambda run: run.pack,
    "knowledge": lambda run: run.knowledge_source(),
}


def with_other_titles(run: Run) -> None:
    """Replace the catalogue of a run on disk, as another process does that refreshes it."""
    catalogue = replace(run.catalogue, titles="new " + run.catalogue.titles)
    knowledge = run.knowledge_source().neighbourhoods
    run.files.replace(run.manifest, run.recommender, catalogue=catalogue, pack=run.pack, neighbourhoods=knowledge)


@pytest.mark.parametrize("part", READERS)
def test_an_open_run_never_mixes_two_states(own_run: Path, part: str) -> None:
    read = READERS[part]
    before, after, other = Run.load(own_run), Run.load(own_run), Run.load(own_run)
    titles = list(before.catalogue.titles)
    with_other_titles(other)
    assert list(before.catalogue.titles) == titles
    with pytest.raises(RunError, match="changed after it was opened; open it again"):
        read(after)
    assert list(Run.load(own_run).catalogue.titles) == [f"new {title}" for title in titles]
    assert read(other) is not None
