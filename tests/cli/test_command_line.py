"""Manners of the command line: options on both sides of a command, completion, and mistakes found before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from kptoolkit.cli.app import app
from kptoolkit.cli.command_group import moved_behind
from kptoolkit.prompts import TemplatePack

DEMO = str(Path(__file__).parents[2] / "examples" / "demo")


def _below(path: str, command: Any) -> dict[str, Any]:
    if not hasattr(command, "commands"):
        return {path: command}
    return {
        name: child for word, each in command.commands.items() for name, child in _below(f"{path} {word}", each).items()
    }


ROOT: Any = typer.main.get_command(app)
COMMANDS = {path.strip(): command for path, command in _below("", ROOT).items()}


def kptool(*words: str, **variables: str) -> Result:
    return CliRunner().invoke(app, [*words], env=variables, prog_name="kptool")


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """A command, some of its options with values, and words after the command."""
    path = draw(st.sampled_from(sorted(COMMANDS)))
    options = [
        option for option in COMMANDS[path].params if option.param_type_name == "option" and option.name != "help"
    ]
    values = st.sampled_from(["fit", "data", "check", "7", "a b", "x.y=z", "--"])
    before: list[str] = []
    for option in draw(st.lists(st.sampled_from(options), max_size=4)):
        spelling = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        takes = [] if getattr(option, "is_flag", False) else [draw(values)]
        if takes and spelling.startswith("--") and draw(st.booleans()):
            before.append(f"{spelling}={takes[0]}")
        else:
            before += [spelling, *takes]
    return path, before, draw(st.lists(st.sampled_from(["RUN", "fit", "-q", "--json"]), max_size=3))


def sent(words: list[str]) -> list[str]:
    """The words that reach the command, with its name, through all groups."""
    group = ROOT
    path: list[str] = []
    while hasattr(group, "commands"):
        name, *words = moved_behind(group, words)
        path.append(name)
        group = group.commands[name]
    return [" ".join(path), *words]


@given(lines())
def test_options_before_a_command_reach_it_like_options_after_it(line: tuple[str, list[str], list[str]]) -> None:
    path, before, after = line
    if "--" not in before:
        assert sent([*before, *path.split(), *after]) == [path, *before, *after]
    assert sent([*path.split(), *before, *after]) == [path, *before, *after]


@pytest.mark.parametrize("words", [["--nosuch", "fit"], ["-k", "3", "fit"], ["word", "fit"], ["--", "fit"], ["--json"]])
def test_nothing_moves_that_is_no_option_of_the_command(words: list[str]) -> None:
    assert moved_behind(ROOT, words) == words
    assert kptool(*words).exit_code == 2


def test_results_are_the_same_with_options_on_either_side() -> None:
    after = kptool("data", "stats", DEMO, "-q", "--json")
    assert json.loads(after.stdout)["users"] == 300
    for words in (["-q", "--json", "data", "stats", DEMO], ["data", "-q", "--json", "stats", DEMO]):
        assert kptool(*words).stdout == after.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = kptool("--show-completion", shell)
    assert script.exit_code == 0
    assert "_KPTOOL_COMPLETE" in script.stdout
    said = kptool(
        _KPTOOL_COMPLETE=f"complete_{shell}",
        COMP_WORDS="kptool eva",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="kptool eva",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert "evaluate" in said.stdout
    assert "recommend" not in said.stdout


@pytest.mark.parametrize("name", ["shuffled", "no-knowledge", "all"])
def test_a_control_given_as_a_run_is_refused_with_the_option_that_takes_it(name: str) -> None:
    said = kptool("evaluate", "runs/first", "--controls", name)
    assert said.exit_code == 2
    assert f"there is no run {name}; --controls takes no name" in said.stderr
    assert "--control " in said.stderr


def test_the_packs_of_a_project_are_found_by_name() -> None:
    """``kptool init`` writes packs into ``templates/``; the one of the settings is meant where names are the same."""
    TemplatePack.load("music").save("templates/mine")
    listed = json.loads(kptool("templates", "list", "--json").stdout)
    assert [row["name"] for row in listed].count("music") == 2
    assert kptool("templates", "show", "mine").stdout.startswith("music (")
    assert "no template pack 'mien'; nearest: mine" in kptool("templates", "show", "mien").stderr
    assert "templates/mine: no mistakes" in kptool("templates", "check").stdout
    copy = TemplatePack.load("books").save("templates/books")
    (copy / "pack.yaml").write_text((copy / "pack.yaml").read_text().replace("description: ", "description: Own. "))
    assert ": Own. " not in kptool("templates", "show", "books").stdout
    Path("kptool.toml").write_text("[prompts]\npack = 'templates/books'\n")
    for words in (["show", "books"], ["show"]):
        assert ": Own. " in kptool("templates", *words).stdout
