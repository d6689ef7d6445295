"""Parses ``kptool`` command lines without running them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath

import typer
from typer.core import TyperCommand, TyperGroup

from kptoolkit.cli.app import app

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_ENDS = {"|", ">", ">>", "2>", "<", "&&", "||", ";", "&"}


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """Every command with its words after ``kptool``; groups themselves are left out."""
    yield from _below("", typer.main.get_command(app))


def _below(path: str, command: object) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from _below(f"{path} {name}".strip(), child)
    elif isinstance(command, TyperCommand):
        yield path, command


def kptool_lines(text: str) -> list[list[str]]:
    """The words after ``kptool`` of every line that calls it, without variables, prompt, pipe and redirection."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [words[1:] for line in lines if (words := _words(line)) and PurePath(words[0]).name == "kptool"]


def _words(line: str) -> list[str]:
    if "kptool" not in line:
        return []
    words = shlex.split(re.sub(r"^\s*\$ ", "", line), comments=True)
    while words and _ASSIGNMENT.match(words[0]):
        words.pop(0)
    end = next((index for index, word in enumerate(words) if word in _ENDS), len(words))
    return words[:end]


def parse(words: list[str]) -> None:
    """Parse the words after ``kptool`` as the command line would.

    Raises:
        click.ClickException: There is no such command, or an option is unknown or missing.
    """
    asks_help = bool({"-h", "--help"} & set(words))
    words = [word for word in words if word not in {"-h", "--help"}]
    command, name, context = typer.main.get_command(app), "kptool", None
    while words and isinstance(command, TyperGroup):
        context = command.make_context(name, words, parent=context)
        found, child, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        assert child is not None
        command, name = child, found
    if not asks_help and not isinstance(command, TyperGroup):
        command.make_context(name, words, parent=context)
