"""The whole run: what fit writes and refuses, what load refuses, what evaluate says, what recommend gives."""

from __future__ import annotations

import json
import math
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from worlds.ring import COMMAS, NOTICE, PASSWORD, SAME_NAME, SMALL, title

from kptoolkit import pipeline
from kptoolkit.cli.recommend import split_names
from kptoolkit.config import Config, to_toml
from kptoolkit.data.histories import Cases, Histories
from kptoolkit.data.interactions import Interactions
from kptoolkit.errors import (
    AmbiguousNameError,
    ConfigError,
    DataError,
    InputError,
    LockedError,
    RunError,
    UnknownNameError,
)
from kptoolkit.evaluation.baselines import BASELINES
from kptoolkit.evaluation.table import Evaluation
from kptoolkit.models.parts.recommender import Recommender
from kptoolkit.models.t5.sequence.sequence_backend import SequenceBackend
from kptoolkit.progress import ProgressEvent
from kptoolkit.runs.many_histories import Skipped
from kptoolkit.runs.run import Run, top_k
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.run_inputs import inputs_to_resume
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
Configure = Callable[..., Config]
CONTROL_NAMES = ("no-knowledge", "shuffled-knowledge")
CHANGED = (*CONTROL_NAMES, "reliance", "held-out template")


# -- what fit writes ----------------------------------------------------------------------------------------------


def test_a_run_says_what_it_is(run: Run) -> None:
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["versions"]["python"] == platform.python_version()
    assert {"kptoolkit", "torch", "transformers", "numpy"} <= manifest["versions"].keys()
    assert {"graph", "neighbourhoods", "interactions", "catalogue", "pack"} == manifest["fingerprints"].keys()
    assert all(manifest["fingerprints"].values())
    assert manifest["seconds"].keys() == {"prepare", "fit", "parts"}
    assert manifest["settings"]["model"]["d_model"] == SMALL["model.d_model"]
    assert manifest["reports"]["notice"] == NOTICE
    knowledge = manifest["reports"]["knowledge"]
    assert (knowledge["items"], knowledge["linked_items"], knowledge["pack"]) == (ITEMS, ITEMS - 1, "books")
    assert knowledge["items_with_triples"] == ITEMS - 1
    assert manifest["reports"]["training"]["epochs"] == SMALL["training.epochs"]


def test_every_file_but_logs_and_checkpoints_has_a_checksum(run: Run) -> None:
    files = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    written = {name for name in files if not name.startswith(("checkpoints/", "tensorboard/", "controls/"))}
    assert written - set(RunFolder(run.folder).read_manifest().files) == {"manifest.json"}
    assert {"backend/model.safetensors", "config.toml", "catalogue.parquet"} <= set(run.manifest.files)


def test_a_run_holds_no_pickle_and_no_password(run: Run) -> None:
    for path in (path for path in run.folder.rglob("*") if path.is_file()):
        assert PASSWORD.encode() not in path.read_bytes(), path
        if "checkpoints" not in path.parts:
            assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".bin"}, path
            assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")), path


def test_settings_come_back(run: Run, configure: Configure) -> None:
    assert run.config.model_dump(exclude={"graph"}) == configure().model_dump(exclude={"graph"})


# -- what load refuses --------------------------------------------------------------------------------------------


def refusal(folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        Run.load(folder)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_load_refuses_what_is_no_run(tmp_path: Path) -> None:
    assert "is not a run: it holds no manifest.json" in refusal(tmp_path / "nowhere")
    assert "is not a run" in refusal(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{",
            "[]",
            '{"colour": 1}',
            "\x00",
            "[" * 100_000,
            '{"status": 3}',
            '{"settings": []}',
            '{"files": {"a": 1}}',
        ),
        *('{"started": "now"}', '{"reports": {"training": 3}}', '{"reports": {"training": {"best": [1]}}}'),
    ],
)
def test_load_refuses_a_damaged_manifest(own_run: Path, text: str) -> None:
    (own_run / "manifest.json").write_text(text)
    assert "manifest.json is damaged" in refusal(own_run)


def test_load_refuses_an_unfinished_run(own_run: Path) -> None:
    manifest = json.loads((own_run / "manifest.json").read_text())
    (own_run / "manifest.json").write_text(json.dumps(manifest | {"status": "training"}))
    assert "is not finished" in (said := refusal(own_run))
    assert f"kptool fit --run {own_run} --resume" in said


