"""Runs of DataFrames are those of the same tables as files, and are as complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kptoolkit import fit, fit_seeds, write_report
from kptoolkit.config import Config, ModelConfig, load_config
from kptoolkit.data.interactions import notice_of
from kptoolkit.errors import DataError, InputError, RunError
from kptoolkit.graph import Graph, open_source
from kptoolkit.pipeline import evaluate, refresh
from kptoolkit.progress import ProgressEvent
from kptoolkit.resources import demo_data_dir
from kptoolkit.runs.frame_inputs import keep_frames
from kptoolkit.runs.run import Run
from kptoolkit.storage.layouts.frames import DataFrame

LINEAR = {"model.backend": "linear", "tree.degree": 3, "evaluation.resamples": 200} | dict.fromkeys(
    ("parts.transitions", "parts.co_occurrence", "parts.titles"), False
)


class Stream:
    """A table of another library, such as polars: it offers Arrow's C stream and nothing else."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.table = pa.table(frame)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The files of a RecBole folder as DataFrames, with the names of their columns as they are."""
    suffixes = {"interactions": "inter", "triples": "kg", "items": "item", "names": "ent", "links": "link"}
    return {name: pd.read_csv(next(folder.glob(f"*.{suffix}")), sep="\t") for name, suffix in suffixes.items()}


def shop(**changes: Any) -> dict[str, DataFrame | None]:
    """Small DataFrames of pandas, with changes."""
    frames: dict[str, Any] = {
        "interactions": pd.DataFrame({"user": ["ann", "ann"], "item": ["tea", "cup"], "timestamp": [1, 2]}),
        "triples": pd.DataFrame({"head": ["tea", "cup"], "relation": ["kind", "kind"], "tail": ["drink", "thing"]}),
    }
    return frames | changes


# -- the same as files ------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_a_run_of_dataframes_is_that_of_the_same_files(tmp_path: Path) -> None:
    data = demo_data_dir()
    kg = tmp_path / "kg"
    with Graph.open(f"embedded:{kg}") as graph:
        graph.load(open_source([data]))
    settings = load_config(overrides=LINEAR | {"graph.uri": f"embedded:{kg}", "data.dir": data}, environ={})
    of_files = fit(settings, run=tmp_path / "files")
    given: dict[str, Any] = dict(tables(data))
    given["triples"], given["items"] = pa.table(given["triples"]), Stream(given["items"])
    of_frames = fit(load_config(overrides=LINEAR, environ={}), **given, run=tmp_path / "frames")
    for part in ("interactions", "neighbourhoods"):
        assert of_frames.manifest.fingerprints[part] == of_files.manifest.fingerprints[part]
    run = Run.load(of_frames.folder)
    assert run.catalogue.titles.tolist() == of_files.catalogue.titles.tolist()
    np.testing.assert_array_equal(run.score(run.split.test), of_files.score(of_files.split.test))
    evaluated, expected = run.evaluate(), evaluate(of_files)
    assert [row.metrics for row in evaluated.rows] == [row.metrics for row in expected.rows]
    frame = evaluated.frame()
    assert frame.index[0] == "linear"
    assert {"popularity", "item-kNN"} < {*frame.index}
    assert frame.loc["linear", "NDCG@10"] == expected.rows[0].metrics["NDCG@10"]
    assert frame["difference"].isna().tolist()[:2] == [True, False]
    assert frame["p_value"].dtype == frame["detectable"].dtype == np.float64
    assert "item-kNN" in evaluated._repr_html_()
    write_report(run, tmp_path / "report.html")
    np.testing.assert_allclose(refresh(run).score(run.split.test), run.score(run.split.test), rtol=1e-3, atol=1e-3)


