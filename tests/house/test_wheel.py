"""The wheel, in an environment of its own outside the checkout, is whole; the README is walked with it."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from source_tree import CHECKOUT
from wheel_environment import built_wheel, environment_of, programs_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return built_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel."""
    return environment_of(wheel, tmp_path_factory.mktemp("environment"))


def run(environment: Path, command: Sequence[str], cwd: Path) -> str:
    """Standard output of a program of the environment, away from the checkout."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(programs_of(environment) / command[0]), *command[1:]],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout


def test_wheel_holds_what_is_not_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for in_wheel, in_checkout in (("templates", "templates"), ("cypher", "cypher"), ("demo_data", "examples/demo")):
        tracked = subprocess.run(
            ["git", "ls-files", "-z", in_checkout], cwd=CHECKOUT, capture_output=True, text=True, check=False
        ).stdout
        files = [Path(name) for name in tracked.split("\0") if name]
        files = files or [p.relative_to(CHECKOUT) for p in (CHECKOUT / in_checkout).rglob("*") if p.is_file()]
        assert files, in_checkout
        expected = {f"kptoolkit/{in_wheel}/{file.relative_to(in_checkout).as_posix()}" for file in files}
        assert expected <= inside, expected - inside
    assert {"kptoolkit/py.typed", "kptoolkit/tree/draw/page.css", "kptoolkit/tree/draw/page.js"} <= inside
    assert {f"kptoolkit/report/{name}" for name in ("report.html", "pictures.html", "report.css")} <= inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert not [name for name in inside if name.startswith(("tests/", "kptoolkit/tests/")) or name.endswith(".pyc")]


def test_the_environment_runs_the_wheel(environment: Path, tmp_path: Path) -> None:
    script = (
        "import json, kptoolkit, kptoolkit.resources as r\n"
        "print(json.dumps([kptoolkit.__file__, *map(str, (r.templates_dir(), r.cypher_dir(), r.demo_data_dir()))]))"
    )
    for path in json.loads(run(environment, ["python", "-c", script], tmp_path)):
        assert Path(path).resolve().is_relative_to(environment.resolve())
        assert Path(path).exists()


def test_commands_answer(environment: Path, tmp_path: Path) -> None:
    assert "load-kg" in run(environment, ["kptool", "--help"], tmp_path)
    listed = run(environment, ["kptool", "templates", "list"], tmp_path)
    assert all(pack in listed for pack in ("books", "generic", "movies"))