@pytest.mark.parametrize(
    "name", ["backend/model.safetensors", "catalogue.parquet", "pack/relations.yaml", "neighbourhoods/far.npy"]
)
def test_load_names_the_file_that_is_missing_or_changed(own_run: Path, name: str) -> None:
    path = own_run / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert f"{name} is not what training wrote" in refusal(own_run)
    path.unlink()
    assert f"{name} is missing" in refusal(own_run)


@pytest.mark.parametrize("left", [[], ["config.toml"], ["backend/model.safetensors", "catalogue.parquet"]])
def test_load_refuses_a_manifest_that_does_not_list_every_file(own_run: Path, left: list[str]) -> None:
    manifest = json.loads((own_run / "manifest.json").read_text())
    listed = {name: value for name, value in manifest["files"].items() if name in left}
    (own_run / "manifest.json").write_text(json.dumps(manifest | {"files": listed}))
    assert "manifest.json does not list" in refusal(own_run)


@pytest.mark.parametrize("name", ["backend/extra.bin", "pack/more.yaml", "metrics-test.json", "training.json"])
def test_load_refuses_a_file_that_the_manifest_does_not_list(own_run: Path, name: str) -> None:
    manifest = json.loads((own_run / "manifest.json").read_text())
    manifest["files"].pop(name, None)
    (own_run / "manifest.json").write_text(json.dumps(manifest))
    (own_run / name).write_text("{}")
    assert f"manifest.json does not list {name}; remove that file" in refusal(own_run)
    (own_run / name).unlink()
    (own_run / "my notes.txt").write_text("not a part of the run")
    assert Run.load(own_run).manifest.status == "finished"


def test_a_changed_result_is_refused_and_may_be_removed(own_run: Path) -> None:
    run = Run.load(own_run)
    run.files.write_evaluation("valid", {"rows": []}, pd.DataFrame({"rank": [1]}), run.manifest)
    assert {"metrics-valid.json", "per-user-valid.parquet"} <= Run.load(own_run).manifest.files.keys()
    (own_run / "metrics-valid.json").write_text("{}")
    assert "metrics-valid.json is not what evaluate wrote; remove it and evaluate again" in refusal(own_run)
    (own_run / "metrics-valid.json").unlink()
    assert Run.load(own_run).files.evaluation("valid") == {}


# -- what fit refuses ---------------------------------------------------------------------------------------------


class Stop(KeyboardInterrupt):
    """Ctrl-C."""


def stop_after(steps: int) -> Callable[[ProgressEvent], None]:
    def callback(event: ProgressEvent) -> None:
        if event.stage == "train" and event.done >= steps:
            raise Stop

    return callback


@pytest.fixture
def unfinished(configure: Configure, tmp_path: Path) -> Path:
    """A run that was interrupted behind its first checkpoint."""
    folder = tmp_path / "unfinished"
    with pytest.raises(Stop):
        pipeline.fit(configure(), run=folder, progress=stop_after(5))
    assert json.loads((folder / "manifest.json").read_text())["status"] == "training"
    assert list(folder.glob("checkpoints/checkpoint-4/complete"))
    return folder


def test_an_interrupted_fit_is_resumed_and_ends_as_if_it_had_not_been(
    unfinished: Path, run: Run, configure: Configure
) -> None:
    assert "is not finished" in refusal(unfinished)
    steps: list[int] = []
    done = pipeline.fit(
        configure(),
        run=unfinished,
        resume=True,
        progress=lambda event: steps.append(event.done) if event.stage == "train" else None,
    )
    assert steps[0] == 5, "the first checkpoint's four steps are not trained again"
    assert Run.load(unfinished).manifest.status == "finished"
    np.testing.assert_allclose(done.backend.score(run.split.test), run.backend.score(run.split.test), atol=1e-5)