class Stop(Exception):
    """Ends a training in its middle."""


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.train
def test_a_training_on_dataframes_is_resumed_by_the_same_call(
    world: Path, configure: Callable[..., Config], tmp_path: Path
) -> None:
    def stop(event: ProgressEvent) -> None:
        stages.append(event.stage)
        if event.stage == "train" and event.done >= 5:
            raise Stop

    stages: list[str] = []
    given: dict[str, Any] = {**tables(world), "keep": tmp_path / "kept"}
    with pytest.raises(Stop):
        fit(configure(), run=tmp_path / "run", progress=stop, **given)
    assert "load triples" in stages
    with pytest.raises(RunError, match=r"holds an unfinished run with another (data\.dir|graph\.uri)"):
        fit(configure(), run=tmp_path / "run", **given | {"interactions": given["interactions"].iloc[1:]})
    stages.clear()
    steps: list[int] = []
    done = fit(
        configure(),
        run=tmp_path / "run",
        resume=True,
        progress=lambda event: steps.append(event.done) if event.stage == "train" else stages.append(event.stage),
        **given,
    )
    assert steps[0] == 5, "the first checkpoint's four steps are not trained again"
    assert Run.load(done.folder).manifest.status == "finished"
    linear = configure().model_copy(update={"model": ModelConfig(backend="linear")})
    again = fit(linear, run=tmp_path / "other", progress=stop, **given)
    assert again.manifest.fingerprints["graph"] == done.manifest.fingerprints["graph"]
    assert "load triples" not in stages, "the graph of the same DataFrames is loaded once"
    with Graph.open(again.config.graph.uri) as graph:
        graph.load(triples=pd.DataFrame({"head": ["e0"], "relation": ["new"], "tail": ["e1"]}))
    stages.clear()
    third = fit(linear, run=tmp_path / "third", progress=stop, **given)
    assert "load triples" in stages, "a graph that was changed since is replaced"
    assert third.manifest.fingerprints["neighbourhoods"] == done.manifest.fingerprints["neighbourhoods"]


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_runs_of_seeds_are_trained_on_dataframes_and_kept_by_the_same_call(world: Path, tmp_path: Path) -> None:
    settings = load_config(overrides=LINEAR, environ={})
    notice = "made-up readers: no <evidence>"
    given: dict[str, Any] = {**tables(world), "keep": tmp_path / "kept", "notice": notice}
    runs = fit_seeds(settings, seeds=2, run=tmp_path / "seeds", **given)
    seed = settings.training.seed
    assert [run.config.training.seed for run in runs] == [seed, seed + 1]
    stages: list[ProgressEvent] = []
    again = fit_seeds(settings, seeds=3, run=tmp_path / "seeds", progress=stages.append, **given)
    assert [run.manifest.id for run in again[:2]] == [run.manifest.id for run in runs]
    assert "load triples" not in {event.stage.rpartition(": ")[2] for event in stages}, "it is loaded once"
    alone = fit(settings, run=tmp_path / "alone", **given)
    assert alone.manifest.fingerprints == runs[0].manifest.fingerprints
    np.testing.assert_array_equal(alone.score(alone.split.test), runs[0].score(alone.split.test))
    assert {run.notice for run in (alone, *again, Run.load(runs[0].folder))} == {notice}
    assert alone.evaluate().notes[0] == notice
    with pytest.raises(RunError, match=r"another data\.dir"):
        fit_seeds(settings, seeds=2, run=tmp_path / "seeds", **given | {"notice": "another"})


