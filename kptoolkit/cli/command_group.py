"""Groups of commands that accept the options of a command before its name too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperGroup

from kptoolkit.cli.console import SafeGroup


class CommandGroup(SafeGroup):
    """A group of commands: ``kptool -q --graph URI tree …`` is ``kptool tree -q --graph URI …``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the options before the name of a command behind it, and parse; see the class of click."""
        if not ctx.resilient_parsing:
            args = moved_behind(self, args)
        return super().parse_args(ctx, args)


def moved_behind(group: TyperGroup, words: Sequence[str]) -> list[str]:
    """Return ``words`` with the options before the name of a command behind it.

    Nothing is moved if a word before the name is neither an option of that command nor the value of one.

    Args:
        group: Its commands are known by name.
        words: The words of the command line after the name of the group.
    """
    for place, word in enumerate(words):
        if word == "--":
            break
        command = group.commands.get(word)
        if command is not None and _are_options(command, words[:place]):
            return [word, *words[:place], *words[place + 1 :]]
    return list(words)


def _are_options(command: Any, words: Sequence[str]) -> bool:
    """Whether ``words`` are options of a command, or of a command in a group, with all their values."""
    if isinstance(command, TyperGroup):
        return not words or any(_are_options(child, words) for child in command.commands.values())
    values = _values_of(command)
    place = 0
    while place < len(words):
        name, equals, _ = words[place].partition("=")
        if name not in values:
            return False
        place += 1 if equals else 1 + values[name]
    return place == len(words)


def _values_of(command: Any) -> Mapping[str, int]:
    """Number of values of each option, by its spellings."""
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    return {
        name: 0 if option.is_flag or option.count else option.nargs
        for option in options
        for name in (*option.opts, *option.secondary_opts)
    }