def test_an_unfinished_run_is_resumed_with_its_own_pack(unfinished: Path, configure: Configure) -> None:
    """Other words would get the rows of those that were trained."""
    begun = Run(unfinished, RunFolder(unfinished).read_manifest(), trust_code=False)
    own = replace(begun.pack, graph_labels={})  # as it is made in Python, before a graph is read
    found = inputs_to_resume(begun, configure(), own)
    assert found.knowledge.pack.graph_labels == begun.pack.graph_labels
    for other in (
        own.with_mpp("more", "{{ history }} and {{ mask }}."),
        own.with_relation("written", "{{ head }} x {{ tail }}."),
    ):
        with pytest.raises(RunError, match="was begun with another template pack"):
            pipeline.fit(configure(), run=unfinished, pack=other)


def test_an_unfinished_run_of_other_settings_or_data_is_refused(
    unfinished: Path, configure: Configure, world: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"unfinished run with another tree\.hops"):
        pipeline.fit(configure(tree__hops=1), run=unfinished)
    manifest = json.loads((unfinished / "manifest.json").read_text())
    manifest["fingerprints"]["interactions"] = "another"
    (unfinished / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="begun with other interactions"):
        pipeline.fit(configure(), run=unfinished)


def test_a_folder_that_another_command_writes_into_is_refused(
    own_run: Path, configure: Configure, tmp_path: Path
) -> None:
    run = Run.load(own_run)
    with run.files.writing(), pytest.raises(LockedError, match=f"another command is writing into {own_run}"):
        pipeline.fit(configure(), run=own_run, overwrite=True)
    with run.files.writing(), pytest.raises(LockedError):
        pipeline.refresh(run)
    assert Run.load(own_run).manifest.files == run.manifest.files
    with RunFolder(tmp_path / "new").writing(), pytest.raises(LockedError):
        pipeline.fit(configure(), run=tmp_path / "new")


def test_results_of_a_run_that_has_changed_meanwhile_are_refused(own_run: Path) -> None:
    run = Run.load(own_run)
    changed = json.loads((own_run / "manifest.json").read_text())
    changed["files"]["catalogue.parquet"] = "another"
    (own_run / "manifest.json").write_text(json.dumps(changed))
    before = sorted(path.name for path in own_run.iterdir())
    with pytest.raises(RunError, match="was changed while it was evaluated"):
        run.files.write_evaluation("test", {}, pd.DataFrame(), run.manifest)
    assert sorted(path.name for path in own_run.iterdir()) == before


def test_a_finished_run_is_replaced_only_on_demand(own_run: Path, configure: Configure) -> None:
    before = (own_run / "manifest.json").read_bytes()
    with pytest.raises(RunError, match=r"finished run.*--overwrite"):
        pipeline.fit(configure(), run=own_run)
    with pytest.raises(DataError):
        pipeline.fit(configure(data__dir=own_run / "nowhere"), run=own_run, overwrite=True)
    assert (own_run / "manifest.json").read_bytes() == before, "nothing is lost when the data cannot be read"
    again = pipeline.fit(configure(training__epochs=1), run=own_run, overwrite=True)
    assert Run.load(own_run).config.training.epochs == again.manifest.reports["training"]["epochs"] == 1


