"""What commands with a run read: settings, files of histories, and what they print about them."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from worlds.command import Done, kptool, refused
from worlds.marks import needs
from worlds.ring import NOTICE

from kptoolkit.cli.console import json_text
from kptoolkit.cli.session import Session
from kptoolkit.errors import InputError

PARTS = ("transitions", "co_occurrence", "popularity", "titles", "prompts", "graph_similarity")


def result(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
@needs("embedded", "process", "slow")
def quick(world: Path, graph: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of `linear`, trained in a moment on files with columns that have to be named."""
    folder = tmp_path_factory.mktemp("quick")
    data = Path(shutil.copytree(world, folder / "data"))
    _, *lines = (data / "ring.inter").read_text(encoding="utf-8").splitlines()
    (data / "ring.inter").unlink()
    rows = [line.replace("\t", ",") for line in lines]
    (data / "events.csv").write_text("\n".join(["who,what,when", *rows]) + "\n", encoding="utf-8")
    settings = {"graph.cache": folder / "cache", "prompts.cache": folder / "prompts", "model.backend": "linear"}
    settings |= {"evaluation.resamples": 200} | {f"parts.{part}": "false" for part in PARTS}
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    columns = "user=who,item=what,time=when"
    done = kptool("fit", "--data", data, "--graph", graph, "--columns", columns, "--run", folder / "run", *sets, "-q")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_files_of_histories_are_read_as_those_of_the_run(quick: Path, tmp_path: Path) -> None:
    """Whatever the settings file of the present folder says."""
    Path("kptool.toml").write_text('[data]\ncolumns = "user=3,item=4"\n')
    (tmp_path / "NOTICE").write_text("Events of a shop\n")
    (tmp_path / "new.csv").write_text("who,what,when\neve,i01,1\neve,i02,2\n")
    words = ["recommend", quick, "--user", "eve", "-k", 2, "--json"]
    done = kptool(*words, "--data", tmp_path / "new.csv")
    expected = result(kptool("recommend", quick, "--items", "i01,i02", "-k", 2, "--json"))
    assert result(done) == expected
    assert "Events of a shop" in done.stderr.splitlines()
    (tmp_path / "other.csv").write_text("reader,book\neve,i01\neve,i02\n")
    given = kptool(*words, "--data", tmp_path / "other.csv", "--columns", "user=reader,item=book")
    assert result(given) == expected
    refused(kptool(*words, "--columns", "user=reader"), "--columns says how the file of --data is read")


def test_what_is_written_back_is_said_with_the_notice(quick: Path) -> None:
    done = kptool("recommend", quick, "--all-users", "--write-back", "-k", 1)
    assert NOTICE in done.stderr.splitlines()
    plain = result(kptool("recommend", quick, "--user", "u01", "-k", 1, "--json"))
    for words in ([], ["--explain"]):
        said = result(kptool("recommend", quick, "--user", "u01", "-k", 1, "--write-back", *words, "--json"))
        assert said.keys() == {"recommendations", "written"}
        assert said["written"]["recommendations"] == 1
        assert [row["item_id"] for row in said["recommendations"]] == [row["item_id"] for row in plain]


def test_settings_of_the_evaluation_that_are_not_used_are_named(quick: Path) -> None:
    Path("kptool.toml").write_text("[evaluation]\nks = [3]\nbatch_size = 64\n")
    done = kptool("evaluate", quick, "--set", "evaluation.batch_size=64", KPTOOL_EVALUATION__BEAMS="7")
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert [line.split()[1] for line in warnings] == ["evaluation.beams", "evaluation.ks"]
    assert "the run keeps its own; --set evaluation.ks=… changes it" in warnings[1]


def test_verbose_says_what_is_used_and_how_long_it_took(quick: Path) -> None:
    Path("own.toml").write_text("[evaluation]\nks = [1, 5, 10, 20]\n")
    words = ["evaluate", quick, "--config", "own.toml"]
    environment = {"KPTOOL_TREE__HOPS": "1"}
    verbose, usual = kptool(*words, "-v", environment=environment), kptool(*words, environment=environment)
    more = [line for line in verbose.stderr.splitlines() if line not in usual.stderr.splitlines()]
    assert "settings: own.toml; from the environment: tree.hops" in more
    assert any(line.startswith("pack: auto; caches: ") for line in more)
    assert any(line.startswith("rank: linear: ") and line.endswith(" s") for line in more)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evaluate", "--set", "graph.uri=embedded:x"], "--set graph.uri: this command does not read it"),
        (["report", "--set", "evaluation.ks=[3]"], "--set evaluation.ks: this command does not read it"),
        (["recommend", "--user", "u", "--set", "evaluation.ks=[3]"], "--set evaluation.ks: this command does not read"),
        (["recommend", "--user", "u", "--set", "tree.hops=1"], "--set tree.hops: a finished run keeps the settings"),
        (["report", "--set", "model.backend=linear"], "--set model.backend: a finished run keeps the settings"),
    ],
)
@pytest.mark.process
def test_settings_that_a_command_does_not_read_are_refused(words: list[str], says: str, tmp_path: Path) -> None:
    name, *options = words
    refused(kptool(name, tmp_path, *options), says)


def test_what_a_command_reads_is_allowed() -> None:
    given = {"evaluation.beams": "9", "graph.cap": "7", "limits.file_bytes": "9"}
    Session(overrides=given).allow_only("evaluation.beams", "graph")
    with pytest.raises(InputError, match=r"--set evaluation\.beams"):
        Session(overrides=given).allow_only("evaluation.batch_size", "graph")


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--graph", "embedded:x"], "--graph"),
        (["--set", "graph.uri=embedded:x"], "--set graph.uri"),
        (["--set", "prompts.pack=books"], "--set prompts.pack"),
    ],
)
def test_a_study_of_the_bundled_set_refuses_another_graph_or_pack(words: list[str], named: str) -> None:
    refused(kptool("study", "hops", "--quick", *words), f"{named}: the bundled set has a graph and a pack of its own")
    assert not list(Path().iterdir())


@pytest.mark.process
def test_studies_are_listed_as_json() -> None:
    listed = result(kptool("study", "--json"))
    assert {"name", "question"} == listed[0].keys()
    assert "hops" in [study["name"] for study in listed]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_has_no_number_that_json_lacks(number: float) -> None:
    class Figures:
        """Something that becomes a list of numbers."""

    text = json_text({"a": [number, 1.5], "b": Figures()}, lambda value: [number, 2])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse) == {"a": [None, 1.5], "b": [None, 2]}