@pytest.mark.parametrize(
    ("notice", "changes", "says"),
    [
        ("a\nb", {}, "the notice has several lines"),
        ("x" * 4000, {}, "the notice is longer than 4,000 bytes"),
        ("a", {"interactions": None}, "notice needs interactions as well"),
    ],
)
def test_a_notice_is_one_line_about_interactions(
    tmp_path: Path, notice: str, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        keep_frames(Config(), shop(**changes), tmp_path, notice)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("notice", ["", " ", "made-up readers", "  Käufe: erfunden \n"])
def test_a_notice_is_kept_next_to_the_interactions(tmp_path: Path, notice: str) -> None:
    kept = keep_frames(Config(), shop(), tmp_path, notice)
    assert kept.config.data.dir is not None
    assert notice_of(kept.config.data.dir) == notice.strip()


# -- what is checked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"interactions": pd.DataFrame({"who": ["a"], "item": ["b"]})},
            r"DataFrame interactions: no column for 'user_id'",
        ),
        ({"interactions": pd.DataFrame({"user": ["a", ""], "item": ["b", "c"]})}, r"interactions, line 2: no user_id"),
        (
            {"interactions": pd.DataFrame({"user": ["a"], "item": ["b"], "time": ["soon"]})},
            r"DataFrame interactions, line 1: timestamp 'soon' is neither a number nor a date",
        ),
        ({"interactions": pd.DataFrame({"user": [], "item": []})}, r"DataFrame interactions: the file has no rows"),
        ({"interactions": pd.DataFrame({"user": ["a", 1], "item": ["b", "c"]})}, r"interactions: is no table .*astype"),
        ({"interactions": pd.DataFrame([["a", "b"]], columns=["user", "user"])}, r"DataFrame interactions: "),
        ({"triples": pd.DataFrame({"head": ["a"], "tail": ["b"]})}, r"DataFrame triples: no column for 'relation'"),
        (
            {"triples": pa.table({"head": ["a"], "relation": [None], "tail": ["b"]})},
            r"triples, line 1: the relation is",
        ),
        (
            {"triples": pa.table({"head": ["x"], "relation": ["r"], "tail": ["y"]})},
            r"DataFrame triples: none of the items of the interactions is an entity of the triples; give links",
        ),
        ({"triples": None, "names": pa.table({"entity_id": ["a"]})}, "names needs triples as well"),
        ({"triples": None, "links": pa.table({"entity_id": ["a"]})}, "links needs triples as well"),
        ({"interactions": None, "items": pa.table({"item_id": ["a"]})}, "items needs interactions as well"),
    ],
)
def test_a_wrong_dataframe_is_an_error_that_names_it(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as caught:
        keep_frames(Config(), shop(**changes), tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_what_is_no_dataframe_is_an_error() -> None:
    wrong: Any
    for wrong in ("events.csv", [("ann", "tea")], {"user": ["ann"]}, 3):
        with pytest.raises(InputError, match=r"fit\(interactions=…\): a DataFrame or None is needed"):
            fit(Config(), interactions=wrong)
    series: Any = pd.Series(["a"])
    with pytest.raises(InputError):
        fit(Config(), interactions=series)


def test_dataframes_are_kept_once_and_read_as_files_are(tmp_path: Path) -> None:
    kept = keep_frames(Config(), shop(), tmp_path)
    assert kept == keep_frames(Config(), shop(), tmp_path)
    changed = pd.DataFrame({"head": ["tea"], "relation": ["kind"], "tail": ["leaf"]})
    other = keep_frames(Config(), shop(triples=changed), tmp_path)
    assert (other.data == kept.data, other.graph == kept.graph) == (True, False)
    indexed = shop(interactions=pd.DataFrame({"user": ["ann", "bob"], "item": ["tea", "cup"]}).set_index("user"))
    keep_frames(Config(), indexed, tmp_path)
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"data", "graph"}
    assert kept.graph is not None
    links = pd.read_parquet(kept.graph / "links.parquet")
    assert links.to_numpy().tolist() == [["cup", "cup"], ["tea", "tea"]]


def test_categories_of_pandas_and_polars_are_read(tmp_path: Path) -> None:
    values = pa.array(["kind", "use"]).cast(pa.string_view())
    kinds = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], pa.uint32()), values)
    columns = {"head": ["tea", "cup", "tea"], "relation": kinds, "tail": ["drink", "thing", "leaf"]}
    for triples in (pa.table(columns), pd.DataFrame(columns | {"relation": pd.Categorical(["use", "kind", "use"])})):
        kept = keep_frames(Config(), shop(triples=triples), tmp_path)
        assert kept.graph is not None
        assert pd.read_parquet(kept.graph / "triples.parquet")["relation"].tolist() == ["use", "kind", "use"]


def test_ids_that_are_words_are_names(tmp_path: Path) -> None:
    ids = ["tea", "Q42", "m.0dyb1", "http://x.org/Tea", "7", "Жюль Верн"]
    triples = pa.table({"head": ids, "relation": ["r"] * 6, "tail": ids[1:] + ids[:1]})
    kept = keep_frames(Config(), shop(triples=triples), tmp_path)
    assert kept.graph is not None
    assert sorted(pd.read_parquet(kept.graph / "names.parquet")["name"]) == ["tea", "Жюль Верн"]


@pytest.mark.embedded
@pytest.mark.slow
def test_a_graph_takes_a_source_or_triples(tmp_path: Path) -> None:
    with Graph.open(f"embedded:{tmp_path / 'kg'}") as graph:
        for given in ({}, {"names": pa.table({"entity_id": ["a"], "name": ["A"]})}):
            with pytest.raises(InputError, match="give either a source or triples"):
                graph.load(**given)
        with pytest.raises(DataError, match=r"^DataFrame triples: no column for 'head'"):
            graph.load(triples=pa.table({"x": ["a"]}))
        items = pd.DataFrame({"item_id": ["tea", "salt"], "title": ["Green Tea", "Salt"]})
        report = graph.load(triples=shop()["triples"], items=items)
        assert report.source == "DataFrames"
        assert (report.graph["relationships"], report.graph["items"]) == (2, 2)
        assert graph.resolve("Green Tea").entity_id == "tea"
        assert graph.resolve("drink").name == "drink"
        assert graph.items().entity_id == [None, "tea"]
        shown = graph._repr_html_()
        assert ">kind</td>" in shown
        assert repr(graph) == f"Graph({graph.uri!r})"
    assert "cannot be read" in graph._repr_html_()