def test_folders_that_are_no_place_for_a_run(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(RunError, match="not empty and not a run"):
            pipeline.fit(configure(), run=tmp_path / "letters", overwrite=overwrite)
    with pytest.raises(RunError, match="not a run"):
        pipeline.fit(configure(), run=tmp_path / "letters" / "one.txt")
    with pytest.raises(RunError, match="no unfinished run to resume"):
        pipeline.fit(configure(), run=tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()


def test_a_fit_that_cannot_begin_leaves_no_run_behind(configure: Configure, world: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.dir"):
        pipeline.fit(configure().model_copy(update={"data": Config().data}), run=tmp_path / "run")
    assert not (tmp_path / "run").exists(), "the command with the right data is not held up by a folder of wrong ones"


def test_items_that_are_not_linked(configure: Configure, world: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.inter"
    other.write_text("user_id\titem_id\n" + "".join(f"u{n % 5}\tx{n}\n" for n in range(30)))
    with pytest.raises(DataError, match="no item of the interactions is linked to the graph") as caught:
        pipeline.fit(configure(data__dir=other), run=tmp_path / "run")
    assert caught.value.exit_code == 2


def test_a_run_and_other_interactions(run: Run) -> None:
    newer = run.with_interactions(Interactions.of(["eve"] * 3, ["i01", "i02", "i03"]))
    assert newer.recommend("eve", k=5).equals(run.recommend(items=["i01", "i02", "i03"], k=5))
    with pytest.raises(UnknownNameError):
        newer.recommend("u01")
    assert newer.skipped.message == ""


def test_unknown_items_are_skipped_and_counted(run: Run, tmp_path: Path) -> None:
    users, items = ["eve", "eve", "eve", "bob", "bob"], ["i01", "zz", "i02", "yy", "zz"]
    newer = run.with_interactions(Interactions.of(users, items))
    assert newer.recommend("eve", k=5).equals(run.recommend(items=["i01", "i02"], k=5))
    assert newer.skipped == Skipped(("yy", "zz"), events=3, users=1, advice="train again to add them")
    said = newer.skipped.message
    assert said.startswith(
        "3 events skipped, and 1 user with no other event: 2 items not in the run's catalogue (yy, zz)"
    )
    assert said.endswith("train again to add them"), "kp4sr ranks only the items it was trained on"
    assert newer.recommend_all(tmp_path / "all.csv", k=3) == 1
    assert set(pd.read_csv(tmp_path / "all.csv")["user_id"]) == {"eve"}
    with pytest.raises(InputError, match="the history is empty; 3 events skipped"):
        newer.recommend("bob")
    with pytest.raises(RunError, match="do not belong together: none of the 2 interactions names an item"):
        run.with_interactions(Interactions.of(["u00", "u00"], ["yy", "zz"]))


# -- evaluate -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluated(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Evaluation]:
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    run = Run.load(shutil.copytree(trained, folder))
    return run, pipeline.evaluate(run, controls=CONTROL_NAMES, beam=True)


def ranks_by_hand(run: Run, scores: Any) -> list[float]:
    cases, ranks = run.split.test, []
    for row in range(len(cases)):
        seen = set(cases.histories[row].tolist())
        target = int(cases.targets[row])
        others = [float(scores[row, item]) for item in range(ITEMS) if item not in seen | {target}]
        own = float(scores[row, target])
        ranks.append(1 + sum(other > own for other in others) + sum(other == own for other in others) / 2)
    return ranks


def by_hand(ranks: Any, k: int) -> tuple[float, float]:
    hits = [rank <= k for rank in ranks]
    gains = [1 / math.log2(rank + 1) if hit else 0.0 for rank, hit in zip(ranks, hits, strict=True)]
    return sum(hits) / len(ranks), sum(gains) / len(ranks)


def test_beam_search_that_a_backend_lacks_is_refused_before_anything_is_ranked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before a control is trained, and before a user is looked up."""
    other = Recommender(SequenceBackend(SequenceBackend.Options()), run.recommender.parts)
    monkeypatch.setitem(vars(run), "recommender", other)
    monkeypatch.setattr(pipeline, "rank_cases", pytest.fail)
    monkeypatch.setattr(pipeline, "control", pytest.fail)
    with pytest.raises(InputError, match=r"'sequence' offers no beam search; .* train with model\.backend = 'kp4sr'"):
        pipeline.evaluate(run, controls=CONTROL_NAMES, beam=True)
    with pytest.raises(InputError, match="'sequence' offers no beam search"):
        run.recommend("nobody", beam=True)


def test_rows_agree_with_ranks_by_hand(evaluated: tuple[Run, Evaluation]) -> None:
    run, result = evaluated
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", "beam search"]
    names += ["no-knowledge", "no-knowledge alone", "shuffled-knowledge", "reliance", "held-out template"]
    assert [row.name for row in result.rows] == names
    assert (result.cases, result.items, result.split) == (USERS, ITEMS, "test")
    assert result.notes[0] == NOTICE
    frame = pd.read_parquet(run.folder / "per-user-test.parquet")
    assert frame.columns.tolist() == ["user_id", "target", *(f"rank: {name}" for name in names)]
    assert frame["rank: kp4sr"].tolist() == ranks_by_hand(run, run.recommender.score(run.split.test))
    assert frame["rank: kp4sr alone"].tolist() == ranks_by_hand(run, run.backend.score(run.split.test))
    counts = np.zeros(ITEMS)
    for user in range(USERS):
        for item in run.interactions.history_of(f"u{user:02d}")[:-2]:
            counts[item] += 1
    assert frame["rank: popularity"].tolist() == ranks_by_hand(run, np.tile(counts, (USERS, 1)))
    for row in result.rows:
        ranks = frame[f"rank: {row.name}"]
        for k in (1, 5):
            assert (row.metrics[f"HR@{k}"], row.metrics[f"NDCG@{k}"]) == pytest.approx(by_hand(ranks, k))
        if row.name != "beam search":
            assert row.metrics["NDCG@10"] == pytest.approx(by_hand(ranks, 10)[1])
            assert row.metrics["MRR"] == pytest.approx((1 / ranks).mean())


def test_intervals_differences_and_the_file(evaluated: tuple[Run, Evaluation]) -> None:
    run, result = evaluated
    frame = pd.read_parquet(run.folder / "per-user-test.parquet")
    first, *others = result.rows
    assert (first.difference, first.p_value) == (None, None)
    own = by_hand(frame["rank: kp4sr"], 10)[1]
    beam_search = next(row for row in result.rows if row.name == "beam search")
    assert (beam_search.interval, beam_search.difference) == (None, None), "five beams say nothing of NDCG@10"
    for row in result.rows:
        if row.interval is None:
            assert row.name == "beam search"
            continue
        low, high = row.interval
        assert low <= by_hand(frame[f"rank: {row.name}"], 10)[1] <= high
        assert high - low < 0.5
    for row in others:
        if row.name == "beam search":
            continue
        assert row.difference == pytest.approx(own - by_hand(frame[f"rank: {row.name}"], 10)[1])
        assert row.identical is bool(frame[f"rank: {row.name}"].equals(frame["rank: kp4sr"]) and row.name in CHANGED)
        assert row.identical is (row.p_value is None)
        assert row.p_value is None or 0 < row.p_value <= 1
    assert json.loads((run.folder / "metrics-test.json").read_text()) == json.loads(json.dumps(result.to_json()))


def test_baselines_are_tuned_and_ranked_when_asked_for(own_run: Path) -> None:
    run, stages = Run.load(own_run), list[str]()
    result = pipeline.evaluate(run, baselines=BASELINES, progress=lambda event: stages.append(event.stage))
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", "sequential rules", "EASE", "content", "blend"]
    assert [row.name for row in result.rows] == names
    notes = [note for note in result.notes[1:] if "SASRec" not in note]
    assert [note.split(":")[0] for note in notes] == names[3:]
    assert len(notes) == len(result.notes) - 2, "one note says how to get SASRec"
    assert {f"tune {name}" for name in names[3:]} <= set(stages)
    frame = pd.read_parquet(run.folder / "per-user-test.parquet")
    assert frame.columns.tolist() == ["user_id", "target", *(f"rank: {name}" for name in names)]
    rows = {row.name: row.metrics["NDCG@10"] for row in result.rows}
    assert rows["sequential rules"] > 0.9, "the next item of the ring follows from the latest"
    assert rows["content"] > 2 * rows["popularity"], "a book names the next one"
    with pytest.raises(UnknownNameError, match="no baseline 'easy'; nearest: EASE"):
        pipeline.evaluate(run, baselines=["easy"])


def test_users_and_targets_are_the_test_cases(evaluated: tuple[Run, Evaluation]) -> None:
    run, _ = evaluated
    frame = pd.read_parquet(run.folder / "per-user-test.parquet")
    ids = run.interactions.item_ids
    last = {str(user): str(ids[run.interactions.history_of(str(user))[-1]]) for user in run.interactions.user_ids}
    assert dict(zip(frame["user_id"], frame["target"], strict=True)) == last


def test_beam_search_is_labelled_and_gives_nothing_beyond_its_beams(evaluated: tuple[Run, Evaluation]) -> None:
    run, result = evaluated
    beam = next(row for row in result.rows if row.name == "beam search")
    assert beam.metrics.keys() == {"HR@1", "HR@5", "NDCG@1", "NDCG@5"}, "five beams: no MRR and nothing at 10"
    assert any("beam search: 5 beams" in note for note in result.notes)
    frame = pd.read_parquet(run.folder / "per-user-test.parquet")
    found = np.isfinite(frame["rank: beam search"])
    assert 0 < found.sum() < USERS
    assert frame["rank: beam search"][found].between(1, 5).all()


def test_controls_are_trained_once_with_the_same_settings(evaluated: tuple[Run, Evaluation]) -> None:
    run, result = evaluated
    stages: list[str] = []
    before = {name: (run.folder / "controls" / name / "manifest.json").stat().st_mtime_ns for name in CONTROL_NAMES}
    again = pipeline.evaluate(run, controls=CONTROL_NAMES, progress=lambda event: stages.append(event.stage))
    assert "train" not in stages
    rows = {row.name: row for row in result.rows}
    for row in again.rows:
        assert row.metrics == pytest.approx(rows[row.name].metrics)
    for name in CONTROL_NAMES:
        manifest = json.loads((run.folder / "controls" / name / "manifest.json").read_text())
        assert (run.folder / "controls" / name / "manifest.json").stat().st_mtime_ns == before[name]
        assert manifest["settings"] == run.manifest.settings
        assert manifest["reports"]["control"] == name
        assert manifest["reports"]["training"]["parameters"] == run.manifest.reports["training"]["parameters"]
        assert manifest["reports"]["training"]["epochs"] == run.manifest.reports["training"]["epochs"]
    without = pipeline.control(run, "no-knowledge").score(run.split.test)
    assert not np.allclose(without, run.backend.score(run.split.test))


def test_a_control_that_was_damaged_or_does_not_exist(evaluated: tuple[Run, Evaluation], tmp_path: Path) -> None:
    own = Run.load(shutil.copytree(evaluated[0].folder, tmp_path / "own"))
    (own.folder / "controls" / "no-knowledge" / "backend" / "prompts.json").write_text("{}")
    with pytest.raises(RunError, match=r"controls/no-knowledge is damaged: backend/prompts\.json"):
        pipeline.control(own, "no-knowledge")
    with pytest.raises(UnknownNameError, match="no control 'no-knowlege'; nearest: no-knowledge"):
        pipeline.control(own, "no-knowlege")


def test_validation_cases(run: Run) -> None:
    result = pipeline.evaluate(run, split="valid")
    assert result.split == "valid"
    assert [row.name for row in result.rows] == ["kp4sr", "kp4sr alone", "popularity", "item-kNN"]
    best = run.manifest.reports["training"]["best"]["NDCG@10"]
    assert result.rows[1].metrics["NDCG@10"] == pytest.approx(best), "the weights kept are those of the best epoch"
    assert (run.folder / "per-user-valid.parquet").is_file()


# -- recommend ----------------------------------------------------------------------------------------------------


def test_recommend_to_a_user(run: Run) -> None:
    frame = run.recommend("u07", k=6)
    assert frame.columns.tolist() == ["rank", "item_id", "title", "score"]
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame["score"].is_monotonic_decreasing
    history = {str(run.catalogue.item_ids[item]) for item in run.interactions.history_of("u07")}
    assert len(history) == 9
    assert not history & set(frame["item_id"])
    assert frame["title"].tolist() == [title(int(item[1:])) for item in frame["item_id"]]
    assert run.recommend(user="u07", k=6).equals(frame)


def test_more_than_there_is_and_what_was_seen(run: Run) -> None:
    everything = run.recommend("u07", k=1000)
    assert len(everything) == ITEMS - 9
    assert np.isfinite(everything["score"]).all()
    seen = run.recommend("u07", k=1000, with_seen=True)
    assert sorted(seen["item_id"]) == sorted(run.catalogue.item_ids)


def test_recommend_after_items_by_id_entity_and_name(run: Run) -> None:
    expected = run.recommend(items=["i01", "i02", "i03"], k=5)
    assert run.recommend(items=["e1", "book 2", COMMAS], k=5).equals(expected)
    assert not set(expected["item_id"]) & {"i01", "i02", "i03"}
    for listed in (np.array, pd.Series, tuple):
        items: Any = listed(["i01", "i02", "i03"])
        assert run.recommend(items=items, k=5).equals(expected)
    assert split_names(f"i01, e2,{COMMAS},Book 5", run.catalogue.holds) == ["i01", "e2", COMMAS, "Book 5"]


def test_names_that_are_not_there_or_not_alone(run: Run) -> None:
    with pytest.raises(UnknownNameError) as user:
        run.recommend("u7")
    assert len(user.value.nearest) == 3
    with pytest.raises(UnknownNameError, match="no item 'Bock 17'; nearest: Book 17") as item:
        run.recommend(items=["Bock 17"])
    assert len(item.value.nearest) == 3
    with pytest.raises(AmbiguousNameError) as ambiguous:
        run.recommend(items=["twin book"])
    assert ambiguous.value.candidates == SAME_NAME


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "either a user or a list"),
        ({"user": "u01", "items": ["i01"]}, "either a user or a list"),
        ({"items": []}, "history is empty"),
        ({"user": "u01", "k": 0}, "k is 0"),
        ({"user": "u01", "beam": True, "with_seen": True}, "beam search never offers"),
    ],
)
def test_questions_that_are_none(run: Run, given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        run.recommend(**given)
    assert caught.value.exit_code == 2


def test_an_infinite_score_is_a_score() -> None:
    """Above all others; only items of the history are left out."""
    case = Cases.of(Histories.of([[3]]))
    best, scores = top_k(np.array([[np.inf, 1.0, 2.0, 0.0]]), case, 4)
    assert best.tolist() == [[0, 2, 1, -1]]
    assert scores[0, 0] == np.inf


def test_recommend_by_beam_search(run: Run) -> None:
    found, case = run.recommend("u11", k=3, beam=True), run.case_of("u11")
    (best,), _ = top_k(run.backend.score(case), case, 1)
    assert len(found) == 3
    assert found["item_id"][0] == run.catalogue.item_ids[best[0]], "beams rank by the backend alone"
    assert not set(found["item_id"]) & {str(run.catalogue.item_ids[i]) for i in run.interactions.history_of("u11")}


@pytest.mark.parametrize("with_seen", [False, True])
@pytest.mark.parametrize(("at_once", "parts"), [(256, 1), (7, 9)])
def test_all_users_get_what_each_gets(trained: Path, tmp_path: Path, with_seen: bool, at_once: int, parts: int) -> None:
    path, run, done = tmp_path / "all.parquet", Run.load(trained, evaluation={"batch_size": at_once}), list[int]()
    assert run.recommend_all(path, k=4, with_seen=with_seen, progress=lambda event: done.append(event.done)) == USERS
    assert done == [min(at_once * part, USERS) for part in range(1, parts + 1)]
    assert pq.ParquetFile(path).num_row_groups == parts
    frame = pd.read_parquet(path)
    assert frame["user_id"].drop_duplicates().tolist() == run.interactions.user_ids.tolist()
    assert frame["rank"].tolist() == [1, 2, 3, 4] * USERS
    for user in ("u00", "u07", "u31", "u59"):
        alone = run.recommend(user, k=4, with_seen=with_seen)
        theirs = frame[frame["user_id"] == user].drop(columns="user_id").reset_index(drop=True)
        assert theirs["item_id"].tolist() == alone["item_id"].tolist()
        np.testing.assert_allclose(theirs["score"], alone["score"], atol=1e-5)
    whole = next(Run.load(trained).chunks(4, with_seen=with_seen))
    pd.testing.assert_frame_equal(frame, whole, check_exact=False, rtol=0, atol=1e-5)
    assert [entry.name for entry in tmp_path.iterdir()] == ["all.parquet"]


def test_what_ends_between_two_parts_leaves_the_old_file(trained: Path, tmp_path: Path) -> None:
    path, run = tmp_path / "all.parquet", Run.load(trained, evaluation={"batch_size": 25})
    path.write_text("an older file")

    def stop(event: ProgressEvent) -> None:
        if event.done > 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.recommend_all(path, k=1, progress=stop)
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("all.parquet", "an older file")]


def test_a_file_for_all_users_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        run.recommend_all(tmp_path / "no" / "all.parquet")


def test_a_run_elsewhere_needs_no_graph_and_no_data(own_run: Path) -> None:
    script = "import sys; from kptoolkit import load; print(len(load(sys.argv[1]).recommend('u00', k=3)))"
    done = subprocess.run([sys.executable, "-c", script, own_run], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr


def test_fit_reads_a_settings_file(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(to_toml(configure(training__epochs=1, run__dir=tmp_path / "mine")))
    assert pipeline.fit("my.toml").folder == tmp_path / "mine"
