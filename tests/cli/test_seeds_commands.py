"""``fit --seeds``, ``evaluate`` of several runs and ``--ensemble`` on the command line."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds.command import Done, interrupt, kptool, refused, sets
from worlds.ring import NOTICE

from kptoolkit.config import Config
from kptoolkit.runs.run import Run
from kptoolkit.testing.small_worlds import ITEMS, USERS

pytestmark = [pytest.mark.embedded, pytest.mark.slow, pytest.mark.long]
SEED = Config().training.seed
FIRST, SECOND = f"seed-{SEED}", f"seed-{SEED + 1}"


def result(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def words(inputs: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A command that trains two runs; ``--run`` and its folder come last."""
    folder = tmp_path_factory.mktemp("grid") / "seeds"
    return ["fit", *inputs, *sets(training__epochs=12, training__patience=100), "--seeds", "2", "--run", str(folder)]


@pytest.fixture(scope="module")
def grid(words: list[str]) -> tuple[Path, Done]:
    """Folder of two runs whose training was killed in the second, and what the same command said then."""
    folder = Path(words[-1])
    code, said = interrupt(
        words, lambda: any((folder / SECOND).glob("checkpoints/*/complete")), folder.parent, by=signal.SIGKILL
    )
    assert code == -signal.SIGKILL, said
    assert f"seed {SEED} (1 of 2): 0/1 run  into {folder / FIRST}" in said
    return folder, kptool(*words, "--json")


def test_fit_killed_in_the_second_run_and_the_same_command_again(grid: tuple[Path, Done], words: list[str]) -> None:
    folder, done = grid
    report = result(done)
    assert [run["seed"] for run in report["runs"]] == [SEED, SEED + 1]
    assert [run["run"] for run in report["runs"]] == [str(folder / FIRST), str(folder / SECOND)]
    assert f"seed {SEED} (1 of 2): 1/1 run  finished earlier" in done.stderr
    lines = [text for text in done.stderr.splitlines() if f"seed {SEED + 1}: train: " in text]
    assert int(lines[0].partition("train: ")[2].split("/")[0]) > 4, "it resumes after the first checkpoint"
    before = [(folder / name / "manifest.json").read_bytes() for name in (FIRST, SECOND)]
    shown = kptool(*words, "-q")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert FIRST in shown.stdout
    assert SECOND in shown.stdout
    assert NOTICE in shown.stdout
    assert [(folder / name / "manifest.json").read_bytes() for name in (FIRST, SECOND)] == before


def test_one_table_for_a_folder_of_runs(grid: tuple[Path, Done]) -> None:
    folder, _ = grid
    (report,) = result(kptool("evaluate", folder, "--ensemble", "--json"))
    names = ["kp4sr", "kp4sr alone", "popularity", "item-kNN", "ensemble of 2 runs"]
    assert [row["name"] for row in report["rows"]] == names
    assert report == json.loads((folder / "metrics-test.json").read_text())
    (again,) = result(kptool("evaluate", folder / FIRST, folder / SECOND, "--ensemble", "--json"))
    assert again == report, "the runs one by one are the same as their folder"
    shown = kptool("evaluate", folder, "--ensemble", "-q", COLUMNS="80")
    assert (shown.returncode, shown.stderr) == (0, "")
    table = [line for line in shown.stdout.splitlines() if line and line[0] in "┏┃┡│└"]
    assert max(map(len, table)) <= 80
    for row in report["rows"][:-1]:
        line = next(line for line in table if line.startswith(f"│ {row['name']} "))
        assert f"{row['metrics']['NDCG@10']:.4f}" in line
    assert "ensemble of 2" in [line for line in table if "│" in line][-2]
    assert f"leave-one-out, {USERS} test cases, {ITEMS} items, full catalogue" in shown.stdout
    assert f"seeds {SEED}, {SEED + 1}\n" in shown.stdout
    assert NOTICE in shown.stdout


def test_an_unfinished_run_is_left_out_and_named(grid: tuple[Path, Done], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(grid[0], tmp_path / "seeds"))
    path = folder / SECOND / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "training"}))
    done = kptool("evaluate", folder, "--json")
    assert result(done)[0]["run"] == str(folder / FIRST)
    assert f"{folder / SECOND} is not finished and left out" in done.stderr


def test_recommend_by_the_mean_of_the_scores(grid: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = grid
    rows = result(kptool("recommend", folder, "--ensemble", "--user", "u01", "-k", 3, "--json"))
    runs = [Run.load(folder / name) for name in (FIRST, SECOND)]
    case = runs[0].case_of("u01")
    scores = [run.score(case)[0].astype(float) for run in runs]
    mean = np.mean([(each - each.mean()) / each.std() for each in scores], axis=0)
    mean[case.items] = -np.inf
    best = np.argsort(-mean, kind="stable")[:3]
    assert [row["item_id"] for row in rows] == [str(runs[0].catalogue.item_ids[item]) for item in best]
    assert [row["score"] for row in rows] == pytest.approx(mean[best].tolist())
    assert rows[0].keys() == {"rank", "item_id", "title", "score"}
    table = kptool("recommend", folder / FIRST, folder / SECOND, "--ensemble", "--user", "u01", "-q")
    assert table.returncode == 0
    assert "Next for u01" in table.stdout
    words = ("recommend", folder, "--ensemble", "--all-users", "--output", "all.parquet", "-k", 2, "--json")
    assert result(kptool(*words))["users"] == USERS
    assert len(pd.read_parquet(tmp_path / "all.parquet")) == 2 * USERS


def test_what_is_refused(grid: tuple[Path, Done], words: list[str], tmp_path: Path) -> None:
    folder, _ = grid
    refused(kptool(*words, "--resume"), "--seeds and --resume exclude each other")
    refused(kptool(*words[:-1], folder / FIRST), "is itself a run")
    refused(kptool(*words, "--set", "tree.hops=1"), "finished run with another tree.hops", "--overwrite")
    refused(kptool("evaluate", folder, folder / FIRST), "given twice")
    refused(kptool("evaluate", folder / FIRST, "--ensemble"), "need several runs")
    refused(kptool("recommend", folder, "--user", "u01"), "holds several runs", FIRST, "--ensemble")
    refused(kptool("recommend", folder / FIRST, folder / SECOND, "--user", "u01"), "2 runs given", "--ensemble")
    refused(kptool("recommend", folder, "--ensemble", "--user", "u01", "--explain"), "--ensemble excludes --explain")
    other = Path(shutil.copytree(folder / SECOND, tmp_path / "other"))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["fingerprints"]["interactions"] = "others"
    (other / "manifest.json").write_text(json.dumps(manifest))
    refused(kptool("evaluate", folder / FIRST, other), str(other), "other interactions")
