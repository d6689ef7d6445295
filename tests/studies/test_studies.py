"""Studies: the grid is trained run by run, resumed, ranked and written down."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from worlds.ring import NOTICE

from benchmarks.text_encoders import small_encoder
from kptoolkit import pipeline
from kptoolkit.cli.app import app
from kptoolkit.config import Config, load_config
from kptoolkit.errors import ConfigError, InputError, LockedError, RunError, UnknownNameError
from kptoolkit.prompts import TemplatePack
from kptoolkit.runs.run import Run
from kptoolkit.storage.replacement import folder_lock
from kptoolkit.studies import Arm, Study, run_study
from kptoolkit.studies.changes.triples import corrupted
from kptoolkit.studies.engine.find_study import find_study, study_names
from kptoolkit.studies.engine.run_study import Mode, settings_of
from kptoolkit.studies.engine.stored_triples import Triples
from kptoolkit.studies.engine.study_definition import ENCODER, RANDOM_ENCODER, folder_name
from kptoolkit.studies.engine.study_page import page, table
from kptoolkit.testing.small_worlds import USERS

MODES: tuple[Mode, ...] = ("quick", "standard", "full")
OWN = Study(
    "own",
    question="Do wrong triples harm?",
    axis="share of wrong triples",
    arms=(
        Arm("one hop", 0.0),
        Arm("one hop", 1.0, change=corrupted(1.0)),
        Arm("two hops", 1.0, {"tree.hops": 2}, change=corrupted(1.0), quick=False),
    ),
    backends=("linear",),
    settings={"tree.hops": 1},
    measure=lambda run, _: {"items": len(run.catalogue)},
    limits="Ring world.",
)


@pytest.mark.parametrize("name", study_names())
def test_shipped_studies_are_short_and_all_their_settings_are_valid(name: str) -> None:
    study = find_study(name)
    module = next(module for module in list(sys.modules.values()) if getattr(module, "STUDY", None) is study)
    assert len(inspect.getsource(module).splitlines()) <= 80
    assert study.name == name
    assert study.question.endswith("?")
    assert study.limits
    for mode in MODES:
        found = {}
        for backend, arm in study.grid(quick=mode == "quick"):
            found[folder_name(backend, arm, 1)] = settings_of(study, Config(), backend, arm, 1, mode)
        assert len(found) == len(study.grid(quick=mode == "quick")) > 1
        assert {config.model.backend for config in found.values()} == set(study.backends)


def test_every_arm_reads_the_graph_and_the_data_that_the_settings_name() -> None:
    given = {"graph.uri": "bolt://there", "graph.username": "me", "graph.password": "s3cret", "data.min_events": 7}
    base = load_config(None, {**given, "prompts.pack": "books", "tree.hops": 3}, {})
    settings = settings_of(OWN, base, "linear", OWN.arms[0], 5, "standard")
    assert (settings.graph, settings.data, settings.prompts) == (base.graph, base.data, base.prompts)
    assert settings.graph.password is not None
    assert settings.graph.password.get_secret_value() == "s3cret"
    assert (settings.tree.hops, settings.training.seed) == (1, 5)


def test_two_arms_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two arms 'a, 1'"):
        Study("x", "Why?", "x", (Arm("a", 1.0), Arm("a", 1)))
    with pytest.raises(InputError, match="no arm"):
        Study("x", "Why?", "x", ())


@pytest.mark.parametrize("seeds", [0, -1])
def test_fewer_seeds_than_one_are_refused(tmp_path: Path, seeds: int) -> None:
    with pytest.raises(InputError, match=f"^{seeds} seeds; train each arm at least once$"):
        run_study(OWN, Config(), output=tmp_path / "s", seeds=seeds)
    assert not (tmp_path / "s").exists()


_CLASHES = {
    "spaces": (Arm("a b", 1.0), Arm("a-b", 1.0)),
    "case": (Arm("A", 1.0), Arm("a", 1.0)),
    "punctuation": (Arm("", "half of it"), Arm("", "half (of it)")),
    "start outside the grid": (Arm("a", 1.0), Arm("b", 1.0, start=Arm("A", 1.0))),
    "start with other settings": (Arm("a", 1.0), Arm("b", 1.0, start=Arm("a", 1.0, {"tree.hops": 1}))),
    "two starts": (Arm("a", 1.0, start=Arm("c", 1.0)), Arm("b", 1.0, start=Arm("c", 1.0, {"tree.hops": 1}))),
}


@pytest.mark.parametrize("arms", _CLASHES.values(), ids=list(_CLASHES))
def test_two_trainings_in_one_folder_are_refused(arms: tuple[Arm, ...]) -> None:
    with pytest.raises(
        InputError, match=r"^study 'x': the arms '.+' of linear and '.+' of linear would both be trained in"
    ):
        Study("x", "Why?", "x", arms, ("linear",))
    Study("x", "Why?", "x", (arms[0], Arm("b", 1.0, start=arms[0])), ("linear", "kp4sr"))


def test_some_backends_of_a_study() -> None:
    noise = find_study("noise")
    assert noise.of_backends(()) is noise
    assert noise.of_backends(["sequence"]).backends == ("sequence",)
    assert noise.of_backends(["sequence", "kp4sr"]).backends == noise.backends
    with pytest.raises(UnknownNameError, match="Study 'noise' has kp4sr, sequence"):
        noise.of_backends(["linear"])


def test_names_that_are_no_study() -> None:
    with pytest.raises(UnknownNameError, match="degree"):
        find_study("degrees")
    with pytest.raises(ConfigError, match="is no study"):
        find_study("kptoolkit.config:Config")


@pytest.mark.embedded
@pytest.mark.slow
def test_a_study_is_trained_resumed_and_written(
    configure: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, fit, calls = configure(), pipeline.fit, list[str]()

    def counted(settings: Config, **options: Any) -> Run:
        if len(calls) == 3:
            calls.append("stop")
            raise KeyboardInterrupt
        calls.append(Path(options["run"]).name)
        return fit(settings, **options)

    monkeypatch.setattr(pipeline, "fit", counted)
    with pytest.raises(KeyboardInterrupt):
        run_study(OWN, config, output=tmp_path / "s", seeds=2)
    result = run_study(OWN, config, output=tmp_path / "s", seeds=2)
    names = [folder_name("linear", arm, seed) for seed in result.seeds for arm in OWN.arms]
    assert calls == [*names[:3], "stop", *names[3:]]
    again = run_study(OWN, config, output=tmp_path / "s", seeds=2)
    assert len(calls) == len(names) + 1
    assert json.dumps(again.to_json()) == json.dumps(result.to_json())

    assert [row.label for row in result.rows] == ["one hop, 0", "one hop, 1", "two hops, 1"]
    assert result.cases == USERS
    for each, name in zip(result.trained, names, strict=True):
        run = Run.load(tmp_path / "s" / "runs" / name)
        table_of_run = pipeline.evaluate(run).rows
        assert table_of_run[0].metrics["NDCG@10"] == pytest.approx(each.values("with score parts").mean())
        assert each.id == run.manifest.id
        assert each.figures["items"] == len(run.catalogue)
    first, second = result.rows[:2]
    for way in result.ways:
        own = [each.values(way) for each in result.trained if each.x == 1.0 and each.series == "one hop"]
        reference = [each.values(way) for each in result.trained if each.x == 0.0]
        lead = second.against[way]
        assert lead is not None
        assert lead.difference == pytest.approx(np.mean(own) - np.mean(reference))
        assert first.against[way] is None
        assert second.ndcg[way].mean == pytest.approx(np.mean(own))
    assert {file.name for file in (tmp_path / "s").iterdir() if file.is_file()} == {
        *("study.md", "table.md", "results.json", "plot.png", "plot.svg", "curves.png", "curves.svg")
    }
    raw = json.loads((tmp_path / "s" / "results.json").read_text())
    assert [each["id"] for each in raw["trained"]] == [each.id for each in result.trained]
    said = page(result)
    for part in (OWN.question, NOTICE, "Ring world.", "seeds 2308, 2309", table(result)):
        assert part in said
    with pytest.raises(RunError, match=r"another tree\.hops"):
        run_study(
            Study("own", OWN.question, OWN.axis, OWN.arms, ("linear",), {"tree.hops": 3}),
            config,
            output=tmp_path / "s",
            seeds=2,
        )


@pytest.mark.embedded
@pytest.mark.slow
def test_wrong_triples_reach_the_run(configure: Callable[..., Config], tmp_path: Path) -> None:
    result = run_study(OWN, configure(), output=tmp_path / "s", mode="quick")
    runs = [Run.load(tmp_path / "s" / "runs" / folder_name("linear", arm, 2308)) for arm in OWN.arms[:2]]
    true, wrong = (run.files.neighbourhoods() for run in runs)
    assert true.content_hash != wrong.content_hash
    triples = Triples.of(wrong)
    assert len(Triples.of(true)) == len(triples) > 0
    share = len(triples.without(Triples.of(true))) / len(triples)
    assert [each.figures.get("added triples") for each in result.trained] == [None, share]
    assert share == 1, "the axis says so"
    assert not (tmp_path / "s" / "runs" / folder_name("linear", OWN.arms[2], 2308)).exists()


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_the_command_runs_somebodys_own_study(
    configure: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure()
    module = "from kptoolkit.studies import Arm, Study\nMINE = Study('mine', 'Why?', 'hops', (Arm('', 1.0), "
    module += "Arm('', 2.0, {'tree.hops': 2})), ('linear',), {'tree.hops': 1})\n"
    (tmp_path / "my_studies.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["study", "my_studies:MINE", "--data", str(config.data.dir), "--graph", config.graph.uri]
    words += ["--quick", "--output", "mine", "--drop-runs"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "mine/study.md" in " ".join(done.output.split())
    assert not Path("mine/runs").exists()
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert [row["label"] for row in json.loads(done.stdout)[0]["rows"]] == ["1", "2"]


def test_the_command_lists_the_studies_and_asks_for_data() -> None:
    listed = CliRunner().invoke(app, ["study"])
    assert listed.exit_code == 0
    for name in study_names():
        assert name in listed.output
    assert "give --data DIR, or --quick" in " ".join(CliRunner().invoke(app, ["study", "hops"]).output.split())
    both = CliRunner().invoke(app, ["study", "hops", "--quick", "--full"])
    assert (both.exit_code, "exclude each other" in both.output) == (2, True)


@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.slow
def test_arms_with_a_text_encoder_need_one(configure: Callable[..., Config], tmp_path: Path) -> None:
    """Without weights they are left out; with them, the random encoder has other weights and the same tokenizer."""
    arms = (
        Arm("words", "both"),
        Arm("pretrained", "both", {"parts.text_encoder": ENCODER}),
        Arm("random", "both", {"parts.text_encoder": RANDOM_ENCODER}),
    )
    study = Study("text", "Does it help?", "x", arms, ("linear",), {"tree.hops": 1})
    without = run_study(study, configure(), output=tmp_path / "s")
    assert [row.label for row in without.rows] == ["words, both"]
    config = configure()
    bert = small_encoder(tmp_path / "bert", (TemplatePack.load("books").sentence("a", "b", "c"), "Book author place"))
    config = config.with_parts(text_encoder=str(bert))
    result = run_study(study, config, output=tmp_path / "s", seeds=1)
    assert [row.label for row in result.rows] == ["words, both", "pretrained, both", "random, both"]
    runs = [Run.load(tmp_path / "s" / "runs" / folder_name("linear", arm, 2308)) for arm in arms]
    (random,) = (tmp_path / "s").glob("random-encoder-*")
    assert [run.config.parts.text_encoder for run in runs] == [None, str(bert), str(random)]
    for name, same in (("tokenizer.json", True), ("model.safetensors", False)):
        assert ((random / name).read_bytes() == (bert / name).read_bytes()) == same


@pytest.mark.parametrize("part", ["", "results"])
def test_two_studies_never_write_into_one_folder(tmp_path: Path, part: str) -> None:
    with folder_lock(tmp_path / part):
        (tmp_path / "here").touch()
        with pytest.raises(LockedError, match="another command is writing into"):
            run_study(OWN, Config(), output=tmp_path, mode="quick")
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "results"}
