"""Filters of a pack are code: nothing runs them unless an installed package names them or the user says so."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kptool_lines import commands
from source_tree import PACKAGE, sources
from typer.testing import CliRunner

from kptoolkit.cli.app import app
from kptoolkit.errors import TemplateError
from kptoolkit.prompts import TemplatePack, check_pack, choose_pack

READERS = {
    *("TemplatePack.load", "Run.load", "check_pack", "choose_pack", "read_parts", "prepare", "fit_seeds"),
    *("fit", "pipeline.fit"),
}
"""Functions and methods that read a pack or a run and take ``trust_code``."""
SHIPPED = {"cli/demo.py", "cli/doctor.py", "prompts/pack_choice.py", "testing/small_worlds.py"}
"""Files that load shipped packs by name, among other things."""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack whose filter is in a module that leaves a file behind when it is imported."""
    (tmp_path / "planted.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\ndef sh(text):\n    return text + '!'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "planted", raising=False)
    folder = TemplatePack.load("generic").save(tmp_path / "pack")
    with (folder / "pack.yaml").open("a") as file:
        file.write("filters: {sh: 'planted:sh'}\n")
    with (folder / "relations.yaml").open("a") as file:
        file.write("likes: {forward: '{{ head | sh }} likes {{ tail }}.'}\n")
    return folder


@pytest.mark.parametrize(
    "read",
    [TemplatePack.load, lambda folder: choose_pack(str(folder), dict), lambda folder: check_pack(folder)[0].error()],
)
def test_python_runs_no_filter_unasked(planted: Path, read: Callable[[Path], object]) -> None:
    try:
        said = read(planted)
    except TemplateError as error:
        said = error
    assert "'sh': the filter planted:sh is Python code that no installed package names" in str(said)
    assert "--trust-code (in Python trust_code=True)" in str(said)
    assert not (planted.parent / "ran").exists()


def test_only_the_filter_is_wrong_with_such_a_pack(planted: Path) -> None:
    assert [finding.key for finding in check_pack(planted)] == ["sh"]
    assert check_pack(planted, trust_code=True) == []
    assert TemplatePack.load(planted, trust_code=True).sentence("a", "likes", "b") == "a! likes b."
    assert (planted.parent / "ran").exists()


@pytest.mark.parametrize("words", [["show"], ["check"], ["check", "--json"]])
def test_commands_run_no_filter_unasked(planted: Path, words: list[str]) -> None:
    done = CliRunner().invoke(app, ["templates", words[0], str(planted), *words[1:]])
    assert done.exit_code == 2
    assert "--trust-code" in done.output
    assert not (planted.parent / "ran").exists()
    trusted = CliRunner().invoke(app, ["templates", words[0], str(planted), *words[1:], "--trust-code"])
    assert trusted.exit_code == 0, trusted.output
    assert (planted.parent / "ran").exists()


def test_a_filter_of_an_installed_pack_is_trusted_wherever_it_is_named(
    planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = planted.parent / "planted-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n", encoding="utf-8")
    (planted.parent / "where.py").write_text(f"folder = {str(planted)!r}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[kptoolkit.templates]\nplanted = where:folder\n", encoding="utf-8")
    assert TemplatePack.load("planted").sentence("a", "likes", "b") == "a! likes b."
    copied = TemplatePack.load("planted").save(planted.parent / "copy")
    assert TemplatePack.load(copied).has("likes")
    with (copied / "pack.yaml").open("a") as file:
        file.write("  other: os:system\n")
    with pytest.raises(TemplateError, match="'other': the filter os:system is Python code"):
        TemplatePack.load(copied)


def test_every_command_that_reads_packs_or_runs_asks_for_trust() -> None:
    asking = {path for path, command in commands() if "trust_code" in {each.name for each in command.params}}
    assert asking == {
        *("init", "render-prompts", "tree", "fit", "compile", "evaluate", "recommend", "report", "study", "doctor"),
        *("data check", "templates show", "templates check", "templates coverage", "templates new"),
    }


def test_no_reader_forgets_to_pass_trust_on() -> None:
    forgotten = []
    for file in sources():
        name = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or name in SHIPPED:
                continue
            called = ast.unparse(node.func)
            if called in READERS and "trust_code" not in {keyword.arg for keyword in node.keywords}:
                forgotten.append(f"{name}:{node.lineno} {called}")
    assert not forgotten
