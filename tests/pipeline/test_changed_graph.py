"""A live graph changes while all its counts stay equal: nothing old is used, and a resumed training keeps its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kptoolkit import pipeline
from kptoolkit.config import Config, GraphConfig
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import RunError
from kptoolkit.graph import Graph
from kptoolkit.progress import ProgressEvent, moment
from kptoolkit.runs.run import Run
from kptoolkit.storage.arrays import written

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
MOVED = ("e5", "e6")
"""These two books exchange their authors."""
RENAMED, NAME = "a1", "Author Renamed"
ITEM, TITLE = "e7", "A Title Renamed"


@pytest.fixture
def live(configure: Callable[..., Config], world: Path, tmp_path: Path) -> Config:
    """Settings of a training whose graph and caches are its own."""
    shutil.copytree(world.parent / "kg", tmp_path / "kg")
    changes = {"model__backend": "sequence", "training__epochs": 2}
    config = configure(graph__uri=f"embedded:{tmp_path / 'kg'}", graph__cache=tmp_path / "cache", **changes)
    (tmp_path / "data").mkdir()
    for file in world.glob("*.inter"):  # no item file: titles are the graph's names
        shutil.copy(file, tmp_path / "data")
    return config.model_copy(update={"data": config.data.model_copy(update={"dir": tmp_path / "data"})})


def change(config: Config) -> None:
    """Rename an author and an item, and exchange the authors of two books: no count changes."""
    with Graph.open(config.graph.uri, config=GraphConfig()) as graph:
        before = graph.fingerprint()
        rename = "MATCH (n:Entity {id: $id}) SET n.name = $name"
        graph.store.write(rename, {"id": RENAMED, "name": NAME})
        graph.store.write(rename, {"id": ITEM, "name": TITLE})
        found = "MATCH (n:Entity {id: $id})-[r]->(a:Entity) WHERE a.id STARTS WITH 'a' RETURN a.id AS author"
        authors = [graph.store.read(found, {"id": book}).rows[0][0] for book in MOVED]
        for book, old, new in zip(MOVED, authors, reversed(authors), strict=True):
            delete = "MATCH (n:Entity {id: $id})-[r]->(a:Entity {id: $author}) DELETE r"
            graph.store.write(delete, {"id": book, "author": old})
            rows = [{"head": book, "relation": "book.written_work.author", "tail": new}]
            graph.queries["create_relationships"].write(graph.store, rows=rows)
        assert graph.fingerprint() == before, "the counts do not show it"


def knowledge(run: Run) -> tuple[str, str, set[tuple[str, str, str]]]:
    """Name of the author, title of the item, and the triples of the two books."""
    around = run.files.neighbourhoods()
    rows = (row for row in range(len(around.relation)))
    triples = {triple for row in rows if (triple := around.triple(row))[0] in MOVED and triple[1].endswith(".author")}
    title = str(run.catalogue.titles[run.catalogue.resolve(ITEM)])
    return around.names_by_id()[RENAMED], title, triples


def test_fit_and_refresh_see_a_change_that_leaves_all_counts_equal(live: Config, tmp_path: Path) -> None:
    first = pipeline.fit(live, run=tmp_path / "first")
    before = knowledge(first)
    assert before[:2] == ("Author 1", "Book 7")
    change(live)
    after = (NAME, TITLE, {("e5", "book.written_work.author", "a2"), ("e6", "book.written_work.author", "a1")})
    assert before[2] != after[2]
    stages: list[str] = []
    again = pipeline.fit(live, run=tmp_path / "second", progress=lambda event: stages.append(event.stage))
    assert knowledge(again) == after
    assert "fetch hop 1" in stages
    assert not [stage for stage in stages if stage.startswith("neighbourhoods from the cache")]
    newer = first.with_interactions(Interactions.of(["eve", "eve"], ["i01", "new"]))
    advice = f"`kptool compile {first.folder} --refresh` adds what is new in the graph"
    assert newer.skipped.message == f"1 event skipped: 1 item not in the run's catalogue (new); {advice}"
    refreshed = pipeline.refresh(first)
    assert knowledge(refreshed) == after
    shown = set(refreshed.recommend(items=["i01"], k=24)["title"])
    assert TITLE in shown
    assert "Book 7" not in shown


def test_a_resumed_training_keeps_the_knowledge_of_its_beginning(live: Config, tmp_path: Path) -> None:
    def stop(event: ProgressEvent) -> None:
        if event.stage == "train" and event.done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.fit(live, run=tmp_path / "run", progress=stop)
    change(live)
    with pytest.raises(RunError, match="begun with other neighbourhoods"):
        pipeline.fit(live, run=tmp_path / "run", fresh=True)
    shutil.rmtree(tmp_path / "kg")
    stages: list[str] = []
    done = pipeline.fit(live, run=tmp_path / "run", progress=lambda event: stages.append(event.stage))
    assert knowledge(done)[:2] == ("Author 1", "Book 7")
    assert f"knowledge of the unfinished run, fetched {done.manifest.reports['fetched']}" in stages


def test_what_comes_from_a_cache_is_reported_with_its_date_and_fresh_takes_nothing(
    live: Config, tmp_path: Path
) -> None:
    def stages(**how: float) -> list[str]:
        found: list[str] = []
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        note = lambda event: found.append(f"{event.stage} {event.figures}")  # noqa: E731
        pipeline.fit(live, run=tmp_path / "run", progress=note, **how)  # type: ignore[arg-type]
        return [stage for stage in found if "from the cache of" in stage]

    live = live.model_copy(update={"prompts": live.prompts.model_copy(update={"cache": tmp_path / "prompts"})})
    assert stages() == []
    kinds = [stage.partition(" ")[0] for stage in stages(since=0.0)]
    assert {"neighbourhoods", "trees"} <= set(kinds)
    date = moment(written(next((tmp_path / "cache").iterdir())))
    assert f"neighbourhoods from the cache of {date}" in stages(since=0.0)
    assert stages(since=0.0, fresh=True) == []
