"""Every command explains itself, and the cheap ones answer without the heavy packages."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest
from kptool_lines import commands, kptool_lines, parse
from typer.testing import CliRunner

import kptoolkit
from kptoolkit.cli.app import app
from kptoolkit.graph import open_source

HEAVY = ("torch", "transformers", "tensorboard", "matplotlib", "arcadedb_embedded")
CHEAP = (["--help"], ["load-kg", "--help"], ["templates", "list"])


def test_every_command_shows_an_example_that_parses() -> None:
    listed = dict(commands())
    assert {
        "demo",
        "load-kg",
        "export-csv",
        "render-prompts",
        "tree",
        "fit",
        "evaluate",
        "recommend",
        "report",
        "study",
        "doctor",
    } <= listed.keys()
    for path, command in listed.items():
        _, _, after = (command.help or "").partition("Example:")
        examples = kptool_lines(after)
        assert examples, f"kptool {path} --help shows no example"
        for words in examples:
            assert " ".join(words).startswith(path), f"kptool {path} --help shows another command"
            parse(words)


@pytest.mark.parametrize("name", ["load-kg", "export-csv"])
def test_commands_that_read_a_source_offer_all_that_a_source_takes(name: str) -> None:
    offered = {parameter.name for parameter in dict(commands())[name].params}
    taken = set(inspect.signature(open_source).parameters) - {"interactions", "min_rating"}  # the last is a setting
    assert {"paths", "link", "language", "skip_bad_rows"} <= taken <= offered
    assert "options" not in offered


def test_every_help_answers() -> None:
    for path, command in commands():
        said = CliRunner().invoke(app, [*path.split(), "--help"])
        assert said.exit_code == 0, said.output
        assert "Example" in said.output
        first_words = " ".join((command.help or "").split()[:4])
        assert first_words in " ".join(said.output.split())


def test_no_help_text_loses_its_brackets() -> None:
    wanted: dict[str, set[str]] = {}
    for path, command in commands():
        texts = [command.help or "", *(getattr(parameter, "help", None) or "" for parameter in command.params)]
        wanted[path] = {mark for text in texts for mark in re.findall(r"\w*\\?\[[^\]]*\]", text)}
        if wanted[path]:
            said = CliRunner().invoke(app, [*path.split(), "--help"], env={"COLUMNS": "200"}).output
            assert not [mark for mark in wanted[path] if mark.replace("\\[", "[") not in said], path
    assert "kptoolkit\\[ray]" in wanted["compile"]


@pytest.mark.parametrize(
    "words", [["lod-kg", "x"], ["fit", "--no-such-option"], ["recommend"], ["render-prompts", "--hops", "two"]]
)
def test_the_parser_refuses_what_the_command_line_refuses(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2
    with pytest.raises(Exception, match=r".") as refused:
        parse(words)
    assert getattr(refused.value, "exit_code", None) == 2


@pytest.mark.process
@pytest.mark.parametrize("words", CHEAP, ids=" ".join)
def test_cheap_commands_import_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys\nfrom kptoolkit.cli import run\nsys.argv[1:] = sys.argv[2:]\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"sys.exit(', '.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, "kptool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"kptool {' '.join(words)}: {done.stderr}"
    assert done.stdout


def test_version() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"kptool {kptoolkit.__version__}\n")


@pytest.mark.process
def test_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "kptoolkit", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "load-kg" in done.stdout
