"""``fit``, ``compile``, ``evaluate`` and ``recommend`` on the command line: output, mistakes, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from worlds.command import Done, interrupt, kptool, python, refused, sets
from worlds.ring import COMMAS, NOTICE, SAME_NAME

from kptoolkit import pipeline
from kptoolkit.evaluation.baselines import BASELINES
from kptoolkit.evaluation.controls import STANDARD
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow]
WAYS = ("events of the target", "length of the history", "triples of the target")


def result(done: Done) -> Any:
    """What a command with ``--json`` printed; it must be JSON from the first to the last character."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- fit and compile ----------------------------------------------------------------------------------------------


def test_fit_prints_json_on_standard_output_and_progress_on_standard_error(fitted: tuple[Path, Done]) -> None:
    folder, done = fitted
    report = result(done)
    assert report["run"] == str(folder)
    assert report["training"]["epochs"] == 3
    assert report["knowledge"]["items"] == ITEMS
    assert report["notice"] == NOTICE
    assert "train: 12/12 steps" in done.stderr
    assert Run.load(folder).manifest.status == "finished"


def test_a_quiet_fit_prints_its_table_alone(inputs: list[str], tmp_path: Path) -> None:
    done = kptool("fit", *inputs, "--set", "training.epochs=1", "--run", tmp_path / "run", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert "users with training events" in done.stdout
    assert re.search(r"epochs\W+1, best 1\W*\n", done.stdout), "whole figures have no decimals"
    assert re.search(r"weight: backend\W+\d+\.\d\d\W*\n", done.stdout)
    assert NOTICE in done.stdout


def test_compile_prints_json_alone(inputs: list[str]) -> None:
    report = result(kptool("compile", *inputs, "--json"))
    assert (report["items"], report["linked_items"], report["rows_beyond_cap"]) == (ITEMS, ITEMS - 1, 0)
    assert report["triples_per_item"] > 2
    assert report["left_out_nameless"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "model.dmodel=8"], ["unknown setting model.dmodel", "did you mean d_model?"]),
        (["--set", "model.d_model=4"], ["model.d_model", "greater than or equal to 8", "4"]),
        (["--set", "model.checkpoint=./no-t5"], ["model.checkpoint: './no-t5' is neither a folder"]),
        (["--data", "short.inter"], ["no user has 3 events, the longest history has 2"]),
        (["--data", "strange.inter"], ["no item of the interactions is linked to the graph", "--link"]),
    ],
)
def test_fit_with_wrong_inputs(inputs: list[str], words: list[str], says: list[str], tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    Path("short.inter").write_text(header + "".join(f"u{n // 2}\ti{n % 4:02d}\t{n}\n" for n in range(12)))
    Path("strange.inter").write_text(header + "".join(f"u{n % 3}\tx{n}\t{n}\n" for n in range(12)))
    refused(kptool("fit", *inputs, "--run", tmp_path / "run", *words), *says)


@pytest.mark.parametrize("backend", ["sequence", "kp4sr"])
def test_fit_on_users_with_one_training_event_each(inputs: list[str], backend: str, tmp_path: Path) -> None:
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    events = tmp_path / "few.inter"
    events.write_text(header + "".join(f"u{n // 3}\ti{n:02d}\t{n}\n" for n in range(6)))
    words = ["fit", *inputs, "--data", events, "--run", tmp_path / "run", "--set", f"model.backend={backend}"]
    says = ["no user has 2 training events, the most are 1", "needs 4 events", 'data.split = "temporal"']
    refused(kptool(*words), *says)
    assert not (tmp_path / "run").exists()


def test_the_command_that_is_put_right_is_not_held_up(inputs: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    refused(kptool("fit", *inputs, "--run", folder, "--set", "model.checkpoint=./no-t5"), "no-t5")
    done = kptool("fit", *inputs, "--run", folder, "--set", "training.epochs=1", "--json")
    assert result(done)["training"]["epochs"] == 1


def test_a_finished_run_is_not_trained_over(run: Path, inputs: list[str]) -> None:
    refused(kptool("fit", *inputs, "--run", run), "holds a finished run", "--overwrite")


def test_ctrl_c_in_fit_and_the_same_command_again(inputs: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["fit", *inputs, "--run", str(folder), *sets(training__epochs=30, training__patience=100)]
    code, said = interrupt(words, lambda: any(folder.glob("checkpoints/*/complete")), tmp_path)
    assert code == 130, said
    assert "interrupted; the same command continues" in said
    assert "Traceback" not in said
    refused(kptool("recommend", folder, "--user", "u01"), "is not finished", "--resume")
    done = kptool(*words, "--json")
    assert result(done)["training"]["epochs"] == 30
    steps = [int(text.split()[1].split("/")[0]) for text in done.stderr.splitlines() if text.startswith("train: ")]
    assert steps[0] > 4, "it resumes after the first checkpoint"
    assert len(result(kptool("recommend", folder, "--user", "u01", "-k", 3, "--json"))) == 3


@pytest.mark.long
def test_kill_9_in_fit_and_resume(inputs: list[str], tmp_path: Path) -> None:
    """The run ends with the weights, bit for bit, of one that was not killed."""
    settings = sets(training__epochs=12, training__eval_every=2, training__patience=100, training__precision="fp32")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result(kptool("fit", *inputs, *settings, "--run", whole, "--json"))
    words = ["fit", *inputs, *settings, "--run", str(killed)]
    code, said = interrupt(words, lambda: any(killed.glob("checkpoints/*/complete")), tmp_path, by=signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    assert json.loads((killed / "manifest.json").read_text())["status"] == "training"
    remedy = refused(kptool("recommend", killed, "--user", "u01"), "is not finished").split("`")[1]
    words_of_remedy = shlex.split(remedy)
    assert words_of_remedy == ["kptool", "fit", "--run", str(killed), "--resume"]
    refused(kptool(*words_of_remedy[1:], "--set", "tree.hops=1"), "unfinished run with another tree.hops")
    resumed = kptool(*words_of_remedy[1:], "--json", "--set", "training.max_minutes=9")
    assert result(resumed)["training"]["epochs"] == 12, "another time budget is no other training"
    one, other = (Run.load(folder) for folder in (whole, killed))
    assert other.config.training.max_minutes == 9
    assert np.array_equal(one.backend.score(one.split.test), other.backend.score(other.split.test))
    weights, others = (run.backend.fitted.model.state_dict() for run in (one, other))  # type: ignore[attr-defined]
    assert all(weight.equal(others[name]) for name, weight in weights.items())


@pytest.mark.long
def test_fit_and_evaluate_in_two_processes(inputs: list[str], tmp_path: Path) -> None:
    """The same total batch, so the same training; one of them asks the graph, writes and speaks."""
    reports = {}
    for count, batch in ((1, 16), (2, 8)):
        changes = sets(training__batch_size=batch, model__dropout=0.0)
        words = ["fit", *inputs, *changes, "--run", str(tmp_path / f"of-{count}"), "--json"]
        launched = ["-m", "--", "kptoolkit"] if count > 1 else ["-m", "kptoolkit"]
        reports[count] = result(python(*launched, *words, count=count))
    assert reports[2]["training"]["best"] == pytest.approx(reports[1]["training"]["best"], abs=1e-6)
    assert reports[2]["knowledge"] == reports[1]["knowledge"]
    assert reports[2]["training"]["epochs"] == reports[1]["training"]["epochs"]
    one, two = (Run.load(tmp_path / f"of-{count}").recommender.parts.weights for count in (1, 2))
    assert len(one) > 3
    assert two == pytest.approx(one, rel=0.01, abs=1e-4)
    asked = ("-m", "--", "kptoolkit", "evaluate", str(tmp_path / "of-2"), "--controls", "--json")
    (table,) = result(python(*asked, count=2))
    assert table == json.loads((tmp_path / "of-2" / "metrics-test.json").read_text())
    alone = pipeline.evaluate(Run.load(tmp_path / "of-1"), controls=STANDARD).to_json()
    for one, two in zip(alone["rows"], table["rows"], strict=True):
        assert two["name"] == one["name"]
        assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-6)
    answer = kptool("recommend", tmp_path / "of-2", "--user", "u01", "-k", 3, "--json")
    assert len(result(answer)) == 3


@pytest.mark.long
def test_what_is_wrong_ends_both_processes(inputs: list[str], tmp_path: Path) -> None:
    done = python(
        "-m",
        "--",
        "kptoolkit",
        "fit",
        *inputs,
        "--data",
        str(tmp_path / "none"),
        "--run",
        str(tmp_path / "run"),
        count=2,
    )
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert str(tmp_path / "none") in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_ctrl_c_in_compile_and_the_same_command_again(tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    rows = [f"e{n}\tr{n % 5}\te{(7 * n + m) % 3000}" for n in range(3000) for m in (1, 2)]
    (folder / "big.kg").write_text("\n".join(["head_id\trelation_id\ttail_id", *rows]) + "\n")
    (folder / "big.ent").write_text("entity_id\tname\n" + "".join(f"e{n}\tThing {n}\n" for n in range(3000)))
    (folder / "big.link").write_text("item_id\tentity_id\n" + "".join(f"i{n}\te{n}\n" for n in range(400)))
    (folder / "big.inter").write_text("user_id\titem_id\n" + "".join(f"u{n % 40}\ti{n}\n" for n in range(400)))
    result(kptool("load-kg", folder, "--json"))
    words = ["compile", "--data", str(folder), "--set", "graph.frontier=1"]
    code, said = interrupt(words, lambda: "fetch hop 1" in (tmp_path / "said").read_text(), tmp_path)
    assert code == 130, said
    assert "Traceback" not in said
    assert not [path for path in Path(".kptool").rglob("*") if path.is_file()], "nothing half-fetched is kept"
    assert result(kptool("compile", "--data", folder, "--json"))["items_with_triples"] == 400


# -- evaluate -----------------------------------------------------------------------------------------------------


def test_evaluate_heeds_settings_of_evaluation_and_refuses_others(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    (report,) = result(kptool("evaluate", folder, "--set", "evaluation.ks=[3]", "--json"))
    assert {"NDCG@3", "HR@3"} < set(report["rows"][0]["metrics"])
    refused(kptool("evaluate", folder, "--set", "evaluation.k=[3]"), "evaluation.k", "ks")
    refused(kptool("evaluate", folder, "--set", "tree.hops=1"), "tree.hops", "trained with")
    refused(kptool("recommend", folder, "--user", "u01", "--set", "data.history=1"), "data.history")


def test_evaluate_says_the_same_twice(run: Path) -> None:
    first = kptool("evaluate", run, "--json")
    (report,) = result(first)
    assert [row["name"] for row in report["rows"]] == ["kp4sr", "kp4sr alone", "popularity", "item-kNN"]
    assert report["notes"] == [NOTICE]
    assert report == json.loads((run / "metrics-test.json").read_text())
    shown = kptool("evaluate", run, "-q", COLUMNS="200")
    assert (shown.returncode, shown.stderr) == (0, "")
    table = shown.stdout
    assert f"{report['rows'][0]['metrics']['NDCG@10']:.4f}" in table
    assert f"{report['rows'][1]['metrics']['MRR']:.4f}" in table
    assert f"{USERS} test cases, {ITEMS} items, full catalogue" in table
    assert NOTICE in table


def test_evaluate_with_baselines(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    done = kptool("evaluate", folder, "--baselines", "--json")
    (report,) = result(done)
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", *(name for name in BASELINES if "SASRec" not in name)]
    assert [row["name"] for row in report["rows"]] == names
    assert report == json.loads((folder / "metrics-test.json").read_text())
    assert "tune sequential rules" in done.stderr
    shown = kptool("evaluate", folder, "--baselines", "-q", COLUMNS="200")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"settings on {USERS} validation cases" in shown.stdout
    assert "SASRec and SASRec + KG are left out: evaluation.rectools is not set" in shown.stdout
    nowhere = kptool("evaluate", folder, "--baselines", "-q", "--set", "evaluation.rectools=nowhere", COLUMNS="200")
    assert "evaluation.rectools: there is no nowhere" in nowhere.stdout
    assert re.search(r"blend: first .*, second .*, scale (log|z), weight", shown.stdout)


def test_evaluate_with_a_control_and_groups(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    refused(kptool("evaluate", folder, "--control", "mask"), "no control 'mask'", "Known: no-knowledge, ")
    assert not (folder / "controls").exists()
    words = ("evaluate", folder, "--control", "mask-off", "--control", "knowledge-only")
    (report,) = result(kptool(*words, "--json"))
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", "mask-off", "reliance", "held-out template"]
    assert [row["name"] for row in report["rows"]] == names
    assert any("no control 'knowledge-only': backend 'kp4sr'" in note for note in report["notes"])
    assert report == json.loads((folder / "metrics-test.json").read_text())
    assert {group["by"] for group in report["groups"]} == set(WAYS)
    shown = kptool(*words, "--groups", "-q", COLUMNS="80")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [line.rstrip() for line in shown.stdout.splitlines() if line.startswith("Gains by ")] == [
        f"Gains by {by}" for by in WAYS
    ]
    assert max(len(line) for line in shown.stdout.splitlines() if line[:1] in set("┏┃┡│└")) <= 80
    assert "Gains by" not in kptool("evaluate", folder, "-q").stdout


def test_what_cannot_be_evaluated(run: Path, tmp_path: Path) -> None:
    refused(kptool("evaluate", tmp_path), f"{tmp_path} is not a run", "manifest.json")
    damaged = Path(shutil.copytree(run, tmp_path / "damaged"))
    (damaged / "backend" / "model.safetensors").write_bytes(b"no weights")
    refused(kptool("evaluate", damaged), "backend/model.safetensors is not what training wrote")
    (damaged / "pack" / "mpp.yaml").unlink()
    (damaged / "backend" / "model.safetensors").write_bytes((run / "backend" / "model.safetensors").read_bytes())
    refused(kptool("evaluate", damaged), "pack/mpp.yaml is missing")


# -- recommend ----------------------------------------------------------------------------------------------------


def test_recommend_as_json_and_as_a_table(run: Path) -> None:
    rows = result(kptool("recommend", run, "--items", f"i01,{COMMAS},Book 4", "-k", 5, "--json"))
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert not {row["item_id"] for row in rows} & {"i01", "i03", "i04"}
    table = kptool("recommend", run, "--user", "u01", "-k", 2, "-q")
    assert (table.returncode, table.stderr) == (0, "")
    assert "Next for u01" in table.stdout
    assert NOTICE in table.stdout


def test_recommend_to_all_users(run: Path, tmp_path: Path) -> None:
    parts = ("--set", "evaluation.batch_size=25")
    said = result(kptool("recommend", run, "--all-users", "--output", "all.parquet", "-k", 2, "--json", *parts))
    assert said == {"users": USERS, "k": 2, "output": "all.parquet"}
    assert len(pd.read_parquet(tmp_path / "all.parquet")) == 2 * USERS
    assert pq.ParquetFile(tmp_path / "all.parquet").num_row_groups == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--user", "u0l"], ["no user 'u0l'; nearest: u"]),
        (["--items", "Bock 17"], ["no item 'Bock 17'; nearest: Book 17, "]),
        (["--items", "Twin Book"], ["'Twin Book' names 2 items: " + ", ".join(SAME_NAME)]),
        (["--items", ","], ["history is empty"]),
        ([], ["give one of --user, --items and --all-users"]),
        (["--user", "u01", "--items", "i01"], ["give one of"]),
        (["--all-users"], ["--all-users and --output FILE belong together"]),
        (["--user", "u01", "--output", "x.parquet"], ["belong together"]),
        (
            ["--all-users", "--output", "x.parquet", "--beam"],
            ["--beam needs --user or --items, and excludes --all-users"],
        ),
        (["--all-users", "--output", "no/x.parquet"], ["cannot write no/x.parquet"]),
    ],
)
def test_questions_that_cannot_be_answered(run: Path, words: list[str], says: list[str]) -> None:
    refused(kptool("recommend", run, *words), *says)


def test_no_password_in_any_output(run: Path, inputs: list[str], tmp_path: Path) -> None:
    secret = {"KPTOOL_GRAPH__PASSWORD": "s3cret-pw", "KPTOOL_GRAPH__URI": "bolt://127.0.0.1:9"}
    words = [word for word in inputs if word != "--graph" and not word.startswith("embedded:")]
    for extra in ([], ["--debug"]):
        done = kptool("fit", *words, "--run", tmp_path / "run", *extra, environment=secret)
        assert done.returncode == 1
        assert "bolt://127.0.0.1:9" in done.stderr
        assert "s3cret" not in done.stdout + done.stderr
    assert not (tmp_path / "run").exists()
    assert "KPTOOL_GRAPH__PASSWORD" not in os.environ
