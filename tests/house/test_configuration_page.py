"""The tables of docs/configuration.md and docs/model.md are those of the code.

When this fails, write the tables again:  python tests/house/test_configuration_page.py
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from source_tree import CHECKOUT

from kptoolkit.config import Config, describe
from kptoolkit.models import backend_class, options_class

SETTINGS, T5_OPTIONS = CHECKOUT / "docs" / "configuration.md", CHECKOUT / "docs" / "model.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"
WORDS = {str: "text", Path: "path", bool: "true, false", int: "whole number", float: "number", SecretStr: "text"}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def tables(page: Path) -> str:
    """What stands between the marks of a page, as the code has it."""
    if page == SETTINGS:
        sections = Config.model_fields.items()
        return (
            "".join(f"\n### `[{name}]`\n\n{_table(section.annotation, f'{name}.')}" for name, section in sections)
            + "\n"
        )
    ours, papers = (options_class(backend_class(name)) for name in ("sequence", "kp4sr"))
    rows = [{dotted: (default, text) for dotted, default, text in describe(options)} for options in (ours, papers)]
    shared = {name for name in rows[0] if rows[0][name] == rows[1].get(name)}
    return (
        f"\n### Options of both T5 backends\n\n{_table(ours, 'model.', shared)}"
        f"\n### Options of `sequence`\n\n{_table(ours, 'model.', set(rows[0]) - shared)}"
        f"\n### Options of `kp4sr`\n\n{_table(papers, 'model.', set(rows[1]) - shared)}"
        f"\n### Options of `linear`\n\n{_table(options_class(backend_class('linear')), 'model.')}\n"
    )


def _table(model: object, prefix: str, names: set[str] | None = None) -> str:
    """A table of the settings of ``model``, or of those among them that ``names`` has."""
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    lines = ["| setting | default | allowed | meaning |", "|---|---|---|---|"]
    for dotted, default, text in describe(model, prefix):
        name = dotted.removeprefix(prefix)
        if names is not None and name not in names:
            continue
        field = model.model_fields[name]
        shown = f"`{_toml(default)}`" if default else "unset"
        lines.append(f"| `{dotted}` | {shown} | {allowed(field)} | {text.replace('``', '`')} |")
    return "\n".join(lines) + "\n"


def _toml(default: str) -> str:
    return default.lower() if default in ("True", "False") else default.replace("(", "[").replace(")", "]")


def allowed(field: FieldInfo) -> str:
    """What may be given for a setting, in a few words."""
    kind = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of whole numbers"
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in SIGNS.items()
        if hasattr(bound, name)
    ]
    return ", ".join([WORDS[kind], *bounds])  # type: ignore[index]


def written(page: Path) -> str:
    """What stands between the marks of a page."""
    return page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


@pytest.mark.parametrize("page", [SETTINGS, T5_OPTIONS], ids=lambda page: page.name)
def test_page_shows_every_setting_as_it_is(page: Path) -> None:
    assert written(page) == tables(page), f"run: python tests/house/{Path(__file__).name}"


def test_limits_are_shown() -> None:
    assert allowed(Config.model_fields["tree"].annotation.model_fields["hops"]) == "whole number, ≥ 1, ≤ 6"  # type: ignore[union-attr]
    assert "| `run.dir` | `runs/latest` | path |" in tables(SETTINGS)


if __name__ == "__main__":
    for rewritten in (SETTINGS, T5_OPTIONS):
        before, begin, rest = rewritten.read_text(encoding="utf-8").partition(BEGIN)
        if not begin or END not in rest:
            sys.exit(f"{rewritten} lacks the lines {BEGIN.strip()} and {END.strip()}")
        rewritten.write_text(before + BEGIN + tables(rewritten) + END + rest.partition(END)[2], encoding="utf-8")
