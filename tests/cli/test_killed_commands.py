"""Every command that writes files is killed at its file operations: what was there stays whole, and it can be repeated.

Each command runs in a fork of this process. `KPTOOL_TEST_KILLS=1`, which `make kills` sets, kills at every operation
and also kills real processes at random moments; otherwise the test kills at some operations of the longer commands.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner
from worlds.command import line, sets
from worlds.killed import moments
from worlds.ring import load_graph, write_world

from kptoolkit.cli.app import app
from kptoolkit.cli.demo import begin
from kptoolkit.errors import InputError
from kptoolkit.graph.embedded import EmbeddedServer
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_folder import RunFolder
from kptoolkit.runs.several_runs import SeedsFolder
from kptoolkit.storage.replacement import LOCK, finish_replacement, is_own
from kptoolkit.studies.engine.study_page import PAGE

pytestmark = [pytest.mark.embedded, pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="forks and kills")]
ALL = bool(os.environ.get("KPTOOL_TEST_KILLS"))
PASSWORD = "kill-me-9-times"


@dataclass(frozen=True)
class Place:
    """Files, a graph and a finished run that the commands work with.

    Attributes:
        folder: Folder of everything.
        graph: Options that name the graph.
        train: Options of a training on it.
    """

    folder: Path
    graph: list[str]
    train: list[str]

    @property
    def out(self) -> Path:
        """Where a command writes."""
        return self.folder / "out"

    def run(self, words: list[object]) -> str:
        """Run a command in this process to its end, and return its standard output."""
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.output
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("killed")
    data = write_world(folder / "data")
    load_graph(data, folder / "kg")
    server = EmbeddedServer(folder / "kg", password=PASSWORD)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NEO4J_PASSWORD", PASSWORD)
            patch.setenv("COLUMNS", "300")
            graph = ["--graph", server.uri, "--set", f"graph.username={server.username}"]
            graph += ["--set", f"graph.database={server.database}", "--set", f"graph.cache={folder / 'cache'}"]
            small = sets(training__epochs=1, model__backend="sequence")
            train = ["--data", str(data), *graph, *small, "--set", f"prompts.cache={folder / 'prompts'}"]
            made = Place(folder, graph, train)
            made.run(["fit", *train, "--run", folder / "run"])
            yield made
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", PASSWORD)
    monkeypatch.setenv("COLUMNS", "300")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nothing(place: Place) -> None:
    shutil.rmtree(place.out, ignore_errors=True)
    place.out.mkdir()


def a_run(place: Place) -> None:
    nothing(place)
    shutil.copytree(place.folder / "run", place.out / "run")


def whole_run(place: Place, *, finished: bool = True) -> Run | None:
    """Open the run, or check that it is an unfinished one that a training can resume."""
    folder = RunFolder(place.out / "run")
    if finished or folder.is_finished:
        run = Run.load(folder.path)
        assert len(run.recommend(items=["i01"], k=3)) == 3
        return run
    assert not folder.exists or folder.read_manifest().status == "training"
    return None


def no_leftovers(folder: Path) -> None:
    assert [path.name for path in folder.iterdir() if is_own(path.name)] == []


class Scenario:
    """A command that writes.

    Attributes:
        words: Its arguments.
        every: Kill at every so many operations, unless all are wanted.
        every_of_all: Kill at every so many if all are wanted; more than 1 for a command that takes long.
        random_kills: Kill so many processes at a random moment.
    """

    every = 1
    every_of_all = 1
    random_kills = 20

    def words(self, place: Place) -> list[object]:
        raise NotImplementedError

    def before(self, place: Place) -> None:
        """Bring back what is there before the command."""
        nothing(place)

    def after_kill(self, place: Place) -> None:
        """Check what a killed command left."""

    def after_repeat(self, place: Place) -> None:
        """Check what the repeated command made."""


class Init(Scenario):
    def words(self, place: Place) -> list[object]:
        return ["init", place.out]

    every = 20

    def after_kill(self, place: Place) -> None:
        finish_replacement(place.out)
        found = {path.name for path in place.out.iterdir() if not is_own(path.name)}
        assert found in (set(), {"kptool.toml", "templates", "cypher"})
        if found:
            shutil.rmtree(place.out)  # it is complete, and the command would refuse to write over it

    def after_repeat(self, place: Place) -> None:
        no_leftovers(place.out)
        assert len(contents(place.out)) > 40


class ExportCsv(Scenario):
    """An older export with a file that the new one does not have."""

    old = "older export"
    every = 5

    def words(self, place: Place) -> list[object]:
        return ["export-csv", place.folder / "data" / "ring.kg", "--output", place.out]

    def before(self, place: Place) -> None:
        nothing(place)
        for name in ("entities.csv", "items.csv", "kptool.csv", "relationships.csv", "schema.cypher"):
            (place.out / name).write_text(self.old)

    def after_kill(self, place: Place) -> None:
        finish_replacement(place.out)
        found = {name: text for name, text in contents(place.out).items() if not is_own(name.partition("/")[0])}
        old = [text == self.old.encode() for text in found.values()]
        assert all(old) or not any(old)
        assert ("items.csv" in found) is all(old)

    def after_repeat(self, place: Place) -> None:
        no_leftovers(place.out)
        assert sorted(contents(place.out)) == ["entities.csv", "kptool.csv", "relationships.csv", "schema.cypher"]


class OneFile(Scenario):
    """A command that replaces one file."""

    def __init__(self, name: str, *words: str) -> None:
        self.name, self.given = name, words

    def words(self, place: Place) -> list[object]:
        given = [place.folder / "run" if word == "RUN" else word for word in self.given]
        return [*given, "--output", place.out / self.name, *(() if "--all-users" in given else place.graph)]

    def before(self, place: Place) -> None:
        nothing(place)
        (place.out / self.name).write_text("older")

    def after_kill(self, place: Place) -> None:
        content = (place.out / self.name).read_bytes()
        assert content == b"older" or len(content) > 100

    def after_repeat(self, place: Place) -> None:
        path = place.out / self.name
        assert path.read_bytes() != b"older"
        if path.suffix == ".csv":
            assert len(pd.read_csv(path)) == 600
        if path.suffix == ".parquet":
            assert len(pd.read_parquet(path)) == 600


class TemplatesNew(Scenario):
    every = 2

    def words(self, place: Place) -> list[object]:
        return ["templates", "new", place.out / "mine", *place.graph]

    def after_kill(self, place: Place) -> None:
        if (place.out / "mine").exists():
            place.run(["templates", "check", place.out / "mine"])
            shutil.rmtree(place.out / "mine")

    def after_repeat(self, place: Place) -> None:
        place.run(["templates", "check", place.out / "mine"])


class Compile(Scenario):
    every = 15

    def words(self, place: Place) -> list[object]:
        caches = {"graph.cache": place.out / "around", "prompts.cache": place.out / "prompts"}
        return ["compile", *place.train, *(word for key, path in caches.items() for word in ("--set", f"{key}={path}"))]

    def after_repeat(self, place: Place) -> None:
        report = json.loads(place.run([*self.words(place), "--json"]))
        assert (report["items"], report["items_with_triples"]) == (24, 23)


class Fit(Scenario):
    every = 120

    def words(self, place: Place) -> list[object]:
        return ["fit", *place.train, "--run", place.out / "run"]

    def after_kill(self, place: Place) -> None:
        if whole_run(place, finished=False):
            shutil.rmtree(place.out / "run")  # it is complete, and the command would refuse to write over it

    def after_repeat(self, place: Place) -> None:
        whole_run(place)
        no_leftovers(place.out / "run")


class FitOver(Fit):
    """The old run is whole until the new one has begun."""

    every = 120

    def words(self, place: Place) -> list[object]:
        return [*super().words(place), "--overwrite"]

    def before(self, place: Place) -> None:
        a_run(place)

    def after_kill(self, place: Place) -> None:
        run = whole_run(place, finished=False)
        assert run is not None or not list((place.out / "run").glob("backend/*")), "no model of an older training"


class Refresh(Scenario):
    every = 40

    def words(self, place: Place) -> list[object]:
        return ["compile", place.out / "run", "--refresh", *place.graph, "--json"]

    def before(self, place: Place) -> None:
        a_run(place)

    def after_kill(self, place: Place) -> None:
        whole_run(place)

    def after_repeat(self, place: Place) -> None:
        run = whole_run(place)
        assert run is not None
        assert run.manifest.reports["refreshed"] == {"new_items": 0, "items": 24, "removed": []}
        no_leftovers(run.folder)


class Evaluate(Refresh):
    every = 4

    def words(self, place: Place) -> list[object]:
        return ["evaluate", place.out / "run"]

    def after_repeat(self, place: Place) -> None:
        run = whole_run(place)
        assert run is not None
        assert run.files.evaluation("test")["rows"]
        no_leftovers(run.folder)


class EvaluateControl(Evaluate):
    every = 56

    def words(self, place: Place) -> list[object]:
        return [*super().words(place), "--control", "no-knowledge"]


class FitSeeds(Scenario):
    """Two runs: the repeated command keeps the finished one, resumes or begins the other."""

    every = 170
    every_of_all = 4

    def words(self, place: Place) -> list[object]:
        return ["fit", *place.train, "--seeds", "2", "--run", place.out / "seeds"]

    def folders(self, place: Place) -> list[RunFolder]:
        return SeedsFolder(place.out / "seeds").runs()

    def after_kill(self, place: Place) -> None:
        self.finished = {}
        for folder in self.folders(place):
            if folder.is_finished:
                self.finished[folder.path] = folder.read_manifest().started
                Run.load(folder.path)

    def after_repeat(self, place: Place) -> None:
        folders = self.folders(place)
        assert len(folders) == 2
        for folder in folders:
            assert len(Run.load(folder.path).recommend(items=["i01"], k=3)) == 3
            left = {path.name for path in folder.path.iterdir() if is_own(path.name)}
            assert left <= ({LOCK} if folder.path in self.finished else set()), "a finished run is only read"
            started = folder.read_manifest().started
            assert self.finished.get(folder.path, started) == started, "a finished run is not trained again"


class FitSeedsOver(FitSeeds):
    """Runs of other settings are replaced; one that is there is whole until its own training begins."""

    def words(self, place: Place) -> list[object]:
        return [*super().words(place), "--overwrite"]

    def before(self, place: Place) -> None:
        nothing(place)
        for seed in (2308, 2310):
            shutil.copytree(place.folder / "run", place.out / "seeds" / f"seed-{seed}")

    def after_kill(self, place: Place) -> None:
        super().after_kill(place)
        self.finished = {}


class StudyOfTwo(Scenario):
    """Two trainings, their results and a page."""

    every = 180
    every_of_all = 2

    def words(self, place: Place) -> list[object]:
        return ["study", "worlds.tiny_study:STUDY", *place.train, "--quick", "--output", place.out / "study"]

    def after_repeat(self, place: Place) -> None:
        folder = place.out / "study"
        no_leftovers(folder)
        assert len(list((folder / "results").iterdir())) == 2
        assert "Does a second hop help?" in (folder / PAGE).read_text(encoding="utf-8")


class Demo(Scenario):
    """A JVM and two trainings: with all kills alone."""

    every_of_all = 40
    random_kills = 4

    def words(self, place: Place) -> list[object]:
        return ["demo", place.out / "demo", "--minutes", "0.05"]

    def after_repeat(self, place: Place) -> None:
        folder = place.out / "demo"
        no_leftovers(folder)
        assert sorted(path.name for path in folder.iterdir()) == DEMO
        Run.load(folder / "run")


DEMO = ["data", "kg", "kptool-demo", "kptool.toml", "neighbourhoods", "prompts", "run", "tree.png"]


class LoadKg(Scenario):
    """The files are those of an embedded graph of its own."""

    def words(self, place: Place) -> list[object]:
        return ["load-kg", place.folder / "data", "--graph", f"embedded:{place.out / 'kg'}"]

    def after_repeat(self, place: Place) -> None:
        place.run(["compile", *place.train, *self.words(place)[2:]])


SCENARIOS: dict[str, Scenario] = {
    "init": Init(),
    "export-csv": ExportCsv(),
    "recommend csv": OneFile("all.csv", "recommend", "RUN", "--all-users"),
    "recommend parquet": OneFile("all.parquet", "recommend", "RUN", "--all-users"),
    "tree": OneFile("tree.html", "tree", "--item", "Book 1"),
    "report": OneFile("report.html", "report", "RUN"),
    "templates new": TemplatesNew(),
    "compile": Compile(),
    "fit": Fit(),
    "fit --overwrite": FitOver(),
    "compile --refresh": Refresh(),
    "evaluate": Evaluate(),
    "evaluate --control": EvaluateControl(),
    "fit --seeds": FitSeeds(),
    "study": StudyOfTwo(),
}
LONG: dict[str, Scenario] = {"fit --seeds --overwrite": FitSeedsOver(), "load-kg": LoadKg(), "demo": Demo()}
"""Long ones, or with a JVM for each kill: only where all kills are wanted."""
READING = {
    *("data check", "data stats", "doctor", "graph serve", "render-prompts"),
    *("templates check", "templates coverage", "templates list", "templates show"),
}
"""Commands that write no files, except for caches; ``graph serve`` opens a graph that is there."""

if ALL:
    SCENARIOS |= LONG


def command_names(path: str, command: object) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from command_names(f"{path} {name}".strip(), child)
    elif isinstance(command, TyperCommand):
        yield path


def test_every_command_that_writes_is_killed() -> None:
    known = [*SCENARIOS, *LONG]
    names = set(command_names("", typer.main.get_command(app)))
    killed = {name for name in names if any(f"{each} ".startswith(f"{name} ") for each in known)}
    assert names - killed == READING
    for each, scenario in (SCENARIOS | LONG).items():
        words = scenario.words(Place(Path(), [], []))
        assert f"{' '.join(map(str, words))} ".startswith(f"{each.split(' --')[0].split(' csv')[0].split(' parq')[0]} ")


def test_a_demo_killed_while_it_begins_can_be_begun_again(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "demo"
    begin(whole)

    def earlier() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        (folder / "run").mkdir()
        (folder / "run" / "manifest.json").touch()

    def none() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    for before in (earlier, none):
        for _ in moments(before, lambda: begin(folder)):
            begin(folder)
            assert contents(folder) == contents(whole)
            assert {path.name for path in tmp_path.iterdir()} - {"demo"} == {"whole"}
    (folder / "kptool-demo").unlink()
    with pytest.raises(InputError, match="not of an earlier demo"):
        begin(folder)


RARE = ("fit --overwrite", "fit --seeds", "report", "study")
"""They take longest; others write in the same ways."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in RARE else []) for name in SCENARIOS]
)
def test_a_command_killed_at_any_file_operation_loses_nothing(place: Place, name: str) -> None:
    scenario, kills = SCENARIOS[name], 0
    words, every = scenario.words(place), scenario.every_of_all if ALL else scenario.every
    for _ in moments(lambda: scenario.before(place), lambda: place.run(words), every):
        kills += 1
        scenario.after_kill(place)
        place.run(scenario.words(place))
        scenario.after_repeat(place)
    assert kills > 2


if ALL:

    @pytest.mark.timeout(3600)
    @pytest.mark.parametrize("name", SCENARIOS)
    def test_a_process_killed_at_a_random_moment_loses_nothing(place: Place, name: str) -> None:
        scenario, chance = SCENARIOS[name], random.Random(name)
        scenario.before(place)
        took = timed(place, scenario)
        for _ in range(scenario.random_kills):
            scenario.before(place)
            process = started(scenario.words(place))
            time.sleep(chance.uniform(0, took))
            process.send_signal(signal.SIGKILL)
            process.wait()
            scenario.after_kill(place)
            place.run(scenario.words(place))
            scenario.after_repeat(place)


def timed(place: Place, scenario: Scenario) -> float:
    """Seconds that the command takes as a process."""
    began = time.monotonic()
    assert started(scenario.words(place)).wait() == 0
    return time.monotonic() - began


def started(words: list[object]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])  # worlds.tiny_study
    quiet = subprocess.DEVNULL
    return subprocess.Popen(line(*words), stdout=quiet, stderr=quiet, env={**os.environ, "PYTHONPATH": path})
