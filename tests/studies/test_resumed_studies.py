"""What a resumed study keeps: trainings of the same settings and the same data, and figures of whole trainings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds.ring import load_graph, settings, write_world

from benchmarks.text_encoders import small_encoder
from kptoolkit.config import Config
from kptoolkit.errors import RunError
from kptoolkit.progress import ProgressEvent
from kptoolkit.studies import Arm, Study, run_study
from kptoolkit.studies.changes.triples import thinned
from kptoolkit.studies.engine.run_study import marks_of
from kptoolkit.studies.engine.same_training import require_inputs, require_settings
from kptoolkit.studies.engine.study_definition import RANDOM_ENCODER
from kptoolkit.studies.engine.study_page import page
from kptoolkit.studies.engine.study_result import StudyResult, Trained, study_rows

STUDY = Study(
    "two",
    question="Do all triples help?",
    axis="triples",
    arms=(Arm("", "all"), Arm("", "half", change=thinned(0.5))),
    backends=("linear",),
    settings={"tree.hops": 1},
)
_COMPLETE = "checkpoints/checkpoint-*/complete"
NOW = {"interactions": "a", "graph": "b"}


# -- data ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_results_and_runs_of_other_data_are_refused(tmp_path: Path) -> None:
    """All settings are the same, and a change of an arm takes triples away, so that the run does not show it."""
    world = write_world(tmp_path / "data")
    config = settings(world, load_graph(world, tmp_path / "kg"), tmp_path / "cache")
    run_study(STUDY, config, output=tmp_path / "s", mode="quick")
    shutil.copytree(tmp_path / "s" / "runs", tmp_path / "t" / "runs")

    def check(folder: str, arm: Arm, changed: str) -> None:
        says = rf"{folder}/linear-{arm.label}-2308: the {changed} changed since this training; give another"
        with pytest.raises(RunError, match=says):
            run_study(replace(STUDY, arms=(arm,)), config, output=tmp_path / folder[0], mode="quick")

    events = (world / "ring.inter").read_text()
    (world / "ring.inter").write_text("\n".join(events.splitlines()[:-1]) + "\n")
    check("s/results", STUDY.arms[1], "interactions")
    (world / "ring.inter").write_text(events)
    with (world / "ring.kg").open("a") as file:
        file.write("e0\tbook.written_work.author\ta1\n")
    load_graph(world, tmp_path / "kg")
    check("t/runs", STUDY.arms[0], "graph")


@pytest.mark.parametrize("name", NOW)
def test_a_training_without_fingerprints_is_refused(name: str) -> None:
    require_inputs(Path("s"), NOW | {"cases": "c"}, NOW)
    with pytest.raises(RunError, match=rf"earlier version, which did not store a hash of the {name}; give another"):
        require_inputs(Path("s"), {key: value for key, value in NOW.items() if key != name}, NOW)


def trained(x: str, cases: str, count: int = 4) -> Trained:
    """A training that was ranked."""
    ranks = {"alone": np.arange(1.0, count + 1)}
    figures: dict[str, Any] = {"seconds": 1.0, "figures": {}, "fingerprints": NOW | {"cases": cases}}
    return Trained("linear", "", x, 1, x, 9, "", ranks, [], **figures)


@pytest.mark.parametrize("count", [4, 5])
def test_arms_that_rank_other_cases_are_not_compared(count: int) -> None:
    """Whether they are as many or not."""
    labels: dict[tuple[str, str, float | str], str] = {("linear", "", each): each for each in ("all", "half")}
    assert len(study_rows(labels, [trained("all", "c"), trained("half", "c")], 50)) == 2
    with pytest.raises(RunError, match=r"^arm 'half' of linear, seed 1, ranks other users or targets than arm 'all'"):
        study_rows(labels, [trained("all", "c"), trained("half", "d", count)], 50)


def test_time_and_memory_of_resumed_trainings_are_left_out_of_means() -> None:
    labels: dict[tuple[str, str, float | str], str] = {("linear", "", each): each for each in ("all", "half")}
    found = [trained("all", "c"), replace(trained("all", "c"), seconds=5.0), trained("half", "c")]
    for place, seconds in ((0, [3.0, 1.0]), (1, [5.0, 1.0]), (2, [3.0, None])):
        changed = [*found]
        if place:
            changed[2 * place - 2] = replace(changed[2 * place - 2], seconds=None)
        rows = study_rows(labels, changed, 50)
        assert [row.figures.get("seconds") for row in rows] == seconds
        result = StudyResult(STUDY, "quick", (1, 2), rows, tuple(changed))
        assert ("were interrupted and resumed" in page(result)) == bool(place)


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["training.max_minutes", "training.epochs", "tree.hops"])
def test_a_finished_training_of_other_settings_is_refused(key: str) -> None:
    """Also one that had less time, which would be no reason to refuse to resume it."""
    section, _, name = key.partition(".")
    stored = {"training": {"epochs": 3}, "graph": {"cache": "there"}}
    wanted: dict[str, dict[str, Any]] = {"training": {"epochs": 3}, "graph": {"cache": "here"}}
    require_settings(Path("s"), stored, wanted)
    wanted.setdefault(section, {})[name] = 7
    with pytest.raises(RunError, match=f"^s has another {key}; give another --output$"):
        require_settings(Path("s"), stored, wanted)


_INSIDE = (("training", "start_from", "runs/linear-a-1"), ("parts", "text_encoder", "random-encoder-12345678"))


@pytest.mark.parametrize(("section", "key", "place"), _INSIDE)
def test_another_spelling_of_a_folder_is_no_other_setting(
    section: str, key: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it exists or not, as after --drop-runs; a folder of the study also after the study was moved."""
    monkeypatch.chdir(tmp_path)

    def check(stored: str, wanted: str) -> None:
        training = tmp_path / "s" / "results" / "linear-b-1"
        require_settings(training, {section: {key: stored}}, {section: {key: wanted}})

    for stored in (f"s/{place}", f"../{tmp_path.name}/s/{place}", f"{tmp_path}/s/{place}", f"/elsewhere/s/{place}"):
        check(stored, f"{tmp_path}/s/{place}")
        check(stored, f"s/{place}")
    check("t/there", f"{tmp_path}/t/there")
    for stored, wanted in ((f"s/{place}-2", f"s/{place}"), (f"/elsewhere/{place}", f"t/{place}"), ("t/a", "t/b")):
        with pytest.raises(RunError, match=rf"another {section}\.{key}"):
            check(stored, wanted)


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_a_study_resumes_under_another_spelling_of_its_folder(
    configure: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a training that was interrupted, and starts from another one of the study."""
    first = Arm("", "first")
    arms = (first, Arm("", "second", start=first))
    short = {"training.epochs": 2, "training.eval_every": 1, "tree.hops": 1, "model.knowledge": "facts"}
    study = replace(STUDY, arms=arms, backends=("sequence",), settings=short)

    class Stop(KeyboardInterrupt):
        """Ctrl-C."""

    def stop(event: ProgressEvent) -> None:
        if event.stage == "2/2: train" and any((tmp_path / "s" / "runs" / "sequence-second-2308").glob(_COMPLETE)):
            raise Stop

    monkeypatch.chdir(tmp_path)
    with pytest.raises(Stop):
        run_study(study, configure(), output="s", mode="quick", progress=stop)
    result = run_study(study, configure(), output=tmp_path / "s", mode="quick")
    assert [row.label for row in result.rows] == ["first", "second"]
    assert run_study(study, configure(), output="./s", mode="quick").to_json() == result.to_json()
    _check_time_and_memory(result)


def _check_time_and_memory(result: StudyResult) -> None:
    """Of the training that was resumed, they are not known, and the page says so."""
    whole, resumed = result.trained
    assert whole.seconds is not None
    assert whole.figures.get("peak memory, MiB", 101) > 100
    assert resumed.seconds is None
    assert "peak memory, MiB" not in resumed.figures
    assert "their last part are known: arm 'second' of sequence, seed 2308." in page(result)


# -- encoders -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_encoder_has_random_weights_of_its_own(tmp_path: Path) -> None:
    """Also where another one is in the same folder later; the same one is written once."""
    study = replace(STUDY, arms=(Arm("", "random", {"parts.text_encoder": RANDOM_ENCODER}),))

    def random(name: str) -> Path:
        return Path(
            marks_of(Config().with_parts(text_encoder=str(tmp_path / name)), study, tmp_path / "s")[RANDOM_ENCODER]
        )

    small_encoder(tmp_path / "a", ["one two three"], width=16)
    small_encoder(tmp_path / "b", ["one two three"], width=32)
    first, second = random("a"), random("b")
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert random("a") == first != second
    assert (first / "model.safetensors").stat().st_mtime_ns == written
    shutil.rmtree(tmp_path / "a")
    small_encoder(tmp_path / "a", ["other words"], width=16)
    third = random("a")
    assert third not in (first, second)
    for folder, name in ((second, "b"), (third, "a")):
        assert json.loads((folder / "config.json").read_text())["hidden_size"] == (32 if name == "b" else 16)
        assert (folder / "tokenizer.json").read_bytes() == (tmp_path / name / "tokenizer.json").read_bytes()
