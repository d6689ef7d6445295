"""A run of somebody else names code: no command imports or starts it unless the user agreed to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kptool_lines import commands
from source_tree import sources
from typer.testing import CliRunner

import kptoolkit
from kptoolkit.cli.app import app
from kptoolkit.cli.session import Session
from kptoolkit.config import Config, GraphConfig, load_config, to_toml
from kptoolkit.errors import ConfigError
from kptoolkit.resources import CODE, TRUST_FIX, named_code
from kptoolkit.runs.manifest import Manifest, write_json
from kptoolkit.runs.refresh_run import graph_of
from kptoolkit.runs.run import Run
from kptoolkit.runs.run_settings import plain_settings
from kptoolkit.runs.several_runs import SeedsFolder
from kptoolkit.storage.arrays import checksum

PARTS = ("catalogue.parquet", "interactions.parquet", "pack/pack.yaml", "neighbourhoods/x", "backend/x", "parts/x")
NAMED = {
    "model.backend": "planted:Backend",
    "tree.ranking": "planted:ranking",
}
OPENING = {
    "evaluate": ["evaluate", "RUN"],
    "recommend": ["recommend", "RUN", "--user", "u"],
    "report": ["report", "RUN"],
    "compile": ["compile", "RUN", "--refresh"],
}
"""Commands that open a run, by name."""


def received(folder: Path, **settings: str) -> Path:
    """Write a run whose settings name code; it has all parts and right checksums."""
    config = load_config(overrides={key.replace("__", "."): value for key, value in settings.items()}, environ={})
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(to_toml(config), encoding="utf-8")
    for part in PARTS:
        (folder / part).parent.mkdir(exist_ok=True)
        (folder / part).write_text("x")
    files = {name: checksum(folder / name) for name in ("config.toml", *PARTS)}
    manifest = Manifest(status="finished", settings=plain_settings(config), files=files)
    write_json(folder / "manifest.json", vars(manifest))
    return folder


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the module ``planted`` leaves behind when it is imported."""
    folder, found = tmp_path / "modules", tmp_path / "ran"
    folder.mkdir()
    (folder / "planted.py").write_text(f"from pathlib import Path\nPath({str(found)!r}).touch()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "planted", raising=False)
    return found


@pytest.mark.parametrize("setting", NAMED)
@pytest.mark.parametrize("command", OPENING)
def test_no_command_imports_what_a_run_names(tmp_path: Path, ran: Path, command: str, setting: str) -> None:
    run = received(tmp_path / "run", **{setting: NAMED[setting]})
    words = [str(run) if word == "RUN" else word for word in OPENING[command]]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2, done.output
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert error.startswith(f"error: run {run}: {setting} is the ")
    assert NAMED[setting] in error
    assert TRUST_FIX in error
    assert not ran.exists()
    trusted = CliRunner().invoke(app, [*words, "--trust-code"])
    assert TRUST_FIX not in trusted.output


def test_the_list_of_commands_that_open_a_run_is_whole() -> None:
    taking = {path for path, command in commands() if {"run", "runs"} & {each.name for each in command.params}}
    assert taking - {"fit", "demo"} == set(OPENING), "fit writes a run, and reads one only with the same settings"


@pytest.mark.parametrize("opened", [Run.load, kptoolkit.load])
@pytest.mark.parametrize("trust", [False, (), {"planted:other", "os:system"}])
def test_python_imports_nothing_unasked(tmp_path: Path, ran: Path, opened: Callable[..., Any], trust: Any) -> None:
    run = received(tmp_path / "run", model__backend="planted:Backend")
    with pytest.raises(ConfigError, match="planted:Backend, Python code that no installed package names"):
        opened(run, trust_code=trust)
    assert not ran.exists()


@pytest.mark.parametrize("trust", [True, {"planted:Backend"}])
def test_python_opens_what_is_trusted(tmp_path: Path, trust: Any) -> None:
    run = Run.load(received(tmp_path / "run", model__backend="planted:Backend"), trust_code=trust)
    assert run.config.model.backend == "planted:Backend"


def test_runs_of_seeds_are_opened_by_the_settings_that_trained_them(tmp_path: Path) -> None:
    config = load_config(overrides={"model.backend": "planted:Backend"}, environ={})
    seeds = SeedsFolder(tmp_path / "seeds")
    (own,) = seeds.settings(config, 1)
    received(seeds.run(own.training.seed).path, model__backend="planted:Backend", training__seed=str(own.training.seed))
    (run,) = seeds.finished([own], overwrite=False)
    assert run is not None


def test_what_the_own_settings_name_is_agreed_to(tmp_path: Path) -> None:
    Path("kptool.toml").write_text('[model]\nbackend = "planted:Backend"\n[evaluation]\nrectools = "bin/python"\n')
    session = Session(environ={})
    assert isinstance(session.trust_code, frozenset)
    assert {"planted:Backend", "bin/python"} <= session.trust_code
    given = Session(overrides={"tree.ranking": "planted:ranking"}, environ={})
    assert "planted:ranking" in named_code({"tree": {"ranking": "planted:ranking"}})
    assert isinstance(given.trust_code, frozenset)
    assert "planted:ranking" in given.trust_code
    assert Session(trust_all=True, environ={}).trust_code is True
    Run.load(received(tmp_path / "run", model__backend="planted:Backend"), trust_code=session.trust_code)


def test_a_program_that_a_run_names_is_not_started(tmp_path: Path) -> None:
    folder = received(tmp_path / "run", evaluation__rectools="/bin/planted")
    assert Run.load(folder).config.evaluation.rectools is None
    assert Run.load(folder, trust_code=True).config.evaluation.rectools == Path("/bin/planted")
    assert Run.load(folder, trust_code={"/bin/planted"}).config.evaluation.rectools == Path("/bin/planted")
    own = Run.load(folder, {"rectools": Path("/bin/own")}).config.evaluation
    assert own.rectools == Path("/bin/own")


def test_cypher_queries_that_a_run_names_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, own = GraphConfig(cypher=Path("theirs")), {"graph.cypher": "own"}

    def chosen(trained: GraphConfig, overrides: dict[str, Any], *, trust: bool = False) -> Path | None:
        return Session(overrides=overrides, trust_all=trust, verbosity=-1, environ={}).graph(trained).cypher

    with pytest.raises(ConfigError, match="the run names Cypher queries of its own, in theirs"):
        chosen(trained, {})
    assert chosen(trained, {}, trust=True) == Path("theirs")
    assert chosen(trained, own) == Path("own")
    assert chosen(GraphConfig(), {}) is None
    monkeypatch.setenv("KPTOOL_GRAPH__CYPHER", "theirs")
    assert Session(verbosity=-1).graph(trained).cypher == Path("theirs")


@pytest.mark.parametrize("trust", [False, {"own"}])
def test_a_refresh_in_python_runs_no_queries_unasked(tmp_path: Path, trust: Any) -> None:
    run = Run.load(received(tmp_path / "run", graph__cypher="theirs"), trust_code=trust)
    with pytest.raises(ConfigError, match="in theirs; none was run"):
        graph_of(run)


def test_every_setting_that_names_code_is_known() -> None:
    importing = [
        line.strip()
        for file in sources()
        for line in file.read_text(encoding="utf-8").splitlines()
        if "installed_object(" in line and "def " not in line
    ]
    assert len(importing) == len(CODE) + 1, f"studies are named on the command line alone: {importing}"
    described = {
        f"{section}.{name}"
        for section, field in Config.model_fields.items()
        for name, setting in field.annotation.model_fields.items()  # type: ignore[union-attr]
        if "module:" in (setting.description or "")
    }
    assert described == set(CODE)
